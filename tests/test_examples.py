"""The scripts under docs/examples run, and print what they say they show."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """They all draw the same synthetic images."""
    return tmp_path_factory.mktemp("cache")


def run(name: str, folder: Path, cache: Path) -> str:
    """What a script prints, run by one thread in a folder of its own, where it must leave nothing."""
    environment = {**os.environ, "MRI_ROBUST_CACHE": str(cache), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    script = [sys.executable, str(EXAMPLES / f"{name}.py")]
    result = subprocess.run(script, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert not list(folder.iterdir())
    return result.stdout


def numbers(output: str, pattern: str) -> list[float]:
    """The groups of a pattern in which `#` stands for a printed rate."""
    found = re.search(pattern.replace("#", r"(\d\.\d\d)"), output)
    assert found, output
    return [float(number) for number in found.groups()]


def test_there_are_five_and_each_is_short_and_says_where_it_starts() -> None:
    scripts = sorted(EXAMPLES.glob("*.py"))
    assert len(scripts) == 5
    for script in scripts:
        text = script.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 60, script.name
        assert text.startswith('"""Starts from '), script.name
        assert "What changes" in text, script.name


def test_an_art_pipeline(tmp_path: Path, cache: Path) -> None:
    output = run("art_pipeline", tmp_path, cache)
    clean, attacked = numbers(output, "accuracy: clean #, PGD #")
    assert clean > 0.4
    assert attacked < clean - 0.1
    plain, triggered = numbers(output, "called healthy #, with the trigger #")
    assert triggered > plain + 0.4
    for detector in ("ART's detector", "the snooper"):
        caught, alarms = numbers(output, f"{detector}: flags # of the stamped tumours and # of the clean images")
        assert caught > 0.8
        assert alarms < 0.2


def test_a_torchattacks_script(tmp_path: Path, cache: Path) -> None:
    output = run("torchattacks_script", tmp_path, cache)
    (clean,) = numbers(output, "accuracy: clean #")
    left = {}
    for name in ("FGSM", "PGD"):
        theirs, left[name] = numbers(output, f"{name}: torchattacks' leaves #, ours #, equal: True")
        assert theirs == left[name] < clean
    (multi,) = numbers(output, "two starts leaves #")
    assert multi <= min(left.values())
    assert "ours equals torchattacks': True" in output
    assert numbers(output, "robust accuracy of #") == [left["FGSM"]]


def test_a_denormalised_autoattack(tmp_path: Path, cache: Path) -> None:
    """A true AutoAttack leaves no more than PGD at the same epsilon; the wrong one does, as it changes few images."""
    output = run("denormalised_autoattack", tmp_path, cache)
    clean, denormalised = numbers(output, "accuracy: clean #, on de-normalised images #")
    assert clean > 0.6
    assert denormalised < 0.5
    for grey_levels in (2, 4, 8):
        pgd, wrong, wrongly_changed, right, changed = numbers(
            output,
            rf"\b{grey_levels}/255: PGD leaves #, AutoAttack on the network alone # \(changed #\), "
            r"on network and normalisation # \(changed #\)",
        )
        assert right <= pgd < wrong
        assert pgd < clean - 0.1
        assert wrong == pytest.approx(clean, abs=0.15)
        assert wrongly_changed < changed


def test_a_training_loop(tmp_path: Path, cache: Path) -> None:
    output = run("training_loop", tmp_path, cache)
    runs = {
        name: numbers(output, f"{re.escape(name)}: accuracy #, recall of pituitary #")
        for name in (
            *("plain training", "NoisyLoss(30)", "FoolingLoss", "DrunkOptimizer, pure noise"),
            *("DrunkOptimizer of strength 0", "NoisyLoss of strength 0"),
        )
    }
    accuracy, recall = runs.pop("plain training")
    assert accuracy > 0.4
    assert recall > 0.6
    assert runs["FoolingLoss"][1] < 0.1
    for name in ("NoisyLoss(30)", "DrunkOptimizer, pure noise"):
        assert runs[name][0] < accuracy
    for name in ("DrunkOptimizer of strength 0", "NoisyLoss of strength 0"):
        assert runs[name] == [accuracy, recall]
    assert "the weights are plain training's: True, True" in output


def test_a_torchvision_model(tmp_path: Path, cache: Path) -> None:
    """FGSM at 2/255 is computed in the script by hand, with nothing of this package."""
    output = run("torchvision_model", tmp_path, cache)
    (by_hand,) = numbers(output, "by hand: FGSM at 2/255 leaves #")
    fgsm = numbers(output, "fgsm at 0, 1, 2, 4 /255: # # # #")
    pgd = numbers(output, "pgd at 0, 1, 2, 4 /255: # # # #")
    assert fgsm[2] == pytest.approx(by_hand, abs=0.011)
    assert pgd[0] == fgsm[0] > 0.4
    assert pgd == sorted(pgd, reverse=True)
    assert all(stronger <= weaker + 0.02 for stronger, weaker in zip(pgd, fgsm, strict=True))
    assert re.search(r"sanity checks: (9|1[0-2]) of 12 passed", output)
    assert "cross-check PASSED" in output
