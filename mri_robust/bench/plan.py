"""What a bench runs: the options of `mri-robust bench`, checked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mri_robust.data.cache import checksum
from mri_robust.data.dataset import Channels, Dataset
from mri_robust.models.pretrained import find_imagenet
from mri_robust.study.experiment import Experiment
from mri_robust.study.scale import QUICK, Scale
from mri_robust.study.setting import DataFacts, Setting

RESNETS = ("resnet18", "resnet50")
FIRST_SEED = 42
"""The study's seed; further seeds count up from it."""


@dataclass(frozen=True)
class Plan:
    """Which experiments, on what data, how.

    Attributes:
        experiments: in the order of the report.
        data, channels, skip_unreadable: what `load_dataset` takes; channels None for the protocol's own.
        protocols: `sound`, `paper` or both.
        scale: what is cut against the study.
        engine: whose code crafts adversarial images.
        weights, weights_folder: first weights of the ResNets, and where ImageNet's are looked for.
        seeds: models trained a table.
        tumour_classes: the classes with a tumour; empty to go by the names.
    """

    experiments: tuple[Experiment, ...]
    data: str = "phantom"
    channels: Channels | None = None
    skip_unreadable: bool = False
    protocols: tuple[str, ...] = ("sound",)
    scale: Scale = QUICK
    engine: str = "native"
    weights: str = "auto"
    weights_folder: Path | None = None
    seeds: int = 1
    tumour_classes: tuple[str, ...] = ()

    def channels_of(self, protocol: str) -> Channels:
        """The channels that a protocol reads: RGB for `paper`, grey for `sound`, unless others are asked for."""
        return self.channels or ("rgb" if protocol == "paper" else "grey")

    def settings(self, dataset: Dataset, protocol: str) -> list[Setting]:
        """One setting a seed."""
        facts = DataFacts(
            name=dataset.name,
            digest=dataset.digest,
            channels=dataset.channels,
            classes=dataset.classes,
            train_images=len(dataset.train),
            test_images=len(dataset.test),
            tumour_classes=dataset.tumour_classes,
        )
        weights = self.first_weights
        seeds = range(FIRST_SEED, FIRST_SEED + self.seeds)
        return [Setting(protocol, self.scale, facts, seed, self.engine, weights) for seed in seeds]

    @cached_property
    def first_weights(self) -> dict[str, tuple[str, str]]:
        """ResNet -> (`none`, `imagenet` or a file; the digest of that file); `auto` takes ImageNet's where they are.

        Raises:
            UserError: the folder of weights does not exist, or a file in it is not what its name says.
        """
        if self.weights not in ("auto", "none", "imagenet"):
            return dict.fromkeys(RESNETS, (self.weights, checksum(Path(self.weights))))
        if self.weights != "auto":
            return dict.fromkeys(RESNETS, (self.weights, ""))
        return {name: ("imagenet" if find_imagenet(name, self.weights_folder) else "none", "") for name in RESNETS}
