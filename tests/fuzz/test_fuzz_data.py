"""Whatever a folder, an archive, a picture or a slice holds: it is loaded, or refused in one line, and nothing runs."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpus_folders import FOLDERS, holding, payload_folder, reopen
from corpus_images import BAD, GOOD, ODD, flipped, truncated
from corpus_medical import HOSTILE, SLICES
from corpus_payloads import PAYLOADS
from corpus_zips import REASONS, ZIPS, packed, payload_zip
from hypothesis import given
from hypothesis import strategies as st
from made_up import made_up
from medical_files import PATIENT
from sandbox import Sandbox

from mri_robust.core.errors import UserError
from mri_robust.data.dataset import load_dataset
from mri_robust.data.decode import Unreadable, decode
from mri_robust.data.scans import read_scans

SOUND = {name: (".png", data) for name, data in (GOOD | ODD).items()}
SOUND |= {f"x{suffix}": (suffix, data) for suffix, data in SLICES.items()}
HARMFUL = {name: (".png", *case) for name, case in BAD.items()} | HOSTILE


def load(sandbox: Sandbox, path: Path, *, skip: bool, says: str = "") -> Any:
    said: list[str] = []

    def action() -> Any:
        try:
            return load_dataset(path, size=16, channels="rgb", skip_unreadable=skip)
        except UserError as error:
            said.append(str(error))
            raise

    loaded = sandbox.judge(action)
    assert all(re.search(says, each) for each in said), said
    for split in (loaded.train, loaded.test) if loaded else ():
        assert (split.images.shape, split.images.dtype) == ((len(split), 3, 16, 16), np.uint8)
        assert len(split.names) == len(split) > 0
        assert set(split.labels.tolist()) == set(range(len(loaded.classes)))
    return loaded


def everything(sandbox: Sandbox, path: Path, turn: int, says: str = "") -> None:
    for skip in (False, True):
        load(sandbox, path, skip=skip, says="" if skip else says)
    sandbox.judge(lambda: read_scans(path, size=16, channels="grey", skip_unreadable=True))
    command = ["data", "info"] if turn % 3 else ["data", "preview", "--out", "out/sheet.png"]
    if turn % 2:
        sandbox.command(*command, "--size", 16, "--data", path, "--skip-unreadable")


@pytest.mark.parametrize("name", FOLDERS)
def test_folders(name: str, sandbox: Sandbox) -> None:
    root = sandbox.work / "data"
    root.mkdir()
    FOLDERS[name](root)
    try:
        everything(sandbox, root, list(FOLDERS).index(name))
        if name in ("links", "special", "class-of-texts", "called-1"):
            sandbox.command("data", "audit", "--data", root, "--skip-unreadable", "--out", "out")
    finally:
        reopen(root)


@pytest.mark.parametrize("name", ZIPS)
def test_archives(name: str, sandbox: Sandbox) -> None:
    path, content = sandbox.work / "data.zip", ZIPS[name]
    path.write_bytes(content if isinstance(content, bytes) else content())
    everything(sandbox, path, list(ZIPS).index(name), REASONS.get(name, ""))
    if name in REASONS:
        assert load(sandbox, path, skip=False) is None


@pytest.mark.parametrize("name", PAYLOADS)
def test_code_in_a_data_set_is_never_run(name: str, sandbox: Sandbox) -> None:
    root, path, bare = (sandbox.work / each for each in ("data", "data.zip", "bare"))
    payload_folder(name, sandbox.marker)(root)
    path.write_bytes(payload_zip(name, sandbox.marker))
    bare.write_bytes(PAYLOADS[name](sandbox.marker))
    for turn, source in enumerate((root, path, bare)):
        everything(sandbox, source, turn)


@pytest.mark.parametrize("name", SOUND)
def test_odd_images_are_taken(name: str, sandbox: Sandbox) -> None:
    suffix, data = SOUND[name]
    holding(data, suffix)(sandbox.work / "data")
    assert f"Training/a/odd{suffix}" in load(sandbox, sandbox.work / "data", skip=False).train.names


@pytest.mark.parametrize("name", HARMFUL)
@pytest.mark.filterwarnings("ignore")
def test_harmful_images_are_left_out_only_when_asked_and_say_why(name: str, sandbox: Sandbox) -> None:
    suffix, data, reason = HARMFUL[name]
    with pytest.raises(Unreadable, match=reason) as caught:
        decode(data, 16, "grey", f"odd{suffix}")
    assert PATIENT not in str(caught.value)
    assert len(str(caught.value)) < 200
    holding(data, suffix)(sandbox.work / "data")
    assert load(sandbox, sandbox.work / "data", skip=False, says=reason) is None
    assert load(sandbox, sandbox.work / "data", skip=True).skipped == {"unreadable": 1}


KINDS = [*SOUND, *(0, 8, 12, 14)]  # images, and archives of these methods


@made_up(140)
@given(st.sampled_from(KINDS), st.integers(0, 2**32), st.floats(0.1, 1), st.integers(0, 60))
def test_damaged_files(sandboxes: Any, kind: str | int, seed: int, share: float, bits: int) -> None:
    suffix, data = SOUND[kind] if isinstance(kind, str) else ("", packed(method=kind))
    damaged = truncated(flipped(data, seed, bits), share if seed % 3 == 0 or not bits else 1)
    with sandboxes() as sandbox:
        path = sandbox.work / "data"
        path.write_bytes(damaged) if isinstance(kind, int) else holding(damaged, suffix)(path)
        assert load(sandbox, path, skip=True) is not None or isinstance(kind, int)
