"""SSIM against scikit-image's, the nearest image against brute force, and the measure on models that are known."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.metrics import structural_similarity as reference
from torch import Tensor, nn
from toy_models import Linear

from mri_robust.core.registry import Spec
from mri_robust.data.dataset import Dataset, Split
from mri_robust.evaluation.measures.inversion import measure_inversion, roughness
from mri_robust.evaluation.similarity import PART, nearest_similarity, structural_similarity
from mri_robust.evaluation.subject import Subject

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
SIDE, OF_A_CLASS = 16, 12
WANG = {"data_range": 1.0, "channel_axis": 0, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}


def random_images(count: int, channels: int = 1, *, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, channels, SIDE, SIDE), dtype=np.uint8)


def unit(images: np.ndarray) -> Tensor:
    return torch.from_numpy(images.astype(np.float32) / 255)


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_is_that_of_scikit_image(channels: int) -> None:
    first = unit(random_images(6, channels, seed=0))
    second = (0.7 * first + 0.3 * unit(random_images(6, channels, seed=1))).clamp(0, 1)
    second[1], second[2], first[3], second[3] = 1 - first[1], first[2], 0.2, 0.3
    ours = structural_similarity(first, second).numpy()
    truth = [reference(one.numpy(), other.numpy(), **WANG) for one, other in zip(first, second, strict=True)]
    np.testing.assert_allclose(ours, truth, atol=5e-5)  # a variance in float32 is off by 1e-7, against C2 = 9e-4
    assert ours[1] < 0
    assert ours[2] == pytest.approx(1)


def test_the_nearest_of_many_is_that_of_brute_force() -> None:
    candidates = random_images(PART + 40, seed=2) // 2 + random_images(1, seed=3) // 2
    images = unit(np.concatenate([candidates[[3, PART + 20]] // 2 + 60, random_images(2, seed=4)]))
    brute = [max(reference(image.numpy(), one, **WANG) for one in unit(candidates).numpy()) for image in images]
    np.testing.assert_allclose(nearest_similarity(images, candidates).numpy(), brute, atol=5e-5)
    planted = nearest_similarity(unit(candidates[[5, PART + 39]]), candidates)
    np.testing.assert_allclose(planted.numpy(), 1, atol=1e-5)


def test_roughness_of_a_chequerboard_and_of_stripes() -> None:
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    images = torch.stack([(rows + columns) % 2, rows % 2, torch.ones_like(rows)])[:, None].float()
    assert roughness(images).tolist() == [1.0, 0.5, 0.0]


TEMPLATES = random_images(4, 3, seed=5)
"""What all training images of a class look like, in colour."""


def make_dataset(test: np.ndarray | None = None, train: np.ndarray | None = None) -> Dataset:
    labels = np.repeat(np.arange(4), OF_A_CLASS)
    train = TEMPLATES[labels] if train is None else train
    test = random_images(len(labels), 3, seed=6) if test is None else test
    names = tuple(f"{index}.png" for index in range(len(labels)))
    return Dataset("templates", Split(train, labels, names), Split(test, labels, names), CLASSES, str(test.sum()))


def template_model() -> Linear:
    """Its logits are the covariances with the templates, so that an image that looks like one is of its class."""
    weight = (unit(TEMPLATES).flatten(1) - 0.5) / 8
    return Linear(weight, torch.zeros(4))


class Stubborn(nn.Module):
    """Gives class 2 the probability .7, whatever it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor([0.1, 0.1, 0.7, 0.1]).log())

    def forward(self, images: Tensor) -> Tensor:
        return self.logits.expand(len(images), -1)


OURS = {"steps": 30, "step": 1 / 50}
PLAIN = {"steps": 30, "step": 0.2, "loss": "logit", "scaled": False}
PARAMETERS = {
    "inversions": [
        {"name": "ours", "by": "own code", "attack": Spec("inversion", OURS), "start": "grey"},
        {"name": "ART", "by": "art", "attack": Spec("inversion", PLAIN), "start": "average"},
    ],
    "controls": ["average", "class means", "test images", "noise"],
    "seed": 0,
}


def values(rows: list[dict], name: str = "") -> dict[str, float]:
    return {row["metric"]: row["value"] for row in rows if row["class"] == name}


def measured(dataset: Dataset | None = None, second: nn.Module | None = None) -> dict:
    return measure_inversion(
        PARAMETERS, Subject(template_model(), dataset or make_dataset(), others=(second or template_model(),))
    )


def test_a_model_of_templates_gives_its_templates_away() -> None:
    ours, art, _, means, test, noise = (values(rows) for rows in measured()["rows"])
    for made in (ours, art):
        assert made["confidence"] > 0.95
        assert made["recognised"] == 1.0
        assert made["second_confidence"] == made["confidence"]  # the second model is the same here
        assert made["nearest_ssim"] == pytest.approx(made["mean_ssim"], abs=1e-5)  # one image a class
        assert made["nearest_ssim"] > max(test["nearest_ssim"], noise["nearest_ssim"]) + 0.2
    assert means["nearest_ssim"] == pytest.approx(1, abs=1e-5)
    assert means["mean_ssim"] == pytest.approx(1, abs=1e-5)
    assert noise["roughness"] == pytest.approx(1 / 3, abs=0.02)  # of two uniform numbers
    assert "art_difference" not in ours
    assert art["art_difference"] <= 1e-6


def test_a_second_model_that_sees_nothing_recognises_nothing_but_its_own_class() -> None:
    result = measured(second=Stubborn())
    for rows in result["rows"]:
        assert values(rows)["recognised"] == 0.25
        assert values(rows)["second_confidence"] == pytest.approx(0.25)
        assert [values(rows, name)["second_confidence"] for name in CLASSES] == pytest.approx([0.1, 0.1, 0.7, 0.1])
    (rate,) = (row for row in result["rows"][0] if row["metric"] == "recognised")
    assert (rate["n"], rate["ci_low"] < 0.25 < rate["ci_high"]) == (4, True)


def test_test_images_that_stand_in_training_are_no_control() -> None:
    test = random_images(4 * OF_A_CLASS, 3, seed=7)
    twins = np.arange(len(test)) % OF_A_CLASS >= 2
    test[twins] = TEMPLATES[np.repeat(np.arange(4), OF_A_CLASS)][twins]
    dataset = make_dataset(test)
    rows = measured(dataset)["rows"][4]
    (rate,) = (row for row in rows if row["metric"] == "recognised")
    assert rate["n"] == 8
    kept = unit(test[~twins])
    truth = [reference(image.numpy(), unit(TEMPLATES)[i // 2].numpy(), **WANG) for i, image in enumerate(kept)]
    assert values(rows)["nearest_ssim"] == pytest.approx(np.mean(truth), abs=5e-5)
    by_class = [values(rows, name)["nearest_ssim"] for name in CLASSES]
    assert by_class == pytest.approx(np.reshape(truth, (4, 2)).mean(1), abs=5e-5)


def test_the_result_is_the_same_again_and_holds_no_image_of_the_data() -> None:
    dataset = make_dataset(train=random_images(4 * OF_A_CLASS, 3, seed=8))
    result = measured(dataset)
    assert result == measured(dataset)
    assert [made["name"] for made in result["reconstructions"]] == ["class mean", "ours", "ART"]
    shown = [picture["image"] for made in result["reconstructions"] for picture in made["pictures"]]
    assert len(shown) == 12
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(base64.b64decode(text)))) for text in shown]).astype(int)
    everything = np.moveaxis(np.concatenate([dataset.train.images, dataset.test.images]), 1, -1).astype(int)
    assert np.abs(pixels[:, None] - everything).mean((2, 3, 4)).min() > 20
    means = everything[: 4 * OF_A_CLASS].reshape(4, OF_A_CLASS, SIDE, SIDE, 3).mean(1)
    np.testing.assert_allclose(pixels[:4], means, atol=0.51)


def test_classes_without_training_images_are_left_out() -> None:
    labels = np.repeat([0, 3], OF_A_CLASS)
    train = Split(TEMPLATES[labels], labels, tuple(map(str, labels)))
    dataset = Dataset("two", train, make_dataset().test, CLASSES, "two")
    result = measured(dataset)
    assert {row["class"] for rows in result["rows"] for row in rows} == {"", "glioma", "pituitary"}
