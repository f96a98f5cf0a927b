"""A stranger's package adds a model, an attack, a source of data and an experiment, without a line changed here.

Its pictures are of one grey each and its model compares their mean with one half, so that every accuracy is known.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = {
    "parts/model.py": '''
import torch
from torch import nn


class Brightness(nn.Module):
    """Dark or light: is the mean over one half? `middle` is one half where pixels are normalised by .1855 and .1813."""

    def __init__(self):
        super().__init__()
        self.middle = nn.Parameter(torch.tensor((0.5 - 0.1855) / 0.1813))

    def forward(self, images):
        over = images.mean((1, 2, 3)) - self.middle
        return torch.stack([-over, over], dim=1)


def brightness(classes, image_size, weights="none"):
    return Brightness()
''',
    "parts/attack.py": '''
"""Brightening, the simplest of corruptions (Hendrycks and Dietterich 2019, arXiv 1903.12261)."""

from dataclasses import dataclass

from mri_robust.core.eval_mode import eval_mode
from mri_robust.core.validation import check_images, check_labels, check_number, class_count


@dataclass(frozen=True)
class Brighten:
    """x' = clip(x + factor * eps).

    Raises:
        ValueError: eps is out of range.
    """

    eps: float
    factor: float = 1.0

    def __post_init__(self):
        check_number("eps", self.eps, 0.0, 1.0)

    def draw_start(self, images, generator):
        """Nothing: there is no chance in it."""

    def __call__(self, model, images, labels, *, start=None, generator=None):
        check_images(images)
        check_labels(labels, images, class_count(model, images))
        return (images + self.factor * self.eps).clamp(0, 1)


class Overshoot(Brighten):
    def __init__(self, eps):
        super().__init__(eps, factor=2.0)


@dataclass(frozen=True)
class TwoNumbers:
    eps: float
    other: float
''',
    "parts/data.py": '''
import numpy as np

from mri_robust.data.dataset import Dataset, Split, content_digest


class Greys:
    """16 training and 8 test pictures, half of them dark and half light, each of one grey."""

    def accepts(self, text):
        return text == "greys"

    def load(self, text, *, size, channels, skip_unreadable):
        train, test = (self.split(name, count, size, channels) for name, count in (("train", 16), ("test", 8)))
        digest = content_digest(train.images, train.labels, test.images, test.labels)
        return Dataset("greys", train, test, ("dark", "light"), digest)

    def split(self, name, count, size, channels):
        half = count // 2
        greys = np.concatenate([np.linspace(40, 110, half), np.linspace(145, 215, half)]).astype(np.uint8)
        shape = (count, 3 if channels == "rgb" else 1, size, size)
        images = np.broadcast_to(greys[:, None, None, None], shape).copy()
        return Split(images, np.repeat([0, 1], half), tuple(f"{name}/{i}.png" for i in range(count)))


SOURCE = Greys()
''',
    "parts/experiment.py": """
from mri_robust.core.registry import Spec
from mri_robust.study.evasion import Shot, evasion_cell
from mri_robust.study.experiment import Experiment


def cells(setting):
    recipe = setting.recipe("brightness", "brightness", study_epochs=1)
    shots = [Shot(None), *(Shot(Spec("brighten", {"eps": eps})) for eps in (0.1, 0.2))]
    everyone = setting.data.test_images
    return [evasion_cell(setting, recipe, shots, experiment="brightening", images=everyone, paper={})]


EXPERIMENT = Experiment(
    name="brightening",
    title="Accuracy in broad daylight",
    reference="a stranger's package",
    columns=("brightness",),
    headers=("eps",),
    paper={},
    faults=(),
    cells=cells,
    threats=("evasion",),
    beyond=True,
)
""",
    "parts/__init__.py": "",
    "thirdparty-0.1.dist-info/METADATA": "Metadata-Version: 2.1\nName: thirdparty\nVersion: 0.1\n",
    "thirdparty-0.1.dist-info/entry_points.txt": """
[mri_robust.models]
brightness = parts.model:brightness
[mri_robust.attacks]
brighten = parts.attack:Brighten
overshoot = parts.attack:Overshoot
two-numbers = parts.attack:TwoNumbers
[mri_robust.datasets]
greys = parts.data:SOURCE
[mri_robust.experiments]
brightening = parts.experiment:EXPERIMENT
""",
}
GREYS = [40, 63, 86, 110, 145, 168, 191, 215]
"""The test pictures' greys; the first four are of the class `dark`."""
EPSILONS = (0.1, 0.2)


def accuracy_at(eps: float) -> float:
    """Light pictures stay light; a dark one is called dark as long as it stays under one half."""
    return (4 + sum(grey / 255 + eps < 0.5 for grey in GREYS[:4])) / 8


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the package lies as pip would lay it."""
    folder = tmp_path_factory.mktemp("site")
    for name, text in PACKAGE.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.lstrip("\n"))
    return folder


def python(installed: Path, *arguments: str) -> str:
    """What a Python of its own prints that finds the package beside this one; it must end well."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(installed), str(ROOT)]),
        "MRI_ROBUST_CACHE": str(installed / "cache"),
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "300",
    }
    command = [sys.executable, *arguments]
    result = subprocess.run(command, cwd=installed, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def command(installed: Path, *words: str) -> str:
    return python(installed, "-c", "from mri_robust.cli import main; main()", *words)


def test_its_parts_are_listed_without_torch(installed: Path) -> None:
    code = (
        "import sys; from click.testing import CliRunner; from mri_robust.cli import main\n"
        "for words in (['bench', '--list'], ['curve', '--help']):\n"
        "    print(CliRunner().invoke(main, words, catch_exceptions=False).output)\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    listed = " ".join(python(installed, "-c", code).split())
    assert "brightening Accuracy in broad daylight (a stranger's package)" in listed
    assert "[fgsm|pgd|brighten|overshoot|two-numbers|worst-case]" in listed
    assert "Testing/<class>/; or what 'greys' takes." in listed


def test_its_experiment_runs_on_its_data_and_stands_in_every_report(installed: Path) -> None:
    out = installed / "results"
    printed = command(installed, "bench", "brightening", "--data", "greys", "--device", "cpu", "--out", str(out))
    assert "cross-check PASSED" in printed
    rows = pd.read_csv(out / "brightening.csv", keep_default_na=False)
    overall = rows[(rows["metric"] == "accuracy") & (rows["subset"] == "all")]
    assert overall["attack"].tolist() == ["none", "brighten", "brighten"]
    assert overall["value"].tolist() == [accuracy_at(eps) for eps in (0.0, *EPSILONS)] == [1.0, 0.875, 0.75]
    assert set(rows["model"]) == {"brightness"}
    for report in ("report.md", "report.html"):
        text = (out / report).read_text(encoding="utf-8")
        assert "Accuracy in broad daylight" in text, report
        assert "0.875" in text, report
        assert "0.750" in text, report
    assert list((out / "models").glob("brightness-*.safetensors"))


def test_its_model_and_its_attack_go_through_curve(installed: Path) -> None:
    code = (
        "import mri_robust as m, pandas as pd, sys\n"
        "from click.testing import CliRunner; from mri_robust.cli import main\n"
        "m.save_model(m.build_model('brightness', classes=('dark', 'light'), image_size=16), 'own.safetensors')\n"
        "for attack in ('brighten', 'overshoot', 'two-numbers'):\n"
        "    words = ['curve', '--model', 'own.safetensors', '--data', 'greys', '--device', 'cpu', '--eps', '.1,.2']\n"
        "    result = CliRunner().invoke(main, [*words, '--attack', attack, '--out', attack])\n"
        "    print(result.exit_code, result.output.splitlines()[-1])\n"
    )
    brighten, overshoot, two_numbers = python(installed, "-c", code).splitlines()
    assert brighten.startswith("0 written to brighten")
    table = pd.read_csv(installed / "brighten" / "curve.csv")
    assert table["accuracy"].tolist() == [accuracy_at(eps) for eps in (0.0, *EPSILONS)]
    assert set(table["attack"]) == {"brighten"}
    smallest = pd.read_csv(installed / "brighten" / "images.csv")["own.safetensors"]
    fooled_at = [min((eps for eps in EPSILONS if grey / 255 + eps >= 0.5), default=float("inf")) for grey in GREYS[:4]]
    assert smallest.tolist() == [*fooled_at, *[float("inf")] * 4]
    assert overshoot.startswith("2 Error: ")
    assert "changed a pixel by 0.2: a curve is over the L-inf radius, here 0.1" in overshoot
    assert two_numbers.startswith("2 Error: attack 'two-numbers' cannot be made of an epsilon alone")


def test_the_contract_tests_take_them_up(installed: Path) -> None:
    files = ("attacks/test_attack_contract", "models/test_architecture_contract", "data/test_source_contract")
    tests = [str(ROOT / "tests" / f"{name}.py") for name in (*files, "bench/test_experiments")]
    chosen = "brighten or brightness or greys"
    output = python(installed, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "-k", chosen, *tests)
    passed = {line.split("::", 1)[1] for line in output.splitlines() if line.startswith("PASSED")}
    for name in (
        "TestEveryAttack::test_keeps_the_call_contract[brighten]",
        "TestEveryArchitecture::test_comes_back_from_its_checkpoint[brightness]",
        "TestEverySource::test_is_named_by_a_digest_of_what_it_gives[greys]",
        "test_every_declared_part_can_be_built_and_every_cell_named[quick-sound-brightening]",
    ):
        assert name in passed, output
