"""Whatever a model file holds: it becomes a model that works, or is refused in one line, and nothing in it runs."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from corpus_checkpoints import CLASSES, DETECTOR, DETECTOR_HEADER, FILES, HEADER, MODEL, SIZE, STATES, fits, written
from corpus_payloads import PAYLOADS
from hypothesis import given
from made_up import made_up, spoilings
from sandbox import Sandbox

from mri_robust import load_model
from mri_robust.defences.snooping import Snooper
from mri_robust.models.checkpoint import load_detector
from mri_robust.models.classifier import build_model
from mri_robust.models.external import model_digest
from mri_robust.models.opening import open_model
from mri_robust.models.weights import read_notes

Sandboxes = Callable[[], AbstractContextManager[Sandbox]]
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".npy", ".npz", ".yaml", ".json", ".zip", "")
FACTORY = f"""from mri_robust import build_model
def make(): return build_model('cnn', classes={CLASSES}, image_size={SIZE}).network"""


def read(sandbox: Sandbox, path: Path) -> Any:
    """Every way to read a file of weights; returns what it is as a checkpoint."""
    (sandbox.work / "factory.py").write_text(FACTORY)
    model = sandbox.judge(lambda: load_model(path))
    assert model is None or fits(model)
    sandbox.judge(lambda: load_detector(path))
    sandbox.judge(lambda: Snooper.load(path))
    sandbox.judge(lambda: read_notes(path))
    opened = sandbox.judge(lambda: open_model(str(path)))
    if opened is not None:
        shape = (1 if opened.channels == "grey" else 3, opened.image_size, opened.image_size)
        sandbox.judge(lambda: model_digest(opened, shape))
    sandbox.judge(lambda: open_model("factory:make", weights=path))
    return model


@pytest.mark.parametrize("name", [*FILES, *(f"{name}.pth" for name in STATES)])
def test_files_and_state_dicts(name: str, sandbox: Sandbox) -> None:
    bare = name.endswith(".pth")
    path = sandbox.work / ("model.pth" if bare else "model.safetensors")
    (STATES[name.removesuffix(".pth")] if bare else FILES[name])(path)
    assert read(sandbox, path) is None or not bare


@pytest.mark.parametrize("name", PAYLOADS)
def test_code_in_a_model_is_never_run(name: str, sandbox: Sandbox) -> None:
    for suffix in SUFFIXES:
        path = sandbox.work / f"model{suffix}"
        path.write_bytes(PAYLOADS[name](sandbox.marker))
        assert read(sandbox, path) is None
    sandbox.judge(lambda: build_model("resnet18", classes=CLASSES, image_size=SIZE, weights=str(path)))


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_what_is_no_file(suffix: str, sandbox: Sandbox) -> None:
    work = sandbox.work
    (work / f"folder{suffix}").mkdir()
    os.mkfifo(work / f"pipe{suffix}")
    os.symlink(f"loop{suffix}", work / f"loop{suffix}")
    os.symlink("/dev/zero", work / f"zero{suffix}")
    for name in ("folder", "pipe", "loop", "zero", "gone", "x" * 5000, "x/" * 3000, "\udcff", "a\nb", "\x1b[31m"):
        assert read(sandbox, work / f"{name}{suffix}") is None


@made_up(60)
@given(header=spoilings(HEADER))
def test_headers_of_classifiers(header: dict[str, Any], sandboxes: Sandboxes) -> None:
    with sandboxes() as sandbox:
        written(MODEL, header)(sandbox.work / "model.safetensors")
        read(sandbox, sandbox.work / "model.safetensors")


@made_up(40)
@given(header=spoilings(DETECTOR_HEADER))
def test_headers_of_detectors(header: dict[str, Any], sandboxes: Sandboxes) -> None:
    with sandboxes() as sandbox:
        path = sandbox.work / "detector.safetensors"
        written(DETECTOR, header)(path)
        loaded = sandbox.judge(lambda: Snooper.load(path))
        assert loaded is None or 0 <= loaded.threshold <= 1
        sandbox.judge(lambda: load_model(path))
