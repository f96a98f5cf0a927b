"""SSIM against scikit-image's, the nearest image against brute force, and inversion of models that are known."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.metrics import structural_similarity
from torch import Tensor, nn
from toy_data import CLASSES, noise, split, values
from toy_models import Linear

from mri_robust.attacks.privacy.inversion import Inversion
from mri_robust.data.dataset import Dataset
from mri_robust.evaluation.evaluation import Context
from mri_robust.evaluation.inversion import CONTROLS, InversionTest, Inverted, Moments, roughness
from mri_robust.study.recipe import Recipe

SIDE, OF_A_CLASS = 16, 12
LABELS = np.repeat(np.arange(4), OF_A_CLASS)
WANG = {"data_range": 1.0, "channel_axis": 0, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}


def unit(images: np.ndarray) -> np.ndarray:
    return images.astype(np.float32) / np.float32(255)


@pytest.mark.parametrize("channels", [1, 3])
def test_similarity_is_that_of_scikit_image(channels: int) -> None:
    image, many = unit(noise(0, 1, channels=channels, most=256)), unit(noise(1, 6, channels=channels, most=256))
    many[:4] = 0.7 * image + 0.3 * many[:4]
    many[1], many[2], many[3] = 1 - image[0], image[0], 0.3
    truth = [structural_similarity(image[0], other, **WANG) for other in many]
    found = Moments(many).ssim(image)
    np.testing.assert_allclose(found, truth, atol=5e-5)  # a variance in float32 is off by 1e-7, against C2 = 9e-4
    assert found[1] < 0
    assert found[2] == pytest.approx(1)


def test_roughness_of_a_chequerboard_and_of_stripes() -> None:
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    images = torch.stack([(rows + columns) % 2, rows % 2, torch.ones_like(rows)])[:, None].float()
    assert roughness(images).tolist() == [1.0, 0.5, 0.0]


TEMPLATES = noise(5, 4, channels=3, most=256)
"""What all training images of a class look like, in colour."""
TEST = noise(6, len(LABELS), channels=3, most=256)


def dataset(name: str, train: np.ndarray = TEMPLATES[LABELS], test: np.ndarray = TEST) -> Dataset:
    return Dataset(name, split(train, LABELS), split(test, LABELS), CLASSES, name)


def template_model() -> Linear:
    """Its logits are the covariances with the templates, so that an image that looks like one is of its class."""
    return Linear(torch.from_numpy(unit(TEMPLATES)).flatten(1) / 8 - 1 / 16, torch.zeros(4))


class Stubborn(nn.Module):
    """Gives class 2 the probability .7, whatever it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor([0.1, 0.1, 0.7, 0.1]).log())

    def forward(self, images: Tensor) -> Tensor:
        return self.logits.expand(len(images), -1)


INVERSIONS = (
    Inverted("ours", Inversion(30, step=1 / 50), start="grey"),
    Inverted("ART", Inversion(30, step=0.2, loss="logit", scaled=False), art=True),
)
SECOND = Recipe("second", "cnn", SIDE, "rgb", seed=0)


def invert(data: Dataset, second: nn.Module | None = None) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    context = Context(template_model(), data, open_model=lambda _: second or template_model())
    return list(InversionTest(INVERSIONS, SECOND)(context)), context.artefacts


def test_a_model_of_templates_gives_its_templates_away() -> None:
    rows, _ = invert(dataset("templates"))
    controls = {name: values(rows, image=f"control: {name}") for name in CONTROLS}
    for name in ("ours", "ART"):
        made = values(rows, image=name)
        assert made["confidence"] > 0.95
        assert made["recognised"] == 1.0
        assert made["second_confidence"] == made["confidence"]  # the second model is the same here
        assert made["nearest_ssim"] == pytest.approx(made["mean_ssim"], abs=1e-5)  # one image a class
        assert made["nearest_ssim"] > max(controls[each]["nearest_ssim"] for each in ("test images", "noise")) + 0.2
    assert controls["class means"]["nearest_ssim"] == pytest.approx(1, abs=1e-5)
    assert controls["noise"]["roughness"] == pytest.approx(1 / 3, abs=0.02)  # of two uniform numbers
    assert "art_difference" not in values(rows, image="ours")
    assert values(rows, image="ART")["art_difference"] <= 1e-6


def test_a_second_model_that_sees_nothing_recognises_nothing_but_its_own_class() -> None:
    rows, _ = invert(dataset("templates"), Stubborn())
    for name in ("ours", "ART", *(f"control: {control}" for control in CONTROLS)):
        assert values(rows, image=name)["recognised"] == 0.25
        assert [values(rows, image=name, **{"class": of})["second_confidence"] for of in CLASSES] == pytest.approx(
            [0.1, 0.1, 0.7, 0.1]
        )
        assert values(rows, image=name)["second_confidence"] == pytest.approx(0.25)
    assert rows[0]["metric"] == "recognised"
    assert (rows[0]["n"], rows[0]["ci_low"] < 0.25 < rows[0]["ci_high"]) == (4, True)


def test_test_images_that_stand_in_training_are_no_control() -> None:
    test, leaked = noise(7, len(LABELS), channels=3, most=256), np.arange(len(LABELS)) % OF_A_CLASS >= 2
    test[leaked] = TEMPLATES[LABELS][leaked]
    rows, _ = invert(dataset("leaky templates", test=test))
    name, kept = "control: test images", unit(test[~leaked])
    [rate] = [row for row in rows if row["image"] == name and row["metric"] == "recognised"]
    assert rate["n"] == 8
    truth = [structural_similarity(image, unit(TEMPLATES[i // 2]), **WANG) for i, image in enumerate(kept)]
    assert values(rows, image=name)["nearest_ssim"] == pytest.approx(np.mean(truth), abs=5e-5)
    by_class = [values(rows, image=name, **{"class": of})["nearest_ssim"] for of in CLASSES]
    assert by_class == pytest.approx(np.reshape(truth, (4, 2)).mean(1), abs=5e-5)


def test_the_result_is_the_same_again_and_holds_no_image_of_the_data() -> None:
    data = dataset("noisy templates", train=noise(8, len(LABELS), channels=3, most=256))
    rows, artefacts = invert(data)
    assert (rows, artefacts) == invert(data)
    sheet = artefacts["sheet"]
    assert [strip["name"] for strip in sheet] == ["class mean", "ours", "ART"]
    shown = [cell["image"] for strip in sheet for cell in strip["cells"]]
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(base64.b64decode(text)))) for text in shown]).astype(int)
    assert len(pixels) == 12
    everything = np.moveaxis(np.concatenate([data.train.images, data.test.images]), 1, -1).astype(int)
    assert np.abs(pixels[:, None] - everything).mean((2, 3, 4)).min() > 20
    means = everything[: len(LABELS)].reshape(4, OF_A_CLASS, SIDE, SIDE, 3).mean(1)
    np.testing.assert_allclose(pixels[:4], means, atol=0.51)
