"""Another package adds a model, an attack, a source of data and an experiment, without a line changed here.

Its pictures are of one grey each and its model compares their mean with one half, so that every accuracy is known.
"""

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
    """The class whose brightness is nearest to the mean of an image, normalised by .1855 and .1813."""

    def __init__(self, classes):
        super().__init__()
        self.centres = nn.Parameter(((torch.arange(classes) + 0.5) / classes - 0.1855) / 0.1813)

    def forward(self, images):
        return -((images.mean((1, 2, 3))[:, None] - self.centres) ** 2)


def brightness(classes, image_size, weights="none"):
    return Brightness(classes)
''',
    "parts/attack.py": '''
"""Brightening or darkening, the simplest of corruptions (Hendrycks and Dietterich 2019, arXiv 1903.12261)."""

from dataclasses import dataclass

import torch
from torch.nn.functional import cross_entropy

from mri_robust.core.eval_mode import eval_mode
from mri_robust.core.validation import check_images, check_labels, check_number, class_count


@dataclass(frozen=True)
class Brighten:
    """x' = clip(x + factor * eps) or clip(x - factor * eps), whichever has the greater loss.

    Raises:
        ValueError: eps is out of range.
    """

    eps: float
    factor: float = 1.0

    def __post_init__(self):
        check_number("eps", self.eps, 0.0, 1.0)

    def draw_start(self, images, generator):
        """Nothing is random in it."""

    def __call__(self, model, images, labels, *, start=None, generator=None):
        check_images(images)
        check_labels(labels, images, class_count(model, images))
        brighter, darker = ((images + sign * self.factor * self.eps).clamp(0, 1).detach() for sign in (1, -1))
        with eval_mode(model), torch.no_grad():
            up, down = (cross_entropy(model(each), labels, reduction="none") for each in (brighter, darker))
        return torch.where((up > down)[:, None, None, None], brighter, darker)


class Overshoot(Brighten):
    def __init__(self, eps):
        super().__init__(eps, factor=2.0)
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
from mri_robust.evaluation.robustness import UnderAttack
from mri_robust.study.experiment import Experiment
from parts.attack import Brighten


def tasks(config):
    attacks = (None, Brighten(0.1), Brighten(0.2))
    asked = UnderAttack(attacks, config.test_images, engine=config.engine, seed=config.seed)
    models = config.models or (config.recipe("brightness_clean", "brightness", study_epochs=1),)
    return [(model, asked) for model in models]


EXPERIMENT = Experiment(
    name="brightening",
    title="Accuracy in broad daylight",
    reference="another package",
    tasks=tasks,
    row_key=("attack", "epsilon"),
    threats=("evasion",),
    beyond=True,
    finished=True,
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
    """An image stands as long as its grey is farther than epsilon from one half."""
    return sum(abs(grey / 255 - 0.5) > eps for grey in GREYS) / 8


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


def test_its_parts_are_listed_and_help_needs_no_torch(installed: Path) -> None:
    code = (
        "import sys; from click.testing import CliRunner; from mri_robust.cli import main\n"
        "for words in (['audit', '--help'], ['bench', '--list']):\n"
        "    print('torch' in sys.modules, CliRunner().invoke(main, words, catch_exceptions=False).output)\n"
    )
    listed = " ".join(python(installed, "-c", code).split())
    assert listed.startswith("False ")
    assert "Testing/<class>/; or what 'greys' takes." in listed
    assert "brightening Accuracy in broad daylight" in listed


def accuracies(out: Path) -> list[float]:
    """Over the attacks of its experiment, in their order."""
    rows = pd.read_csv(out / "brightening.csv", keep_default_na=False)
    overall = rows[(rows["metric"] == "accuracy") & (rows["subset"] == "all")]
    assert overall["attack"].tolist() == ["none", "brighten", "brighten"]
    return overall["value"].tolist()


def test_its_experiment_trains_its_model_on_its_data_and_stands_in_every_report(installed: Path) -> None:
    out = installed / "results"
    printed = command(installed, "bench", "brightening", "--data", "greys", "--device", "cpu", "--out", str(out))
    assert "cross-check PASSED" in printed
    assert accuracies(out) == [accuracy_at(eps) for eps in (0.0, *EPSILONS)] == [1.0, 0.75, 0.5]
    for report in ("report.md", "report.html"):
        text = (out / report).read_text(encoding="utf-8")
        assert all(part in text for part in ("Accuracy in broad daylight", "0.750", "0.500")), report
    assert list((out / "models").glob("brightness_clean-*.safetensors"))


def test_a_finished_model_of_it_is_audited_and_an_attack_that_leaves_its_ball_is_refused(installed: Path) -> None:
    code = (
        "import mri_robust as m\n"
        "m.save_model(m.build_model('brightness', classes=('dark', 'light'), image_size=16), 'own.safetensors')\n"
        "model, data = m.load_model('own.safetensors'), m.load_dataset('greys', size=16)\n"
        "for attack in ('brighten', 'overshoot'):\n"
        "    try:\n"
        "        found = m.epsilon_curve(model, data.test.images, data.test.labels, (0.1, 0.2), attack)\n"
        "        print(found['accuracy'].tolist())\n"
        "    except Exception as error:\n"
        "        print(type(error).__name__)\n"
    )
    curve, refused = python(installed, "-c", code).splitlines()
    assert curve == str([accuracy_at(eps) for eps in (0.0, *EPSILONS)])
    assert refused == "UserError"
    words = ("audit", "brightening", "--model", "own.safetensors", "--data", "greys", "--device", "cpu")
    command(installed, *words, "--out", "own")
    assert accuracies(installed / "own") == [accuracy_at(eps) for eps in (0.0, *EPSILONS)]


def test_the_contract_tests_take_them_up(installed: Path) -> None:
    files = ("attacks/test_contract", "models/test_architectures", "data/test_dataset")
    tests = [str(ROOT / "tests" / f"{name}.py") for name in files]
    chosen = "brighten or brightness or greys"
    output = python(installed, "-m", "pytest", "-q", "-rA", "-n", "0", "-p", "no:cacheprovider", "-k", chosen, *tests)
    passed = [line for line in output.splitlines() if line.startswith("PASSED")]
    for file, part in zip(files, ("[brighten]", "[brightness]", "[greys]"), strict=True):
        assert any(file in line and part in line for line in passed), output
