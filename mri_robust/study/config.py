"""What a run is asked to do, on which data, on what machine: one frozen value that decides every number."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mri_robust.core.errors import UserError
from mri_robust.core.registry import Spec
from mri_robust.data.dataset import Channels, Dataset
from mri_robust.study.recipe import External, Recipe
from mri_robust.study.scale import QUICK, Scale

FIRST_SEED = 42
"""The study's seed; further seeds count up from it."""
ENGINES = ("native", "art", "torchattacks")
"""Whose code crafts adversarial images."""


@dataclass(frozen=True)
class Config:
    """One run of an experiment: one protocol, one seed."""

    data: str = "phantom"  # what `load_dataset` takes, as is `skip_unreadable`
    split: float | None = None  # share of undivided data that is for testing
    skip_unreadable: bool = False
    channels: Channels | None = None  # None for the protocol's own
    tumour_classes: tuple[str, ...] = ()  # the classes with a tumour; empty to go by the names
    groups: str | None = None  # a table of files and patients, or `dicom`
    protocol: str = "sound"  # or `paper`
    scale: Scale = QUICK
    seed: int = FIRST_SEED  # of the trained models and the attacks
    engine: str = "native"  # whose code crafts the images of Tables 3 and 4, one of `ENGINES`
    models: tuple[External, ...] = ()  # the user's own models to ask about in place of the study's
    images: int | None = None  # most test images that any evaluation takes; None for no bound
    weights: tuple[tuple[str, str, str], ...] = ()  # (ResNet, `none`, `imagenet` or a file, its digest): first weights
    weights_folder: Path | None = None  # where ImageNet's weights are looked for before torch's own cache
    device: str = "cpu"  # or `cuda`
    precision: str = "fp32"  # or `bf16`: of training; who is fooled is always decided in float32
    threads: int = 1  # of the CPU; they decide the rounding of a trained model
    # Read off the data by `on`: name, digest, class names, the classes without a tumour, and counts of images.
    dataset: str = ""
    digest: str = ""
    classes: tuple[str, ...] = ()
    healthy: tuple[int, ...] = ()
    train_images: int = 0
    test_images: int = 0

    @property
    def sound(self) -> bool:
        """Whether the protocol is `sound`, as the field evaluates, and not the study's own."""
        return self.protocol == "sound"

    @property
    def reads(self) -> Channels:
        """The channels that images are read in: RGB under `paper`, grey under `sound`, unless others are asked for."""
        return self.channels or ("grey" if self.sound else "rgb")

    def on(self, dataset: Dataset) -> Config:
        """The same run with the facts of its data set."""
        return replace(
            self,
            channels=dataset.channels,
            dataset=dataset.name,
            digest=dataset.digest,
            classes=dataset.classes,
            healthy=dataset.healthy,
            train_images=len(dataset.train),
            test_images=len(dataset.test),
        )

    @property
    def environment(self) -> dict[str, Any]:
        """What of the machine decides trained weights."""
        return {"device": self.device, "precision": self.precision, "threads": self.threads}

    @property
    def target(self) -> int:
        """The class without a tumour, which the study's attacks aim at: the first of several; UserError for none."""
        if not self.healthy:
            raise UserError(
                f"the attack aims at the class without a tumour, and data '{self.dataset}' have none among "
                f"{', '.join(self.classes)}: name the others with --tumour-classes, call it notumor, or name "
                "experiments that need none, such as fgsm and pgd"
            )
        return self.healthy[0]

    @property
    def tumours(self) -> tuple[int, ...]:
        """The classes with a tumour."""
        return tuple(index for index in range(len(self.classes)) if index not in self.healthy)

    @property
    def as_printed(self) -> bool:
        """Whether sound attacks also take the sizes that the study prints: on its models, in L-inf as its own."""
        return not self.models and self.scale.norm == "linf"

    def most(self, images: int) -> int:
        """That many test images, or fewer where there are fewer or fewer are asked for."""
        return min(images, self.test_images, self.images or self.test_images)

    @property
    def attacked(self) -> int:
        """How many of the test images the costly attacks take."""
        return self.most(self.scale.attack_images(self.test_images))

    def recipe(
        self,
        model: str,
        architecture: str,
        *,
        study_epochs: int,
        study_batch: int = 8,
        attacked: bool = False,
        **own: Any,
    ) -> Recipe:
        """A recipe with this run's size, seed and cuts.

        Args:
            model, architecture: see `Recipe`.
            study_epochs, study_batch: what the study trained with.
            attacked: take the cuts for models whose training is attacked.
            own: further fields of `Recipe`; `learning_rate` is the study's own.
        """
        scale = self.scale
        epochs = scale.resnet_epochs if architecture.startswith("resnet") else scale.epochs
        epochs = scale.attacked_epochs if attacked else epochs
        cuts: dict[str, Any] = {
            "image_size": scale.image_size,
            "epochs": epochs.get(study_epochs, study_epochs),
            "batch_size": max(scale.batch_size, study_batch),
            "learning_rate": own.pop("learning_rate", 1e-4) * scale.rate,
            "anneal": scale.anneal,
            "train_images": scale.attacked_images if attacked else scale.train_images,
        }
        return Recipe(model, architecture, channels=self.reads, seed=self.seed, **(cuts | own))

    def first_weights(self, architecture: str) -> dict[str, Any]:
        """The fields of a recipe that name a ResNet's first weights."""
        found = {name: (weights, digest) for name, weights, digest in self.weights}
        weights, digest = found.get(architecture, ("none", ""))
        return {"weights": weights, "weights_digest": digest}

    def flips(self) -> Spec:
        """The study's light augmentation: horizontal flip and rotation by up to 10 degrees."""
        return Spec.of("mri_robust.defences.augmentation:Augmentation", horizontal_flip=0.5, degrees=10.0)

    def section_5_1(self) -> Spec:
        """The study's whole augmentation pipeline, or the light one where the scale cuts it."""
        if not self.scale.whole_augmentation:
            return self.flips()
        colour = {"brightness": 0.2, "contrast": 0.2, "saturation": 0.2, "hue": 0.1}
        geometry = {"horizontal_flip": 0.5, "vertical_flip": 0.5, "degrees": 15.0, "crop_scale": 0.8, "erase": 0.5}
        return Spec.of("mri_robust.defences.augmentation:Augmentation", **geometry, **colour)
