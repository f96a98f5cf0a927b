"""Fast minimum-norm attack: the least change that fools (Pintor et al. 2021, arXiv 2102.12827, algorithm 1)."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from functools import partial

import torch
from torch import Tensor, nn

from mri_robust.attacks.evasion import norms
from mri_robust.attacks.evasion.attack import Gradient, loss_gradient, margin
from mri_robust.attacks.evasion.norms import distance, per_image
from mri_robust.core.eval_mode import eval_mode
from mri_robust.core.validation import check_choice, check_count, check_device, check_images, check_labels, class_count
from mri_robust.study.epsilon import Norm

FINAL = 0.01
"""The last step as a share of the first one."""
SHARES = (0.05, 0.001)
"""By what share the ball shrinks or grows in the first step, and in the last."""


@dataclass(frozen=True)
class FMN:
    """Steps along the gradient of the margin, of unit L2 length, in a ball whose radius follows the boundary.

    The ball shrinks where the iterate fools the model and grows where it does not; until an image is fooled for the
    first time its radius goes a little beyond the boundary of the linearised model. Step and change of the radius fall
    along a cosine.

    Attributes:
        norm: of which the change is to be least.
        steps: gradients for each image.
        step: L2 length of the first step, in pixels of [0, 1].
    """

    _: KW_ONLY
    norm: Norm = "linf"
    steps: int = 100
    step: float = 1.0

    def __post_init__(self) -> None:
        check_choice("norm", self.norm, ("linf", "l2"))
        check_count("steps", self.steps)

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """The nearest images found that the model calls otherwise, float32 [N, C, H, W] in [0, 1].

        Arguments and errors as `Attack.__call__`. An image that is misclassified, or that no iterate fools, is
        returned as it is.
        """
        with eval_mode(model):
            check_device(model, images, labels)
            check_images(images)
            check_labels(labels, images, class_count(model, images))
            return self.craft(partial(loss_gradient, model), images.detach().clamp(0, 1), labels)

    def craft(self, gradient: Gradient, images: Tensor, labels: Tensor, slack: float = 0.0) -> Tensor:
        """The attack without checks, along `gradient`.

        An iterate counts when its margin is over `slack` times the greatest logit: who follows a copy of the model asks
        for more than 0, for the model itself may round otherwise.
        """
        delta, best = torch.zeros_like(images), images.clone()
        furthest = distance(torch.maximum(images, 1 - images), self.norm)
        radius, least, found = furthest.clone(), furthest.clone(), torch.zeros_like(labels, dtype=torch.bool)
        for number in range(self.steps):
            cosine = (1 + math.cos(math.pi * number / self.steps)) / 2
            change = SHARES[1] + (SHARES[0] - SHARES[1]) * cosine
            slope, logits = gradient(images + delta, labels, margin)
            short = slack * logits.abs().amax(1) - margin(logits, labels)
            fools, size = short < 0, distance(delta, self.norm)
            nearer = fools & (size < least)
            least, best = torch.where(nearer, size, least), torch.where(per_image(nearer), images + delta, best)
            found |= fools
            linear = size + short.abs() / distance(slope, "l1" if self.norm == "linf" else "l2").clamp(min=1e-12)
            outside = torch.where(found, radius, linear) * (1 + change)
            radius = torch.where(fools, torch.minimum(radius * (1 - change), least), outside).minimum(furthest)
            delta = delta + self.step * (FINAL + (1 - FINAL) * cosine) * norms.ascent_direction(slope, "l2")
            delta = (images + norms.project(delta, per_image(radius), self.norm)).clamp(0, 1) - images
        return best
