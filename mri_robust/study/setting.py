"""Where an experiment is set: data, protocol, scale, seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mri_robust.core.spec import Spec
from mri_robust.study.recipe import Recipe
from mri_robust.study.scale import Scale


@dataclass(frozen=True)
class DataFacts:
    """What an experiment knows of its data set: name, digest, channels, classes and counts."""

    name: str
    digest: str
    channels: str
    classes: tuple[str, ...]
    train_images: int
    test_images: int


@dataclass(frozen=True)
class Setting:
    """The circumstances of one run of an experiment.

    Attributes:
        protocol: `sound` or `paper`.
        scale: what is cut.
        data: facts of the data set.
        seed: of the trained models and the attacks.
        engine: `native`, `art` or `torchattacks`.
        weights, weights_digest: first weights of ResNets; where they are a file, what names its content.
    """

    protocol: str
    scale: Scale
    data: DataFacts
    seed: int
    engine: str = "native"
    weights: str = "none"
    weights_digest: str = ""

    @property
    def sound(self) -> bool:
        """Whether the protocol is `sound`."""
        return self.protocol == "sound"

    def recipe(self, model: str, architecture: str, *, study_epochs: int, **details: Any) -> Recipe:
        """A recipe with this setting's size, seed and cuts; `study_epochs` is what the study trained for."""
        scale = self.scale
        epochs = scale.resnet_epochs if architecture.startswith("resnet") else scale.epochs
        return Recipe(
            model=model,
            architecture=architecture,
            image_size=scale.image_size,
            channels=self.data.channels,
            seed=self.seed,
            epochs=epochs.get(study_epochs, study_epochs),
            batch_size=scale.batch_size,
            learning_rate=details.pop("learning_rate", 1e-4) * scale.rate,
            anneal=scale.anneal,
            train_images=scale.train_images,
            **details,
        )

    def flips(self) -> Spec:
        """The study's light augmentation: horizontal flip and rotation by up to 10 degrees."""
        return Spec("augmentation", {"horizontal_flip": 0.5, "degrees": 10.0})

    def section_5_1(self) -> Spec:
        """The study's whole augmentation pipeline, or the light one where the scale cuts it."""
        if not self.scale.whole_augmentation:
            return self.flips()
        colour = {"brightness": 0.2, "contrast": 0.2, "saturation": 0.2, "hue": 0.1}
        geometry = {"horizontal_flip": 0.5, "vertical_flip": 0.5, "degrees": 15.0, "crop_scale": 0.8, "erase": 0.5}
        return Spec("augmentation", {**geometry, **colour})
