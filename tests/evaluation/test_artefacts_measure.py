"""The measure of MRI artefacts, against predictions made by hand, image by image; and what the experiment declares."""

from __future__ import annotations

import base64
import io
import math
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from mri_robust.core.rng import make_generator
from mri_robust.data.artefacts import ARTEFACTS
from mri_robust.data.dataset import Dataset, Split
from mri_robust.evaluation.measures.artefacts import measure_artefacts
from mri_robust.evaluation.subject import Subject
from mri_robust.experiments import artefacts, pgd
from mri_robust.study.scale import SCALES
from mri_robust.study.setting import DataFacts, Setting

CLASSES = ("glioma", "notumor", "pituitary")
COUNT, SIDE, LEAKED = 70, 16, 20
NAMES = ["bias-field", "gibbs", "rician-noise"]
LEVELS = [4, 5]
PARAMETERS: dict[str, Any] = {
    **{"artefacts": NAMES, "levels": LEVELS, "images": COUNT, "leak_free": True, "pictures": True, "seed": 3}
}


def make_dataset() -> Dataset:
    """Squares of three brightnesses, one a class, at random places; the first images stand in training too."""
    chance = np.random.default_rng(0)
    labels = np.arange(COUNT) % 3
    images = np.zeros((COUNT, 1, SIDE, SIDE), np.uint8)
    for image, label, (row, column) in zip(images, labels, chance.integers(2, 6, (COUNT, 2)), strict=True):
        image[0, row : row + 8, column : column + 8] = 80 + 25 * label + chance.integers(0, 25, (8, 8))
    test = Split(images, labels, tuple(f"{index}.png" for index in range(COUNT)))
    return Dataset("squares", Split(images[:LEAKED], labels[:LEAKED], test.names[:LEAKED]), test, CLASSES, "0" * 16)


DATA = make_dataset()


class Brightness(nn.Module):
    """Tells the classes by the brightest 64 pixels' mean, which noise, blur and uneven coils move."""

    classes = CLASSES

    def __init__(self) -> None:
        super().__init__()
        self.centres = nn.Parameter((torch.tensor([80.0, 105.0, 130.0]) + 12) / 255)

    def forward(self, images: Tensor) -> Tensor:
        bright = images.flatten(1).topk(64).values.mean(1, keepdim=True)
        return -100 * (bright - self.centres).abs()


class Stubborn(Brightness):
    """Calls everything healthy."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.tensor([0.0, 1.0, 0.0]).expand(len(images), 3) + 0 * self.centres


def by_hand(name: str, level: int) -> np.ndarray:
    """int [N]: predictions of images spoilt one at a time."""
    generator, model = make_generator(3, "artefact", name), Brightness()
    artefact = ARTEFACTS.load(name).severity(level)
    images = torch.from_numpy(DATA.test.images).float() / 255
    spoilt = [artefact(image[None], generator) for image in images]
    with torch.no_grad():
        return np.array([int(model(image).argmax()) for image in spoilt])


def values(rows: list[dict[str, Any]], subset: str = "all") -> dict[str, float]:
    return {row["metric"]: row["value"] for row in rows if row["class"] == "" and row["subset"] == subset}


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    return measure_artefacts(PARAMETERS, Subject(Brightness(), DATA))


@pytest.fixture(scope="module")
def predicted() -> np.ndarray:
    return np.array([by_hand(name, level) for name in NAMES for level in LEVELS])


def test_every_condition_counts_what_images_spoilt_one_by_one_give(
    result: dict[str, Any], predicted: np.ndarray
) -> None:
    labels, tumours = DATA.test.labels, DATA.test.labels != 1
    right = predicted == labels
    assert len({tuple(row) for row in predicted}) == 6  # else conditions could be mixed up unseen
    assert len(result["rows"]) == 1 + len(predicted)
    for rows, row, hits in zip(result["rows"][1:], predicted, right, strict=True):
        assert values(rows)["accuracy"] == pytest.approx(hits.mean())
        assert values(rows, "leak-free")["accuracy"] == pytest.approx(hits[LEAKED:].mean())
        assert values(rows)["missed_tumour_rate"] == pytest.approx((row[tumours] == 1).mean())
        recalls = {entry["class"]: entry["value"] for entry in rows if entry["metric"] == "recall"}
        assert recalls["pituitary"] == pytest.approx(hits[labels == 2][LEAKED // 3 :].mean())


def test_the_first_row_is_the_mean_over_conditions_and_its_share_of_the_clean_accuracy(
    result: dict[str, Any], predicted: np.ndarray
) -> None:
    means = result["rows"][0]
    for subset, first in (("all", 0), ("leak-free", LEAKED)):
        right = (predicted == DATA.test.labels)[:, first:]
        assert values(means, subset)["accuracy"] == pytest.approx(right.mean())
        # the squares' classes are told without a mistake where nothing spoils them
        assert values(means, subset)["relative_accuracy"] == pytest.approx(right.mean())
        row = next(row for row in means if (row["metric"], row["subset"]) == ("accuracy", subset))
        spread = np.std(right.mean(0)) / math.sqrt(right.shape[1])
        assert (row["ci_low"], row["ci_high"]) == pytest.approx(
            (right.mean() - 1.96 * spread, right.mean() + 1.96 * spread)
        )
        assert row["n"] == COUNT - first


def test_a_model_that_looks_at_nothing_loses_nothing() -> None:
    means, *rows = measure_artefacts(PARAMETERS, Subject(Stubborn(), DATA))["rows"]
    healthy = (DATA.test.labels == 1).mean()
    assert values(means) == pytest.approx({"accuracy": healthy, "relative_accuracy": 1, "missed_tumour_rate": 1})
    assert all(values(row)["accuracy"] == pytest.approx(healthy) for row in rows)


def test_fewer_images_are_counted_where_fewer_are_asked_and_no_pictures_kept() -> None:
    found = measure_artefacts(PARAMETERS | {"images": 30, "pictures": False}, Subject(Brightness(), DATA))
    assert all(row["n"] == 30 for rows in found["rows"] for row in rows[:1])
    assert "artefact_sheet" not in found


def test_the_sheet_shows_one_tumour_under_each_artefact(result: dict[str, Any]) -> None:
    def pixels(text: str) -> np.ndarray:
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(text)))).astype(int)

    sheet = result["artefact_sheet"]
    assert sheet["class"] == "glioma"
    assert np.array_equal(pixels(sheet["clean"]), DATA.test.images[0, 0])
    assert [row["artefact"] for row in sheet["rows"]] == NAMES
    for row in sheet["rows"]:
        for level, text in zip(LEVELS, row["pictures"], strict=True):
            image = torch.from_numpy(DATA.test.images[:1]).float() / 255
            artefact = ARTEFACTS.load(row["artefact"]).severity(level)
            spoilt = artefact(image, make_generator(3, "artefact", row["artefact"]))[0, 0]
            assert np.abs(pixels(text) - 255 * spoilt.numpy()).max() <= 0.501


def setting(protocol: str, scale: str = "full") -> Setting:
    facts = DataFacts("d", "0" * 16, "grey", ("glioma", "meningioma", "notumor", "pituitary"), 5708, 1311)
    return Setting(protocol, SCALES[scale], facts, seed=42)


@pytest.mark.parametrize("scale", list(SCALES))
def test_what_table_4_measured_is_not_measured_again(scale: str) -> None:
    there = {cell.digest for cell in pgd.EXPERIMENT.cells(setting("sound", scale))}
    attacked = [cell for cell in artefacts.EXPERIMENT.cells(setting("sound", scale)) if cell.measure == "evasion"]
    assert [cell.recipe.model for cell in attacked if cell.digest not in there] == ["resnet_clean"]
    assert [cell.recipe.model for cell in attacked] == ["cnn_clean", "cnn_pgd", "resnet_clean", "resnet_pgd"]


@pytest.mark.parametrize("protocol", ["sound", "paper"])
def test_every_artefact_has_a_line_at_five_levels_and_pgd_one_at_every_size(protocol: str) -> None:
    cells = artefacts.EXPERIMENT.cells(setting(protocol))
    spoilt = [cell for cell in cells if cell.measure == "artefacts"]
    for cell in spoilt:
        lines = [(line["attack"], line["condition"]) for line in cell.lines[1:]]
        assert lines == [(name, f"severity={level}") for name in ARTEFACTS.names() for level in range(1, 6)]
    assert [cell.parameters["pictures"] for cell in spoilt] == [True, False, False, False]
    for cell in cells:
        if cell.measure == "evasion":
            sizes = {round(line["epsilon"] * 255) for line in cell.lines if "worst-case" in line["condition"]}
            assert sizes == {1, 2, 4, 8}
