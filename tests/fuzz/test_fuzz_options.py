"""Whatever an option is given: the command answers, or says in one line what is wrong."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager

import click
import corpus_checkpoints
import hypothesis
import pytest
from corpus_folders import SOUND, holding
from corpus_images import GOOD
from corpus_options import MODULES, OPTIONS, Command, base, given
from hypothesis import strategies as st
from made_up import made_up
from sandbox import Sandbox

Sandboxes = Callable[[], AbstractContextManager[Sandbox]]
FACTORY = f"""
from mri_robust.models.classifier import build_model
def make(): return build_model('cnn', classes={corpus_checkpoints.CLASSES}, image_size=16).network
"""
VERDICTS: dict[Command, tuple[int, ...]] = {("results", "diff"): (0, 1)}
"""Command -> its exit codes, of those that answer with them."""


def furnish(sandbox: Sandbox) -> None:
    """What the options may name: an image, a folder, a pipe, a detector, a model, modules that misbehave."""
    work = sandbox.work
    (work / "scan.png").write_bytes(GOOD["PNG"])
    (work / "folder").mkdir()
    os.mkfifo(work / "pipe")
    corpus_checkpoints.FILES["detector"](work / "detector.safetensors")
    corpus_checkpoints.sound(work / "model.safetensors")
    for name, source in {**MODULES, "factory": FACTORY}.items():
        (work / f"{name}.py").write_bytes(source if isinstance(source, bytes) else source.encode())


@pytest.mark.parametrize(
    ("path", "option"), OPTIONS, ids=[f"{' '.join(path)} {each.opts[-1]}" for path, each in OPTIONS]
)
def test_every_option(path: Command, option: click.Option, sandbox: Sandbox) -> None:
    furnish(sandbox)
    for words in given(path, option):
        sandbox.command(*base(path), *words, verdicts=VERDICTS.get(path, (0,)))


def test_no_command_and_no_such_command(sandbox: Sandbox) -> None:
    sandbox.command("")
    sandbox.command("--version")
    for word in ("data", "results"):
        sandbox.command(word)
    for word in ("benhc", "-x", "--x=\x1b[31m", "\udcff", "é🧠", "a\0b", "x" * 10**5, "[/red]", "data info --data x"):
        sandbox.command(word)
        sandbox.command("data", word)
        sandbox.command("data", "info", word)


AUDIT = ("audit", "worst-case", "--model", "model.safetensors", "--data", "phantom:train=8,test=8", "--out", "out")


def test_settings_at_the_ends_of_their_ranges_work(sandbox: Sandbox) -> None:
    furnish(sandbox)
    holding(SOUND["Training/a/a.png"])(sandbox.work / "data")
    preview = ("data", "preview", "--data", "data", "--out", "out/sheet.png", "--images", 512, "--seed", 10**30)
    assert sandbox.command(*preview, "--size", 8)
    assert sandbox.command("data", "info", "--data", "data", "--size", 1024)
    assert sandbox.command("snoop", "scan.png", "--detector", "detector.safetensors", "--threshold", 0, "--out", "out")
    least = ("--eps", "1,0,1e-320", "--steps", 1, "--restarts", 1)
    assert sandbox.command(*AUDIT, "--images", 10**30, *least)


def test_more_than_fits_anywhere_is_refused_at_once(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two terabytes of slices, where the cache cannot be written."""
    (sandbox.work / "cache").write_bytes(b"a file")
    monkeypatch.setattr(sandbox, "cache", sandbox.work / "cache")
    most = "phantom:train=1000000,test=1000000"
    assert sandbox.command("data", "info", "--data", most, "--size", 1024) is None


def test_output_takes_no_pipe_and_no_folder_for_a_file_and_follows_no_link(sandbox: Sandbox) -> None:
    furnish(sandbox)
    holding(SOUND["Training/a/a.png"])(sandbox.work / "data")
    sandbox.out.mkdir()
    precious = sandbox.work / "precious.png"
    precious.write_bytes(b"mine")
    os.mkfifo(sandbox.out / "pipe.png")
    os.symlink(precious, sandbox.out / "link.png")
    (sandbox.out / "worst-case.csv").mkdir()
    os.mkfifo(sandbox.out / "snoop.csv")
    preview = ("data", "preview", "--data", "data", "--size", 16, "--out")
    assert sandbox.command(*preview, "out/pipe.png") is None
    assert (sandbox.out / "pipe.png").is_fifo()
    assert sandbox.command(*preview, "out/link.png")
    assert precious.read_bytes() == b"mine"
    assert sandbox.command(*AUDIT, "--images", 2, "--eps", "4/255", "--steps", 1, "--restarts", 1) is None
    assert sandbox.command("snoop", "scan.png", "--detector", "detector.safetensors", "--out", "out") is None


@made_up(50)
@hypothesis.given(
    chosen=st.sampled_from(OPTIONS), text=st.text(max_size=40) | st.floats().map(str) | st.integers().map(str)
)
def test_made_up_values(chosen: tuple[Command, click.Option], text: str, sandboxes: Sandboxes) -> None:
    path, option = chosen
    name = option.opts[-1]
    text = "out/" + text.replace("..", "").strip("/") if name == "--out" else text
    with sandboxes() as sandbox:
        furnish(sandbox)
        sandbox.command(*base(path), f"{name}={text}", verdicts=VERDICTS.get(path, (0,)))
