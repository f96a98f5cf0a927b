"""What a model shows of each class when it is inverted, and whether that is a class or a patient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mri_robust.adapters.art_inversion import invert
from mri_robust.attacks.registry import PRIVACY
from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.core.progress import OnImages
from mri_robust.core.rng import make_generator
from mri_robust.data.audit import leaked_test_images
from mri_robust.data.dataset import Dataset
from mri_robust.evaluation.class_report import figure
from mri_robust.evaluation.pictures import png
from mri_robust.evaluation.rates import share
from mri_robust.evaluation.similarity import nearest_similarity, structural_similarity
from mri_robust.evaluation.subject import Subject
from mri_robust.training import to_unit_range

TEST_IMAGES = 4
"""Of each class, drawn for the control."""


def measure_inversion(
    parameters: Mapping[str, Any], subject: Subject, on_step: OnImages | None = None
) -> dict[str, Any]:
    """Invert the model for every class at once, and compare what comes out with the training images and a second model.

    Args:
        parameters: `inversions`, each `name`, `by` (`own code`, or `art` for its version), `attack` (an inversion) and
            `start` (`average`, the mean of all training images, or `grey`); `controls`, of `average`, `noise`,
            `class means` and `test images` (without a twin in training); `seed`.
        subject: the model, its data, and in `others` the second model.
        on_step: called with inversions done and inversions in all.

    Returns:
        `rows`: for each inversion and control, averaged over the images and for each class, `confidence` and
        `second_confidence`, the class's probability under model and second model; `nearest_ssim` and `mean_ssim`,
        the SSIM with the most similar training image of the class and with its mean; `roughness`, the mean difference
        of neighbouring pixels; and `recognised`, the share of the images whose class the second model names. For `art`
        also `art_difference`, the greatest difference of a pixel from our own code's. `reconstructions`: the class
        means and all that was made, as base64 PNG; no image of a patient.
    """
    scene = _Scene(subject, parameters["seed"])
    rows, shown = [], [scene.pictures("class mean", scene.means)]
    for number, inversion in enumerate(parameters["inversions"], start=1):
        attack, (start, classes) = inversion["attack"].build(PRIVACY), scene.images(inversion["start"])
        made = scene.run(attack, start, classes)
        found = []
        if inversion["by"] == "art":
            own, made = made, scene.run(partial(invert, attack), start, classes)
            found.append(figure("art_difference", float((own - made).abs().max())))
        rows.append(scene.describe(made, classes) + found)
        shown.append(scene.pictures(inversion["name"], made))
        if on_step:
            on_step(number, len(parameters["inversions"]))
    rows += [scene.describe(*scene.images(control)) for control in parameters["controls"]]
    return {"rows": rows, "reconstructions": shown}


class _Scene:
    """The models, and the images that reconstructions start from and are compared with; all images on the CPU."""

    def __init__(self, subject: Subject, seed: int) -> None:
        self.model: nn.Module = subject.model
        self.second: nn.Module = subject.others[0]
        self.dataset: Dataset = subject.dataset
        self.seed = seed
        self.classes = torch.from_numpy(np.unique(self.dataset.train.labels))
        self.means = torch.stack([_mean(self._of_class(label)) for label in self.classes.tolist()])

    def images(self, name: str) -> tuple[Tensor, Tensor]:
        """Images [N, C, S, S] by their name in the parameters, `test images` or one a class, and their classes [N]."""
        if name == "test images":
            return self._test_images()
        generator = make_generator(self.seed, "inversion", name)
        made = {
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

    def describe(self, images: Tensor, labels: Tensor) -> list[dict[str, Any]]:
        """The rows of some images of these classes."""
        own, second = _probabilities(self.model, images), _probabilities(self.second, images)
        figures = {
            "confidence": own.gather(1, labels[:, None])[:, 0],
            "second_confidence": second.gather(1, labels[:, None])[:, 0],
            "nearest_ssim": torch.empty(len(labels)),
            "mean_ssim": torch.empty(len(labels)),
            "roughness": roughness(images),
        }
        for label, mean in zip(self.classes.tolist(), self.means, strict=True):
            figures["nearest_ssim"][labels == label] = nearest_similarity(
                images[labels == label], self._of_class(label)
            )
            figures["mean_ssim"][labels == label] = structural_similarity(images[labels == label], mean[None])
        rows = [share((second.argmax(1) == labels).numpy(), "recognised")]
        for metric, values in figures.items():
            rows.append(figure(metric, float(values.mean())))
            for label in labels.unique().tolist():
                name = self.dataset.classes[label]
                rows.append(figure(metric, float(values[labels == label].mean())) | {"class": name})
        return rows

    def pictures(self, name: str, images: Tensor) -> dict[str, Any]:
        """A row of the figure: an image of each class, and how sure the second model is of it."""
        sure = _probabilities(self.second, images).gather(1, self.classes[:, None])[:, 0]
        return {
            "name": name,
            "pictures": [
                {"class": self.dataset.classes[label], "second_confidence": float(confidence), "image": png(image)}
                for label, confidence, image in zip(self.classes.tolist(), sure, images, strict=True)
            ],
        }

    def _of_class(self, label: int) -> np.ndarray:
        train = self.dataset.train
        return np.asarray(train.images[train.labels == label])

    def _test_images(self) -> tuple[Tensor, Tensor]:
        """At most `TEST_IMAGES` of each class, drawn among those without a twin in training."""
        test, order = self.dataset.test, make_generator(self.seed, "inversion", "test images")
        drawn = torch.randperm(len(test), generator=order).numpy()
        kept = drawn[~leaked_test_images(self.dataset)[drawn]]
        places = np.concatenate([kept[test.labels[kept] == label][:TEST_IMAGES] for label in self.classes.tolist()])
        return to_unit_range(torch.from_numpy(np.array(test.images[places]))), torch.from_numpy(test.labels[places])


def roughness(images: Tensor) -> Tensor:
    """The mean absolute difference of neighbouring pixels, along rows and columns, of images [N, C, H, W]: [N]."""
    return torch.stack([images.diff(dim=axis).abs().mean((1, 2, 3)) for axis in (2, 3)]).mean(0)


def _mean(images: np.ndarray) -> Tensor:
    """The mean of uint8 images [N, C, S, S], float32 [C, S, S] in [0, 1]."""
    return torch.from_numpy(images.mean(0) / 255).float()


def _probabilities(model: nn.Module, images: Tensor) -> Tensor:
    """Float32 [N, K] on the CPU: the probability of each class."""
    with eval_mode(model), torch.no_grad():
        return model(images.to(device_of(model))).softmax(1).cpu()


MEASURE = measure_inversion
