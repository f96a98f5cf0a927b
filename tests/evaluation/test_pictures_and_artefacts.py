"""MRI artefacts against predictions made by hand, image by image; and which images a gallery keeps."""

import base64
import io
import math
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from toy_data import split, values

from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.core.rng import make_generator
from mri_robust.data.artefacts import ARTEFACTS, severity
from mri_robust.data.dataset import Dataset
from mri_robust.evaluation.artefacts import LEVELS, Artefacts
from mri_robust.evaluation.evaluation import Context
from mri_robust.evaluation.gallery import Gallery

CLASSES = ("glioma", "notumor", "pituitary")
COUNT, SIDE, LEAKED = 70, 16, 20


def pixels(picture: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(picture)))).astype(int)


def squares() -> Dataset:
    """Squares of three brightnesses, one a class, at random places; the first images stand in training too."""
    random, labels = np.random.default_rng(0), np.arange(COUNT) % 3
    images = np.zeros((COUNT, 1, SIDE, SIDE), np.uint8)
    for image, label, (row, column) in zip(images, labels, random.integers(2, 6, (COUNT, 2)), strict=True):
        image[0, row : row + 8, column : column + 8] = 80 + 25 * label + random.integers(0, 25, (8, 8))
    return Dataset("squares", split(images[:LEAKED], labels[:LEAKED]), split(images, labels), CLASSES, "squares")


DATA = squares()


class Brightness(nn.Module):
    """Tells the classes by the brightest 64 pixels' mean, which noise, blur and uneven coils move."""

    def __init__(self) -> None:
        super().__init__()
        self.centres = nn.Parameter((torch.tensor([80.0, 105.0, 130.0]) + 12) / 255)

    def forward(self, images: Tensor) -> Tensor:
        bright = images.flatten(1).topk(64).values.mean(1, keepdim=True)
        return -100 * (bright - self.centres).abs()


def by_hand(name: str, level: int) -> np.ndarray:
    """int [N]: predictions of images spoilt one at a time."""
    generator, artefact, model = make_generator(3, "artefact", name), severity(name, level), Brightness()
    images = torch.from_numpy(DATA.test.images).float() / 255
    with torch.no_grad():
        return np.array([int(model(artefact(image[None], generator)).argmax()) for image in images])


def test_each_artefact_counts_what_images_spoilt_one_by_one_give_and_the_means_are_over_all() -> None:
    context = Context(Brightness(), DATA)
    rows = list(Artefacts(COUNT, pictures=True, seed=3, leak_free=True)(context))
    labels = DATA.test.labels
    called = {(name, level): by_hand(name, level) for name in ARTEFACTS for level in LEVELS}
    assert len({tuple(row) for row in called.values()}) > 12  # else they could be mixed up unseen
    for (name, level), predicted in called.items():
        hits, where = predicted == labels, {"attack": name, "severity": level}
        found = values(rows, **where)
        assert found["accuracy"] == pytest.approx(hits.mean())
        assert found["missed_tumour_rate"] == pytest.approx((predicted[labels != 1] == 1).mean())
        assert values(rows, subset="leak-free", **where)["accuracy"] == pytest.approx(hits[LEAKED:].mean())
        recall = values(rows, **where, **{"class": "pituitary"})["recall"]
        assert recall == pytest.approx(hits[labels == 2].mean())
    right = np.array(list(called.values())) == labels
    for subset, first in (("all", 0), ("leak-free", LEAKED)):
        some = right[:, first:]
        means = values(rows, subset=subset, attack="artefacts")
        assert means["accuracy"] == pytest.approx(some.mean())
        # the squares' classes are told without a mistake where nothing spoils them
        assert means["relative_accuracy"] == pytest.approx(some.mean())
        row = next(row for row in rows if (row["metric"], row["subset"]) == ("accuracy", subset))
        half = 1.96 * np.std(some.mean(0)) / math.sqrt(some.shape[1])
        assert (row["ci_low"], row["ci_high"]) == pytest.approx((some.mean() - half, some.mean() + half))
        assert row["n"] == COUNT - first
    clean, *spoilt = context.artefacts["sheet"]
    assert np.array_equal(pixels(clean["cells"][0]["image"]), DATA.test.images[0, 0])
    assert [strip["name"] for strip in spoilt] == list(ARTEFACTS)
    image = torch.from_numpy(DATA.test.images[:1]).float() / 255
    for strip in spoilt:
        for level, cell in zip(LEVELS, strip["cells"], strict=True):
            changed = severity(strip["name"], level)(image, make_generator(3, "artefact", strip["name"]))[0, 0]
            assert np.abs(pixels(cell["image"]) - 255 * changed.numpy()).max() <= 0.501


SIZES = (1 / 255, 4 / 255)


class Reader(nn.Module):
    """Logits fall with the distance of pixel (0, 0) from the class, times 20 of the confidence in pixel (0, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.places = nn.Parameter(torch.linspace(0, 1, 3))

    def forward(self, images: Tensor) -> Tensor:
        return -20 * images[:, 0, 0, 1:2] * (images[:, 0, 0, :1] - self.places).abs()


def kept(*images: tuple[int, float]) -> Dataset:
    """Images of (class, confidence), in order."""
    shown = np.full((len(images), 1, 4, 4), 60, np.uint8)
    shown[:, 0, 0, 0] = [round(255 * label / 2) for label, _ in images]
    shown[:, 0, 0, 1] = [round(255 * confidence) for _, confidence in images]
    both = split(shown, np.array([label for label, _ in images]))
    return Dataset("pixels", both, both, CLASSES, f"pixels {images}")


PIXELS = kept((1, 1), (2, 0.1), (2, 1), (0, 0.1), (0, 1), (0, 0.9), (1, 0.8), (2, 0.9))


def gallery(data: Dataset = PIXELS, attack: Any = FGSM) -> list[dict[str, Any]]:
    context = Context(Reader(), data)
    assert list(Gallery(tuple(map(attack, SIZES)))(context)) == []
    found: list[dict[str, Any]] = context.artefacts["gallery"]
    return found


def test_the_first_sure_tumour_comes_first_then_the_classes_take_turns() -> None:
    found = gallery()
    assert [strip["name"] for strip in found] == ["2.png", "4.png", "0.png", "5.png", "6.png", "7.png"]
    assert [strip["label"] for strip in found] == ["pituitary", "glioma", "notumor", "glioma", "notumor", "pituitary"]
    unsure = gallery(kept((0, 0.02), (0, 0.05), (1, 1)))
    assert [strip["name"] for strip in unsure] == ["1.png", "2.png"]


@pytest.mark.parametrize("attack", [FGSM, lambda eps: PGD(eps, alpha=4 / 255, steps=2)])
def test_each_picture_shows_what_the_model_said_of_it(attack: Any) -> None:
    for strip in gallery(attack=attack):
        clean = pixels(strip["cells"][0]["image"])
        for cell, eps in zip(strip["cells"], (0.0, *SIZES), strict=True):
            shares = cell["probabilities"]
            assert (cell["epsilon"], tuple(shares)) == (eps, CLASSES)
            assert shares[cell["predicted"]] == cell["probability"] == max(shares.values())
            shown = pixels(cell["image"])
            assert np.abs(shown - clean).max() <= round(eps * 255)
            assert cell["change"] == pytest.approx(np.abs(shown - clean).max() / 255, abs=0.5 / 255)
            # by hand, from the pixels: the picture is what the probabilities are of
            logits = -20 * shown[0, 1] / 255 * np.abs(shown[0, 0] / 255 - np.array([0, 0.5, 1]))
            assert list(shares.values()) == pytest.approx(np.exp(logits) / np.exp(logits).sum(), abs=0.03)
        assert strip["cells"][0]["predicted"] == strip["label"]
        assert [cell["change"] > 0 for cell in strip["cells"]] == [False, True, True]
