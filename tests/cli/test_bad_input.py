"""Each bad input is one clear line, exit code 2, and nothing half-written."""

import errno
import sys

import pytest
import torch
from click.testing import CliRunner

from mri_robust.cli import main

TINY = "phantom:train=8,test=8"
COMPUTING = (["bench"], ["audit"], ["crosscheck"], ["data", "audit"], ["snoop", "scan.png", "--detector", "x"])


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def refused(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 2, result.output
    lines = result.output.strip().splitlines()
    assert len(lines) == 1, result.output
    assert lines[0].startswith("Error: ")
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bench", "fgms"], "unknown experiment 'fgms'; did you mean 'fgsm'?"),
        (["bench", "--seeds", "0"], "0 is not in the range"),
        (["bench", "--scale", "huge"], "'huge' is not one of"),
        (["bench", "--data", "nowhere"], "data 'nowhere' does not exist"),
        (["bench", "--data", "phantom:train=two"], "train"),
        (["bench", "--weights", "gone.pth"], "weights file 'gone.pth' does not exist"),
        (["bench", "--nonsense"], "No such option"),
        (["bench", "--norm", "l1"], "'l1' is not one of"),
        *((["bench", "--norm", "l2", "--protocol", each], "--protocol sound") for each in ("paper", "both")),
        (["crosscheck", "--images", "-3"], "-3 is not in the range"),
        (["crosscheck", "--model", "gone.safetensors"], "'gone.safetensors' does not exist"),
        (["data", "preview", "--images", "0"], "0 is not in the range"),
        (["benhc"], "unknown command 'benhc'; did you mean 'bench'?"),
        *(([*words, "--threads", "0"], "0 is not in the range") for words in COMPUTING),
    ],
)
def test_wrong_words_on_the_command_line(arguments, message, tmp_path):
    assert message in refused(*arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is here")
@pytest.mark.parametrize("command", ["bench", "crosscheck"])
def test_cuda_without_cuda(command, tmp_path):
    assert "--device cpu" in refused(command, "--device", "cuda")
    assert not list(tmp_path.iterdir())


def test_an_output_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot write to folder" in refused("bench", "--data", TINY, "--out", tmp_path / "file" / "results")


def test_builds_of_torch_and_torchvision_that_clash(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    assert "pip install --upgrade torch torchvision" in refused("bench", "--data", TINY)


FULL = OSError(errno.ENOSPC, "No space left", "results/x.json")
ENDS = [(KeyboardInterrupt(), 130, "same command"), (FULL, 2, "cannot write 'results/x.json': No space left")]


@pytest.mark.parametrize(("error", "code", "says"), ENDS)
def test_an_interrupted_run_says_how_to_go_on(error, code, says, monkeypatch):
    def stopped(*arguments, **options):
        raise error

    monkeypatch.setattr("mri_robust.bench.runner.Run.run", stopped)
    result = CliRunner().invoke(main, ["bench", "--data", TINY])
    assert (result.exit_code, says in result.output) == (code, True)
