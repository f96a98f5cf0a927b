"""docs/extending.md, followed literally: its files are installed as somebody's package, and run."""

import importlib
import inspect
import re
import runpy
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from toy_models import dyadic_images, small_net

from mri_robust.adapters.torchattacks import as_torchattack
from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.registry import EVASION
from mri_robust.bench import certify
from mri_robust.cli import bench as bench_command
from mri_robust.cli import main
from mri_robust.core.registry import Registry
from mri_robust.data.artefacts import ARTEFACTS
from mri_robust.data.dataset import load_dataset
from mri_robust.data import SOURCES
from mri_robust.evaluation.prediction import predicted_classes
from mri_robust.models.checkpoint import load_model
from mri_robust.models.classifier import ARCHITECTURES, build_model
from mri_robust.report.trackers import TRACKERS
from mri_robust.study.experiment import EXPERIMENTS
from mri_robust.study.scale import SCALES

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^`([\w/]+\.py)`[^\n]*:\n\n```python\n(.*?)```", PAGE, flags=re.DOTALL | re.MULTILINE))
PROJECT = tomllib.loads(re.search(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)[1])
REGISTRIES = (EVASION, SOURCES, ARCHITECTURES, EXPERIMENTS, TRACKERS, ARTEFACTS)
CLASSES = ("bright", "dark")


def forget():
    """Let the registries look again."""
    for registry in REGISTRIES:
        for found in ("_modules", "_entry_points"):
            registry.__dict__.pop(found, None)


@pytest.fixture(scope="module", autouse=True)
def package(tmp_path_factory):
    """The page's package, as pip would install it, and its artefact in the folder that the page names."""
    site = tmp_path_factory.mktemp("site")
    info = site / "my_mri_parts-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".format(**PROJECT["project"])
    )
    points = PROJECT["project"]["entry-points"]
    lines = (line for group in points for line in (f"[{group}]", *(f"{k} = {v}" for k, v in points[group].items())))
    (info / "entry_points.txt").write_text("\n".join(lines))
    for name, text in FILES.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)
    artefacts = importlib.import_module("mri_robust.data.artefacts").__path__
    artefacts.append(str(site / "mri_robust/data/artefacts"))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        forget()
        yield site
    artefacts.pop()
    for name in [name for name in sys.modules if name.startswith(("my_mri_parts", "mri_robust.data.artefacts.zipper"))]:
        del sys.modules[name]
    forget()


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """Bright and dark images in a file of the page's kind."""
    path, rng = tmp_path_factory.mktemp("data") / "scans.npz", np.random.default_rng(0)
    arrays = {"classes": np.array(CLASSES)}
    for name, count in (("train", 48), ("test", 24)):
        labels = np.arange(count) % 2
        noise = rng.integers(0, 90, (count, 16, 16))
        arrays |= {f"{name}_images": (noise + 120 * (1 - labels)[:, None, None]).astype(np.uint8)}
        arrays |= {f"{name}_labels": labels}
    np.savez(path, **arrays)
    return path, arrays


def test_the_page_shows_a_file_a_part():
    folders = {name.partition("/")[0] for name in FILES}
    assert folders == {"my_mri_parts", "mri_robust"}
    for group, points in PROJECT["project"]["entry-points"].items():
        for target in points.values():
            assert target.partition(":")[0].replace(".", "/") + ".py" in FILES, group


def test_the_parts_are_found_by_their_names():
    added = {name for registry in REGISTRIES for name in registry.added()}
    assert {"momentum", "npz", "strided", "momentum-table", "logbook"} <= added
    assert "zipper" in ARTEFACTS.names()
    assert "momentum-table" in CliRunner().invoke(main, ["bench", "--list"]).output


@pytest.mark.parametrize(
    ("path", "contract", "name"),
    [
        ("attacks/test_attack_contract.py", "TestEveryAttack", "momentum"),
        ("models/test_architecture_contract.py", "TestEveryArchitecture", "strided"),
    ],
)
def test_the_part_passes_the_contract_that_the_page_names(path, contract, name, tmp_path):
    assert f"pytest tests/{path}" in PAGE
    tests = runpy.run_path(str(ROOT / "tests" / path))[contract]()
    checks = [getattr(tests, check) for check in dir(tests) if check.startswith("test_")]
    assert len(checks) >= 3
    for check in checks:
        check(name, *([tmp_path] if "tmp_path" in inspect.signature(check).parameters else []))


def test_the_attack_is_torchattacks_own():
    model, images, labels = small_net(), dyadic_images(8), torch.arange(8) % 4
    ours = EVASION.load("momentum")(1 / 16, steps=4, decay=0.5)(model, images, labels)
    theirs = as_torchattack("MIFGSM", model, eps=1 / 16, alpha=1 / 64, steps=4, decay=0.5)(images, labels)
    assert torch.allclose(ours, theirs, atol=1e-6)
    assert not torch.equal(ours, FGSM(1 / 16)(model, images, labels))


def test_the_data_source_reads_what_the_file_holds(scans):
    path, arrays = scans
    data = load_dataset(f"npz:{path}", size=16)
    assert data.classes == CLASSES
    for name, split in (("train", data.train), ("test", data.test)):
        assert np.array_equal(split.images[:, 0], arrays[f"{name}_images"])
        assert np.array_equal(split.labels, arrays[f"{name}_labels"])
    assert load_dataset(f"npz:{path}", size=8, channels="rgb").test.images.shape == (24, 3, 8, 8)
    assert CliRunner().invoke(main, ["data", "info", "--data", f"npz:{path}"]).exit_code == 0


def test_the_model_is_built_at_any_size():
    for size in (8, 37):
        model = build_model("strided", classes=CLASSES, image_size=size)
        assert model(torch.rand(2, 1, size, size)).shape == (2, 2)


def test_the_artefact_draws_a_line_an_image():
    images = torch.full((5, 2, 6, 7), 0.5)
    zipper = ARTEFACTS.load("zipper").severity(5)
    change = zipper(images, torch.Generator().manual_seed(0)) - images
    touched = (change != 0).any(dim=2)
    assert (touched.sum(dim=2) == 1).all()
    assert torch.allclose(change.sum(dim=(2, 3)), torch.zeros(5, 2))
    assert torch.allclose(change.abs().amax(dim=(1, 2, 3)), torch.full((5,), 0.5))


def test_the_table_runs_and_the_tracker_notes_it(scans, tmp_path, monkeypatch):
    monkeypatch.setitem(SCALES, "quick", replace(SCALES["quick"], image_size=16, epochs={10: 3}))
    monkeypatch.setattr(certify, "BENCH_IMAGES", 8)
    tracker = next(option for option in bench_command.bench.params if option.name == "tracker")
    monkeypatch.setattr(tracker.type, "choices", TRACKERS.names())
    words = re.search(r"^mri-robust (bench momentum-table .*)$", PAGE, flags=re.MULTILINE)[1]
    path, arrays = scans
    out = tmp_path / "out"
    result = CliRunner().invoke(
        main, [*words.replace("scans.npz", str(path)).split(), "--out", str(out), "--threads", "1"]
    )
    assert result.exit_code == 0, result.output
    table = pd.read_csv(out / "momentum-table.csv", keep_default_na=False)
    rows = table[(table["metric"] == "accuracy") & (table["subset"] == "all")]
    assert list(rows["attack"]) == ["none", *["fgsm", "momentum"] * 3]
    model = load_model(next((out / "models").glob("strided_clean-*.safetensors")))
    right = predicted_classes(model, arrays["test_images"][:, None]) == arrays["test_labels"]
    assert rows["value"].iloc[0] == right.mean()
    assert "One step against momentum" in (out / "report.html").read_text(encoding="utf-8")
    [line] = (tmp_path / "logbook.tsv").read_text().splitlines()
    assert line.split("\t")[0] == "out"
    assert line.split("\t")[2] in result.output


def test_every_kind_of_part_is_named_with_its_folder_attribute_and_group():
    """Against the registries that the code makes."""
    made = {}
    for path in (ROOT / "mri_robust").rglob("*.py"):
        for call in re.findall(r"= Registry\(\s*(.*?)\)\n", path.read_text(encoding="utf-8"), flags=re.DOTALL):
            registry = eval(f"Registry({call})", {"Registry": Registry})
            made[registry.package, registry.attribute] = registry.group
    assert len(made) > 10
    rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in PAGE.splitlines() if line.startswith("| ")]
    listed = {(folder.replace("/", "."), attribute): group or None for _, folder, attribute, group in rows[1:]}
    named = {name.rpartition("/")[0] for name in re.findall(r"`(mri_robust/[\w/]+\.py)`", PAGE)}
    for (package, attribute), group in made.items():
        if package.replace(".", "/") in named:
            assert group is None or group in PROJECT["project"]["entry-points"]
        elif attribute != "PART":
            assert listed[package, attribute] == group
