"""What a model shows of each class when it is inverted, and whether that is a class or a patient."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from mri_robust.adapters.art_privacy import invert
from mri_robust.attacks.privacy.inversion import Inversion
from mri_robust.core.eval_mode import device_of
from mri_robust.core.validation import to_unit_range
from mri_robust.data.audit import leaked_test_images
from mri_robust.evaluation.evaluation import Context, Evaluation, probabilities
from mri_robust.evaluation.pictures import cell, strip
from mri_robust.evaluation.rows import Row, figure, share
from mri_robust.study.recipe import Recipe

TEST_IMAGES = 4  # of each class, drawn for the control
CONTROLS = ("average", "class means", "test images", "noise")
"""What reconstructions are held against: the start, class means, test images without a duplicate in training, noise."""
C1, C2 = 0.01**2, 0.03**2  # Wang's constants for pixels in [0, 1]


@dataclass(frozen=True)
class Inverted:
    """One inversion of every class."""

    name: str  # what its rows are called
    attack: Inversion
    art: bool = False  # by ART's version of the attack too, which has to give the same
    start: str = "average"  # the mean of all training images, or `grey`


@dataclass(frozen=True)
class InversionTest(Evaluation):
    """Invert the model for every class, and compare what comes out with the training images and a second model.

    For each inversion and control, averaged over the images and for each class: `confidence` and `second_confidence`,
    the class's probability under model and second model; `nearest_ssim` and `mean_ssim`, the SSIM with the most similar
    training image of the class and with its mean; `roughness`, the mean difference of neighbouring pixels; and
    `recognised`, the share of the images whose class the second model names. Of an inversion by ART also
    `art_difference`, the greatest difference of a pixel from our own code's.
    """

    inversions: tuple[Inverted, ...]
    second: Recipe
    controls: tuple[str, ...] = CONTROLS

    def __call__(self, context: Context) -> Iterator[Row]:
        """The rows of each inversion, then of the controls. The sheet shows class means and all that was made."""
        scene = _Scene(context, self)
        sheet = [scene.strip("class mean", scene.means)]
        for each in context.steps(self.inversions):
            start, classes = scene.images(each.start)
            made = scene.run(each.attack, start, classes)
            factors: Row = {"attack": "MIFace" if each.art else "inversion", "image": each.name}
            factors["engine"] = "art" if each.art else "native"
            if each.art:
                own, made = made, scene.run(partial(invert, each.attack), start, classes)
                yield figure("art_difference", float((own - made).abs().max()), **factors)
            yield from scene.rows(made, classes, **factors)
            sheet.append(scene.strip(each.name, made))
        for control in self.controls:
            yield from scene.rows(*scene.images(control), attack="none", image=f"control: {control}")
        context.artefacts["sheet"] = sheet


class _Scene:
    """The models, and the images that reconstructions start from and are compared with; all images on the CPU."""

    def __init__(self, context: Context, asked: InversionTest) -> None:
        self.model, self.dataset, self.asked = context.model, context.dataset, asked
        self.second: nn.Module = context.get(asked.second)
        self.classes = torch.from_numpy(np.unique(self.dataset.train.labels))
        self.means = torch.stack([_mean(self._of_class(label)) for label in self.classes.tolist()])

    def images(self, name: str) -> tuple[Tensor, Tensor]:
        """Images [N, C, S, S] by their name, `test images` or one per class, and their classes [N]."""
        generator = self.asked.generator("inversion", name)
        if name == "test images":
            return self._test_images(generator)
        made: dict[str, Callable[[], Tensor]] = {
            "average": lambda: _mean(self.dataset.train.images).expand_as(self.means),
            "class means": lambda: self.means,
            "grey": lambda: torch.full_like(self.means, 0.5),
            "noise": lambda: torch.rand(self.means.shape, generator=generator),
        }
        return made[name](), self.classes

    def run(self, attack: Callable[[nn.Module, Tensor, Tensor], Tensor], start: Tensor, classes: Tensor) -> Tensor:
        """An attack on the model's device."""
        device = device_of(self.model)
        return attack(self.model, start.to(device), classes.to(device)).cpu()

    def rows(self, images: Tensor, labels: Tensor, **factors: Any) -> Iterator[Row]:
        """The rows of some images of these classes."""
        own, second = probabilities(self.model, images), probabilities(self.second, images)
        figures = {
            "confidence": own.gather(1, labels[:, None])[:, 0].numpy(),
            "second_confidence": second.gather(1, labels[:, None])[:, 0].numpy(),
            **self._similarities(images.numpy(), labels.numpy()),
            "roughness": roughness(images).numpy(),
        }
        yield share((second.argmax(1) == labels).numpy(), "recognised", **factors)
        for metric, values in figures.items():
            yield figure(metric, float(values.mean()), **factors)
            for label in np.unique(labels):
                of_class = {**factors, "class": self.dataset.classes[label]}
                yield figure(metric, float(values[labels.numpy() == label].mean()), **of_class)

    def _similarities(self, images: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
        """SSIM of each image with the most similar training image of its class, and with their mean, each [N]."""
        nearest, mean = np.empty(len(labels)), np.empty(len(labels))
        for label, average in zip(self.classes.tolist(), self.means, strict=True):
            candidates, of_mean = Moments(self._of_class(label) / np.float32(255)), Moments(average[None].numpy())
            for place in np.flatnonzero(labels == label):
                image = images[place : place + 1]
                nearest[place], mean[place] = candidates.ssim(image).max(), of_mean.ssim(image)[0]
        return {"nearest_ssim": nearest, "mean_ssim": mean}

    def strip(self, name: str, images: Tensor) -> dict[str, Any]:
        """A row of the sheet: an image of each class, and how sure the second model is of it."""
        shares = probabilities(self.second, images)
        cells = [
            cell(image, f"{self.dataset.classes[label]} {float(sure[label]):.0%}")
            for image, label, sure in zip(images, self.classes.tolist(), shares, strict=True)
        ]
        return strip(name, cells)

    def _of_class(self, label: int) -> np.ndarray:
        train = self.dataset.train
        return np.asarray(train.images[train.labels == label])

    def _test_images(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """At most `TEST_IMAGES` of each class, drawn among those without a duplicate in training."""
        test = self.dataset.test
        drawn = torch.randperm(len(test), generator=generator).numpy()
        kept = drawn[~leaked_test_images(self.dataset)[drawn]]
        places = np.concatenate([kept[test.labels[kept] == label][:TEST_IMAGES] for label in self.classes.tolist()])
        return to_unit_range(test.images[places]), torch.from_numpy(test.labels[places])


class Moments:
    """Many images, and their mean and variance in the window round each place, so that one is soon compared with all.

    scikit-image compares pair by pair, which takes ten times as long.
    """

    def __init__(self, images: np.ndarray) -> None:
        self.images = images
        self.mean = _windowed(images)
        self.variance = _windowed(images * images) - self.mean**2

    def ssim(self, image: np.ndarray) -> np.ndarray:
        """SSIM of one image, float32 [1, C, H, W] in [0, 1], with each of the many: float [M] in [-1, 1].

        Source: Wang et al. 2004, doi 10.1109/TIP.2003.819861, equation 13, averaged over the places where the window of
        11 pixels lies inside the image, and over the channels.
        """
        mean = _windowed(image)
        variance = _windowed(image * image) - mean**2
        covariance = _windowed(self.images * image) - self.mean * mean
        brightness = (2 * self.mean * mean + C1) / (self.mean**2 + mean**2 + C1)
        contrast = (2 * covariance + C2) / (self.variance + variance + C2)
        similarity: np.ndarray = (brightness * contrast)[:, :, 5:-5, 5:-5].mean((1, 2, 3))
        return similarity


def _windowed(images: np.ndarray) -> np.ndarray:
    """The Gaussian mean round each place of images [M, C, H, W]."""
    return gaussian_filter(images, (0, 0, 1.5, 1.5), truncate=3.5)


def roughness(images: Tensor) -> Tensor:
    """The mean absolute difference of neighbouring pixels, along rows and columns, of images [N, C, H, W]: [N]."""
    return torch.stack([images.diff(dim=axis).abs().mean((1, 2, 3)) for axis in (2, 3)]).mean(0)


def _mean(images: np.ndarray) -> Tensor:
    """The mean of uint8 images [N, C, S, S], float32 [C, S, S] in [0, 1]."""
    return torch.from_numpy(images.mean(0) / 255).float()
