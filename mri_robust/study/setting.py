"""Where an experiment is set: data, protocol, scale, seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mri_robust.core.errors import UserError
from mri_robust.core.registry import Spec
from mri_robust.data.tumours import healthy_classes
from mri_robust.study.recipe import Recipe
from mri_robust.study.scale import Scale


@dataclass(frozen=True)
class DataFacts:
    """What an experiment knows of its data set: name, digest, channels, classes, counts, and which have a tumour."""

    name: str
    digest: str
    channels: str
    classes: tuple[str, ...]
    train_images: int
    test_images: int
    tumour_classes: tuple[str, ...] = ()

    @property
    def healthy(self) -> int:
        """The class without a tumour, which the study's attacks aim at: the first where there are several.

        Raises:
            UserError: the data have none.
        """
        found = healthy_classes(self.classes, self.tumour_classes)
        if not found:
            raise UserError(
                f"the attack aims at the class without a tumour, and data '{self.name}' have none among "
                f"{', '.join(self.classes)}: name the others with --tumour-classes, call it notumor, or name "
                "experiments that need none, such as fgsm and pgd"
            )
        return found[0]

    @property
    def tumours(self) -> list[int]:
        """The classes with a tumour."""
        healthy = healthy_classes(self.classes, self.tumour_classes)
        return [index for index in range(len(self.classes)) if index not in healthy]


@dataclass(frozen=True)
class Setting:
    """The circumstances of one run of an experiment.

    Attributes:
        protocol: `sound` or `paper`.
        scale: what is cut.
        data: facts of the data set.
        seed: of the trained models and the attacks.
        engine: `native`, `art` or `torchattacks`.
        weights: architecture -> (`none`, `imagenet` or a file; where it is a file, what names its content).
    """

    protocol: str
    scale: Scale
    data: DataFacts
    seed: int
    engine: str = "native"
    weights: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def sound(self) -> bool:
        """Whether the protocol is `sound`."""
        return self.protocol == "sound"

    def recipe(
        self,
        model: str,
        architecture: str,
        *,
        study_epochs: int,
        study_batch: int = 8,
        attacked: bool = False,
        **details: Any,
    ) -> Recipe:
        """A recipe with this setting's size, seed and cuts.

        Args:
            model, architecture: see `Recipe`.
            study_epochs, study_batch: what the study trained with.
            attacked: take the cuts for models whose training is attacked.
            details: further fields of `Recipe`; `learning_rate` is the study's own.
        """
        scale = self.scale
        epochs = scale.resnet_epochs if architecture.startswith("resnet") else scale.epochs
        images = scale.train_images
        if attacked:
            epochs, images = scale.attacked_epochs, scale.attacked_images
        return Recipe(
            model=model,
            architecture=architecture,
            image_size=scale.image_size,
            channels=self.data.channels,
            seed=self.seed,
            epochs=epochs.get(study_epochs, study_epochs),
            batch_size=max(scale.batch_size, study_batch),
            learning_rate=details.pop("learning_rate", 1e-4) * scale.rate,
            anneal=scale.anneal,
            train_images=images,
            **details,
        )

    def first_weights(self, architecture: str) -> dict[str, Any]:
        """The fields of a recipe that name a ResNet's first weights."""
        weights, digest = self.weights.get(architecture, ("none", ""))
        return {"weights": weights, "weights_digest": digest}

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
