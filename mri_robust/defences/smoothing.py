"""Randomised smoothing (Cohen, Rosenfeld and Kolter 2019, arXiv 1902.02918): a certificate in the L2 norm.

The smoothed classifier gives an image the class that the model gives most often to the image plus Gaussian noise.
"""

import math
from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import binomtest, norm
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mri_robust.attacks.evasion.attack import predict
from mri_robust.attacks.evasion.epsilon_sweep import BATCH
from mri_robust.core.errors import UserError
from mri_robust.core.eval_mode import eval_mode
from mri_robust.core.validation import check_count, check_device, check_images, check_number, class_count

ABSTAINS = -1
"""In place of the class of an image for which no class is certain to come in more than half of the draws."""

CLEAR = 4
"""Standard deviations of a lead that leaves no doubt: it comes by luck in about one of 30,000 looks."""


class Certificate(NamedTuple):
    """What is certain of each of N images: no change shorter than `radius` gives it another class than `predicted`."""

    predicted: np.ndarray  # int64 [N], or `ABSTAINS`
    radius: np.ndarray  # float64 [N], L2 norm of a change, pixels in [0, 1]; 0 where it abstains
    votes: np.ndarray  # int64 [N, K]: how many of the draws got each class


@dataclass(frozen=True)
class Smoothing:
    """Cohen's CERTIFY: `selection` draws choose a class, others bound how often it comes.

    Attributes:
        sigma: standard deviation of the noise, pixels in [0, 1]; also that of the training noise, see `GaussianNoise`.
        selection: draws that choose the class.
        draws: further draws, which bound its probability from below by Clopper and Pearson's exact interval.
        alpha: greatest probability that the certificate of an image is wrong.
    """

    sigma: float
    _: KW_ONLY
    selection: int = 100
    draws: int = 1000
    alpha: float = 0.001

    def __post_init__(self) -> None:
        check_number("sigma", self.sigma, 0.0, open_low=True)
        check_count("selection", self.selection)
        check_count("draws", self.draws)
        check_number("alpha", self.alpha, 0.0, 0.5, open_low=True)

    def __call__(self, model: nn.Module, images: Tensor, *, generator: torch.Generator | None = None) -> Certificate:
        """The certificate of images, float32 [N, C, H, W] in [0, 1] on the model's device.

        The model takes such images, gives logits, and is left as it was. The noise is drawn from `generator`, on the
        CPU, or with seed 0. TypeError or ValueError where the images are not as said; UserError where the model has
        BatchNorm in train mode, or its logits are not finite.
        """
        check_alone(model)
        check_device(model, images, images)
        check_images(images)
        generator = generator or torch.Generator().manual_seed(0)
        chosen = self._votes(model, images, self.selection, generator).argmax(1)
        votes = self._votes(model, images, self.draws, generator)
        radius = np.array([self.radius(int(own[top])) for own, top in zip(votes, chosen, strict=True)])
        return Certificate(np.where(radius > 0, chosen, ABSTAINS), radius, votes)

    def predict(self, model: nn.Module, images: Tensor, *, generator: torch.Generator) -> np.ndarray:
        """int64 [N]: the commonest class of `draws`, or of fewer where it leads beyond doubt.

        Arguments and errors as of the certificate.
        """
        check_alone(model)
        return self._votes(model, images, self.draws, generator, clear=CLEAR).argmax(1)

    def _votes(
        self, model: nn.Module, images: Tensor, draws: int, generator: torch.Generator, clear: float = math.inf
    ) -> np.ndarray:
        """int64 [N, K]: how many of so many noisy copies of each image the model gives each class; fewer where one
        leads by more than `clear` times the root of those drawn, the most that its lead over an equal can spread."""
        found = []
        with eval_mode(model):
            classes = class_count(model, images)
            for image in images:
                votes = np.zeros(classes, dtype=np.int64)
                for begin in range(0, draws, BATCH):
                    noise = torch.randn(min(BATCH, draws - begin), *image.shape, generator=generator).to(image)
                    called = predict(model, image + self.sigma * noise)
                    votes += torch.bincount(called, minlength=classes).cpu().numpy()
                    second, first = np.sort(votes)[-2:]
                    if first - second > clear * math.sqrt(votes.sum()):
                        break
                found.append(votes)
        return np.stack(found)

    def radius(self, count: int) -> float:
        """sigma * quantile(p), p the lower bound of the probability of a class that came `count` times; at least 0."""
        bound = binomtest(count, self.draws, alternative="greater").proportion_ci(1 - self.alpha, "exact").low
        return max(0.0, float(self.sigma * norm.ppf(bound)))

    @property
    def largest(self) -> float:
        """The radius when all draws agree: no more can be certified with so many, 2.46 sigma with 1000."""
        return self.radius(self.draws)


@dataclass(frozen=True)
class GaussianNoise:
    """Noise on training images, as smoothing needs it (section 3.3 of the paper); `sigma` for pixels in [0, 1]."""

    sigma: float

    def __post_init__(self) -> None:
        check_number("sigma", self.sigma, 0.0, open_low=True)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """The images [N, C, H, W], each pixel with noise of its own; not clipped, as the certificate's is not."""
        return images + self.sigma * torch.randn(images.shape, generator=generator)


def check_alone(model: nn.Module) -> None:
    """UserError where a BatchNorm takes its means over the batch: the draws of an image would then decide each other's
    class, and no certificate holds."""
    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm) and (module.training or module.running_mean is None):
            what = "is in train mode: call model.eval() first" if module.training else "keeps no running statistics"
            raise UserError(f"smoothing asks about one image at a time, and the model's BatchNorm '{name}' {what}")
