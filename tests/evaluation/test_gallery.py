"""Which images a gallery keeps, and what it says of them: a model that reads class and confidence off two pixels."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from mri_robust.core.registry import Spec
from mri_robust.data.dataset import Dataset, Split
from mri_robust.evaluation.measures.gallery import measure_gallery
from mri_robust.evaluation.subject import Subject

CLASSES = ("glioma", "notumor", "pituitary")
SIZES = (1 / 255, 4 / 255)


class Reader(nn.Module):
    """Logits fall with the distance of pixel (0, 0) from the class, times 20 of the confidence in pixel (0, 1)."""

    def __init__(self):
        super().__init__()
        self.places = nn.Parameter(torch.linspace(0, 1, 3))

    def forward(self, images):
        distance = (images[:, 0, 0, :1] - self.places).abs()
        return -20 * images[:, 0, 0, 1:2] * distance


def dataset(*kept):
    """Images of (class, confidence), in order."""
    images = np.full((len(kept), 1, 4, 4), 60, np.uint8)
    images[:, 0, 0, 0] = [round(255 * label / 2) for label, _ in kept]
    images[:, 0, 0, 1] = [round(255 * confidence) for _, confidence in kept]
    labels = np.array([label for label, _ in kept])
    split = Split(images, labels, tuple(f"{index}.png" for index in range(len(kept))))
    return Dataset("pixels", split, split, CLASSES, "0" * 16)


DATA = dataset((1, 1), (2, 0.1), (2, 1), (0, 0.1), (0, 1), (0, 0.9), (1, 0.8), (2, 0.9))


def gallery(data=DATA, images=6, attack="fgsm", **more):
    attacks = [Spec(attack, {"eps": eps, **more}) for eps in SIZES]
    parameters = {"attacks": attacks, "engine": "native", "images": images, "seed": 0}
    return measure_gallery(parameters, Subject(Reader(), data))["images"]


def pixels(picture):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(picture["image"])))).astype(int)


def test_the_first_sure_tumour_comes_first_then_the_classes_take_turns():
    found = gallery()
    assert [image["name"] for image in found] == ["2.png", "4.png", "0.png", "5.png", "6.png", "7.png"]
    assert [image["label"] for image in found] == ["pituitary", "glioma", "notumor", "glioma", "notumor", "pituitary"]
    assert [image["name"] for image in gallery(images=1)] == ["2.png"]


def test_where_none_is_sure_the_surest_is_taken_and_absent_classes_are_left_out():
    found = gallery(dataset((0, 0.02), (0, 0.05), (1, 1)))
    assert [image["name"] for image in found] == ["1.png", "2.png"]


@pytest.mark.parametrize(("attack", "more"), [("fgsm", {}), ("pgd", {"alpha": 4 / 255, "steps": 2})])
def test_each_picture_shows_what_the_model_said_of_it(attack, more):
    for image in gallery(attack=attack, **more):
        clean = pixels(image["pictures"][0])
        for picture, eps in zip(image["pictures"], (0.0, *SIZES), strict=True):
            assert picture["epsilon"] == eps
            shares = picture["probabilities"]
            assert tuple(shares) == CLASSES
            assert sum(shares.values()) == pytest.approx(1)
            assert shares[picture["predicted"]] == picture["probability"] == max(shares.values())
            shown = pixels(picture)
            assert np.abs(shown - clean).max() <= round(eps * 255)
            assert picture["change"] == pytest.approx(np.abs(shown - clean).max() / 255, abs=0.5 / 255)
            # by hand, from the pixels: the picture is what the probabilities are of
            logits = -20 * shown[0, 1] / 255 * np.abs(shown[0, 0] / 255 - np.array([0, 0.5, 1]))
            exact = np.exp(logits) / np.exp(logits).sum()
            assert list(shares.values()) == pytest.approx(exact, abs=0.03)
        assert image["pictures"][0]["predicted"] == image["label"]
        assert image["pictures"][0]["change"] == 0
        assert image["pictures"][-1]["change"] > 0


def test_pictures_of_an_image_do_not_depend_on_how_many_are_kept():
    one, six = gallery(images=1), gallery(images=6)
    assert one[0] == six[0]
