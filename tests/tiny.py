"""The whole study at 16 pixels, cut to what a test can wait for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mri_robust.bench.certificate import certify_run
from mri_robust.bench.runner import Run
from mri_robust.bench.worker import ExecutorOptions
from mri_robust.evaluation import sanity
from mri_robust.experiments import extraction, inversion
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
    epochs={10: 20, 5: 2, 30: 4},
    resnet_epochs=ONE,
    attacked_epochs={5: 1, 10: 2},
    strengths=(1,),
    attack_least=8,
    steps=2,
    copy_images=64,
)


def shallow(name: str, **options: Any) -> Any:
    """A ResNet with one block per stage: the same layers by name, at a fraction of the time."""
    from torchvision.models import resnet

    block = resnet.BasicBlock if name == "resnet18" else resnet.Bottleneck
    return resnet.ResNet(block, [1, 1, 1, 1], **options)


@contextmanager
def cut() -> Iterator[None]:
    """Cuts that are no scale's: attack budgets, and what the sanity checks look at."""
    with pytest.MonkeyPatch.context() as patch:
        torchvision = SimpleNamespace(models=SimpleNamespace(get_model=shallow))
        patch.setattr(weights, "import_torchvision", lambda: torchvision)
        patch.setattr(extraction, "BUDGETS", (8, 32))
        patch.setattr(extraction, "MIDDLE", 32)
        patch.setattr(inversion, "STEPS", 4)
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
