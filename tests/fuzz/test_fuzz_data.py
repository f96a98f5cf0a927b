"""Whatever a folder, an archive or an image holds: it is loaded, or refused in one line, and nothing in it runs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import corpus_checkpoints
import numpy as np
import pytest
from corpus_folders import FOLDERS, holding, payload_folder, reopen
from corpus_images import BAD, GOOD, ODD, flipped, truncated
from corpus_payloads import PAYLOADS
from corpus_zips import ZIPS, packed, payload_zip
from hypothesis import given
from hypothesis import strategies as st
from made_up import made_up
from sandbox import Sandbox

from mri_robust.data.dataset import Dataset, load_dataset

Sandboxes = Callable[[], AbstractContextManager[Sandbox]]
COMMANDS = (
    ["data", "info", "--size", 16, "--data"],
    ["data", "preview", "--size", 16, "--out", "out/sheet.png", "--data"],
)


@pytest.fixture(scope="session")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("detector") / "detector.safetensors"
    corpus_checkpoints.FILES["detector"](path)
    return path


def load(sandbox: Sandbox, path: Path, *, skip: bool) -> Dataset | None:
    """Load a data set in the sandbox; one that is taken is whole."""
    loaded: Dataset | None = sandbox.judge(
        "load_dataset", lambda: load_dataset(path, size=16, channels="rgb", skip_unreadable=skip)
    )
    for split in (loaded.train, loaded.test) if loaded else ():
        assert split.images.shape == (len(split), 3, 16, 16)
        assert split.images.dtype == np.uint8
        assert len(split.names) == len(split) > 0
        assert set(split.labels.tolist()) == set(range(len(loaded.classes))) if loaded else True
    return loaded


def everything(sandbox: Sandbox, path: Path, detector: Path, turn: int) -> None:
    """Both ways to load it, and one of the commands."""
    load(sandbox, path, skip=False)
    load(sandbox, path, skip=True)
    if turn % 3 == 2:
        sandbox.command("snoop", path, "--detector", detector, "--skip-unreadable", "--out", "out")
    else:
        sandbox.command(*COMMANDS[turn % 3], path, "--skip-unreadable")


@pytest.mark.parametrize("name", FOLDERS)
def test_folders(name: str, sandbox: Sandbox, detector: Path) -> None:
    root = sandbox.work / "data"
    root.mkdir()
    FOLDERS[name](root)
    try:
        everything(sandbox, root, detector, list(FOLDERS).index(name))
    finally:
        reopen(root)


@pytest.mark.parametrize("name", ZIPS)
def test_archives(name: str, sandbox: Sandbox, detector: Path) -> None:
    path = sandbox.work / "data.zip"
    content = ZIPS[name]
    path.write_bytes(content if isinstance(content, bytes) else content())
    everything(sandbox, path, detector, list(ZIPS).index(name))


@pytest.mark.parametrize("name", PAYLOADS)
def test_code_in_a_data_set_is_never_run(name: str, sandbox: Sandbox, detector: Path) -> None:
    root, path = sandbox.work / "data", sandbox.work / "data.zip"
    root.mkdir()
    payload_folder(name, sandbox.marker)(root)
    path.write_bytes(payload_zip(name, sandbox.marker))
    for turn, source in enumerate((root, path)):
        load(sandbox, source, skip=True)
        sandbox.command(*COMMANDS[turn], source, "--skip-unreadable")
    bare = sandbox.work / "bare"
    bare.write_bytes(PAYLOADS[name](sandbox.marker))
    load(sandbox, bare, skip=True)
    sandbox.command("snoop", bare, "--detector", detector, "--out", "out")


@pytest.mark.parametrize("name", [*GOOD, *ODD])
def test_odd_images_are_taken(name: str, sandbox: Sandbox, detector: Path) -> None:
    root = sandbox.work / "data"
    holding({**GOOD, **ODD}[name])(root)
    assert load(sandbox, root, skip=False) is not None
    sandbox.command("snoop", root / "Training/a/odd.png", "--detector", detector, "--out", "out")


@pytest.mark.parametrize("name", BAD)
def test_bad_images_are_left_out_only_when_asked(name: str, sandbox: Sandbox, detector: Path) -> None:
    root = sandbox.work / "data"
    holding(BAD[name])(root)
    assert load(sandbox, root, skip=False) is None
    kept = load(sandbox, root, skip=True)
    assert kept is not None
    assert kept.skipped == {"unreadable": 1}
    sandbox.command("snoop", root / "Training/a/odd.png", "--detector", detector, "--out", "out")


@pytest.mark.parametrize("name", ["links", "pipe", "device", "class-of-texts", "many-classes", "called-1", "called-23"])
def test_audits_of_odd_folders(name: str, sandbox: Sandbox) -> None:
    root = sandbox.work / "data"
    root.mkdir()
    FOLDERS[name](root)
    (root / "Training/a/bad.png").write_bytes(BAD["tiff-loop"]) if (root / "Training/a").is_dir() else None
    sandbox.command("data", "audit", "--data", root, "--skip-unreadable", "--out", "out")


@made_up(60)
@given(kind=st.sampled_from(sorted(GOOD)), seed=st.integers(0, 2**32), share=st.floats(0, 1), bits=st.integers(0, 40))
def test_damaged_images(kind: str, seed: int, share: float, bits: int, sandboxes: Sandboxes) -> None:
    data = flipped(GOOD[kind], seed, bits) if bits else truncated(GOOD[kind], share)
    with sandboxes() as sandbox:
        holding(data)(sandbox.work / "data")
        assert load(sandbox, sandbox.work / "data", skip=True) is not None


@made_up(40)
@given(
    seed=st.integers(0, 2**32), share=st.floats(0.2, 1), bits=st.integers(1, 60), method=st.sampled_from([0, 8, 12, 14])
)
def test_damaged_archives(seed: int, share: float, bits: int, method: int, sandboxes: Sandboxes) -> None:
    data = truncated(flipped(packed(method=method), seed, bits), share if seed % 4 == 0 else 1)
    with sandboxes() as sandbox:
        path = sandbox.work / "data.zip"
        path.write_bytes(data)
        load(sandbox, path, skip=True)
