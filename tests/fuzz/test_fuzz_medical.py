"""Whatever a DICOM or NIfTI file holds: it is a slice, or refused in a few words, soon and in little memory."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import corpus_checkpoints
import pytest
from corpus_folders import holding
from corpus_images import flipped, truncated
from corpus_medical import HOSTILE, SLICES
from hypothesis import given
from hypothesis import strategies as st
from made_up import made_up
from sandbox import Sandbox
from test_fuzz_data import load

Sandboxes = Callable[[], AbstractContextManager[Sandbox]]


@pytest.fixture(scope="session")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("detector") / "detector.safetensors"
    corpus_checkpoints.FILES["detector"](path)
    return path


@pytest.mark.parametrize("suffix", SLICES)
def test_slices_are_taken(suffix: str, sandbox: Sandbox, detector: Path) -> None:
    root = sandbox.work / "data"
    holding(SLICES[suffix], suffix)(root)
    loaded = load(sandbox, root, skip=False)
    assert loaded is not None
    assert f"Training/a/odd{suffix}" in loaded.train.names
    sandbox.command("snoop", root / f"Training/a/odd{suffix}", "--detector", detector, "--out", "out")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_left_out_only_when_asked(name: str, sandbox: Sandbox) -> None:
    suffix, content = HOSTILE[name]
    root = sandbox.work / "data"
    holding(content, suffix)(root)
    assert load(sandbox, root, skip=False) is None
    kept = load(sandbox, root, skip=True)
    assert kept is not None
    assert kept.skipped == {"unreadable": 1}
    if name in ("nested-sequences", "gzip-bomb"):
        sandbox.command("data", "audit", "--data", root, "--skip-unreadable", "--out", "out")


@made_up(40)
@given(kind=st.sampled_from(sorted(SLICES)), seed=st.integers(0, 2**32), share=st.floats(0, 1), bits=st.integers(0, 40))
def test_damaged_slices(kind: str, seed: int, share: float, bits: int, sandboxes: Sandboxes) -> None:
    data = flipped(SLICES[kind], seed, bits) if bits else truncated(SLICES[kind], share)
    with sandboxes() as sandbox:
        holding(data, kind)(sandbox.work / "data")
        assert load(sandbox, sandbox.work / "data", skip=True) is not None
