"""docs/extending.md, followed literally: its files are installed as a package, and run."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from toy_models import dyadic_images, small_net

from mri_robust import epsilon_curve, load_dataset, load_model
from mri_robust.adapters.torchattacks import as_torchattack
from mri_robust.attacks.evasion import ATTACKS
from mri_robust.cli import main
from mri_robust.data import SOURCES
from mri_robust.evaluation.evaluation import predicted_classes
from mri_robust.models.architectures import ARCHITECTURES
from mri_robust.study.experiment import EXPERIMENTS
from mri_robust.study.scale import SCALES

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"`([\w/]+\.py)`[^\n`]*`mri_robust/[\w/]+\.py`:\n\n```python\n(.*?)```", PAGE, flags=re.DOTALL))
PROJECT = tomllib.loads(re.search(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)[1])["project"]
COMMANDS = [line for block in re.findall(r"```bash\n(.*?)```", PAGE, flags=re.DOTALL) for line in block.splitlines()]
REGISTRIES = {"attacks": ATTACKS, "datasets": SOURCES, "models": ARCHITECTURES, "experiments": EXPERIMENTS}
CLASSES = ("bright", "dark")


@pytest.fixture(scope="module", autouse=True)
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder that holds the page's package, as pip would install it."""
    site = tmp_path_factory.mktemp("site")
    info = site / "my_mri_parts-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".format(**PROJECT))
    points = ((group, *item) for group, parts in PROJECT["entry-points"].items() for item in parts.items())
    (info / "entry_points.txt").write_text("".join(f"[{group}]\n{name} = {part}\n" for group, name, part in points))
    for name, text in FILES.items():
        (site / name).parent.mkdir(exist_ok=True)
        (site / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        for registry in REGISTRIES.values():
            registry.__dict__.pop("_entry_points", None)
        yield site
    for registry in REGISTRIES.values():
        registry.__dict__.pop("_entry_points", None)


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Bright and dark images in files of the page's kind."""
    path, rng = tmp_path_factory.mktemp("scans"), np.random.default_rng(0)
    arrays: dict[str, Any] = {"classes": np.array(CLASSES)}
    for name, count in (("train", 48), ("test", 24)):
        labels = np.arange(count) % 2
        noise = rng.integers(0, 90, (count, 16, 16))
        arrays |= {f"{name}_images": (noise + 120 * (1 - labels)[:, None, None]).astype(np.uint8)}
        arrays |= {f"{name}_labels": labels}
    for name, array in arrays.items():
        np.save(path / f"{name}.npy", array)
    return path, arrays


def test_every_kind_of_part_is_shown_and_found_by_its_name() -> None:
    assert {group.removeprefix("mri_robust.") for group in PROJECT["entry-points"]} == set(REGISTRIES)
    for group, points in PROJECT["entry-points"].items():
        assert set(points) <= set(REGISTRIES[group.removeprefix("mri_robust.")].added())
    assert "darkened" in CliRunner().invoke(main, ["bench", "--list"]).output


def test_the_parts_pass_the_contracts_that_the_page_names(site: Path) -> None:
    """One run of pytest in place of the page's lines."""
    lines = [shlex.split(line) for line in COMMANDS if line.startswith("pytest")]
    assert len(lines) == 2
    files, names = [line[1] for line in lines], " or ".join(line[3] for line in lines)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), *sys.path])}
    command = [sys.executable, "-m", "pytest", "-n", "0", *files, "-k", names]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    assert int(re.search(r"(\d+) passed", result.stdout)[1]) > 10


def test_the_attack_is_torchattacks_own() -> None:
    model, images, labels = small_net(), dyadic_images(8), torch.arange(8) % 4
    ours = ATTACKS.load("momentum")(1 / 16, steps=4, decay=0.5)(model, images, labels)
    theirs = as_torchattack("MIFGSM", model, eps=1 / 16, alpha=1 / 64, steps=4, decay=0.5)(images, labels)
    assert torch.allclose(ours, theirs, atol=1e-6)
    attacked = ATTACKS.load("momentum")(1 / 16)(model, images, labels)
    right = np.mean(predicted_classes(model, attacked) == labels.numpy())
    assert epsilon_curve(model, images, labels, [1 / 16], attack="momentum")["accuracy"].iloc[-1] == right


def test_the_data_source_reads_what_the_file_holds(scans: tuple[Path, dict[str, Any]]) -> None:
    path, arrays = scans
    data = load_dataset(f"npy:{path}", size=16)
    assert data.classes == CLASSES
    for name, split in (("train", data.train), ("test", data.test)):
        assert np.array_equal(split.images[:, 0], arrays[f"{name}_images"])
        assert np.array_equal(split.labels, arrays[f"{name}_labels"])
    assert load_dataset(f"npy:{path}", size=8, channels="rgb").test.images.shape == (24, 3, 8, 8)


def test_the_table_is_benched_and_asked_of_the_users_model(
    scans: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SCALES, "quick", replace(SCALES["quick"], image_size=16, epochs={10: 3}))
    monkeypatch.chdir(tmp_path)
    path, arrays = scans
    lines = [line.removeprefix("mri-robust ") for line in COMMANDS if line.startswith("mri-robust")]
    assert [line.split()[0] for line in lines] == ["bench", "audit"]
    tables = {}
    for line, out in zip(lines, ("results", "audit-results"), strict=True):
        words = line.replace("npy:scans", f"npy:{path}").split()
        result = CliRunner().invoke(main, [*words, "--threads", "1"])
        assert result.exit_code == 0, result.output
        table = pd.read_csv(Path(out) / "darkened.csv", keep_default_na=False)
        tables[out] = table[(table["metric"] == "accuracy") & (table["subset"] == "all")].set_index("factor")["value"]
        assert "Accuracy on darkened images" in (Path(out) / "report.html").read_text(encoding="utf-8")
        if out == "results":
            next(Path("results/models").glob("strided_clean-*.safetensors")).rename("mine.safetensors")
    model, images, labels = load_model("mine.safetensors"), arrays["test_images"][:, None], arrays["test_labels"]
    for factor in (1.0, 0.5, 0.25):
        right = np.mean(predicted_classes(model, (images * factor).astype(np.uint8)) == labels)
        assert [table[factor] for table in tables.values()] == [right, right]
