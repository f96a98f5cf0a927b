"""The whole study at 16 pixels, cut to what a test can wait for."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn
from torchvision.models import resnet

from mri_robust.bench.runner import Run, certify_run
from mri_robust.bench.worker import ExecutorOptions
from mri_robust.evaluation import sanity
from mri_robust.experiments import extraction, inversion, smoothing, storage, universal
from mri_robust.models import weights
from mri_robust.study.config import Config
from mri_robust.study.experiment import all_experiments, load_experiment
from mri_robust.study.protocol import PROTOCOLS
from mri_robust.study.results_folder import ResultsFolder
from mri_robust.study.scale import QUICK

DATA = "phantom:train=32,test=16"
ONE = {5: 1, 10: 1}
SCALE = replace(
    QUICK,
    image_size=16,
    batch_size=16,
    rate=10.0,
    epochs={10: 12, 5: 2, 30: 2},
    resnet_epochs=ONE,
    attacked_epochs={5: 1, 10: 2},
    strengths=(1,),
    attack_least=8,
    steps=2,
    copy_images=32,
)


class Narrow(resnet.ResNet):
    """A ResNet of one block per stage and an eighth of the channels: the same layers by name, much faster."""

    def __init__(self, block: type) -> None:
        super().__init__(block, [1, 1, 1, 1])
        self.fc = nn.Linear(self.inplanes, 1)

    def _make_layer(self, block: Any, planes: int, *rest: Any, **more: Any) -> nn.Sequential:
        return super()._make_layer(block, planes // 8, *rest, **more)


def narrow(name: str) -> nn.Module:
    """The network that stands for torchvision's of that name."""
    return Narrow(resnet.BasicBlock if name == "resnet18" else resnet.Bottleneck)


@contextmanager
def cut() -> Iterator[None]:
    """Cuts that are no scale's: attack budgets, and what the sanity checks look at."""
    with pytest.MonkeyPatch.context() as patch:
        torchvision = SimpleNamespace(models=SimpleNamespace(get_model=narrow))
        patch.setattr(weights, "import_torchvision", lambda: torchvision)
        patch.setattr(extraction, "BUDGETS", (8, 16))
        patch.setattr(extraction, "MIDDLE", 16)
        patch.setattr(inversion, "STEPS", 2)
        patch.setattr(smoothing, "Smoothing", partial(smoothing.Smoothing, selection=4, draws=32))
        patch.setattr(storage, "readable", lambda: ("8-bit", "jpeg-75"))
        patch.setattr(universal, "ART_COUNT", 4)
        patch.setattr(universal, "SIZES", 1)
        patch.setattr(sanity, "IMAGES", 8)
        patch.setattr(sanity, "RandomSearch", partial(sanity.RandomSearch, queries=8))
        yield


def tiny_run(
    folder: Path,
    names: Sequence[str] = (),
    *,
    protocols: Sequence[str] = PROTOCOLS,
    executor: str = "local",
    **changes: Any,
) -> Run:
    """A run of the experiments of these names, or of all, finished; `changes` are fields of `Config`."""
    experiments = [load_experiment(name) for name in names] or all_experiments(beyond=True)
    config = replace(Config(data=DATA, scale=SCALE), **changes)
    configs = [replace(config, protocol=protocol) for protocol in protocols]
    with cut():
        run = Run(experiments, configs, ResultsFolder(folder), executor=ExecutorOptions(executor))
        run.run()
    run.folder.write_json("run", run.provenance("mri-robust bench", 1.0))
    return run


def tiny_study(folder: Path) -> Run:
    """Every experiment under both protocols, with the cross-check."""
    run = tiny_run(folder)
    config = run.configs[0]
    run.folder.write_json("crosscheck", certify_run(run.worker.trainer(config), config, images=4).content())
    return run
