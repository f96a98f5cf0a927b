"""Model inversion: an image that a model finds typical of a class (Fredrikson et al. 2015, 10.1145/2810103.2813677)."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.transforms.functional import gaussian_blur

from mri_robust.attacks.evasion.norms import ascent_direction
from mri_robust.core.eval_mode import eval_mode
from mri_robust.core.validation import check_choice, check_count, check_images, check_labels, check_number, class_count


@dataclass(frozen=True)
class Inversion:
    """x_{t+1} = clip(x_t - step * G(grad L(f(x_t), y)), 0, 1), for all classes y in one batch.

    L is the cross entropy of the logits f, 1 - softmax(f)_y (MIFace, Fredrikson et al. 2015, algorithm 1), or -f_y.
    G smooths the gradient with a Gaussian, which keeps its visible part, as Yosinski et al. 2015 (arXiv 1506.06579)
    blur the image, and scales it to a root mean square of 1, so that a class of high confidence moves too, until its
    loss is 0 in float32. With `probability`, no smoothing and no scaling this is ART's MIFace without stopping rules.

    `step` is the root mean square change of a pixel per step, in (0, 1], or if not `scaled` any positive factor.
    `smoothing` is the standard deviation of the Gaussian in pixels, 0 for none.
    """

    steps: int
    _: KW_ONLY
    step: float
    loss: Literal["cross-entropy", "probability", "logit"] = "cross-entropy"
    smoothing: float = 0.0
    scaled: bool = True

    def __post_init__(self) -> None:
        check_count("steps", self.steps)
        check_number("step", self.step, 0.0, 1.0 if self.scaled else math.inf, open_low=True)
        check_choice("loss", self.loss, ("cross-entropy", "probability", "logit"))
        check_number("smoothing", self.smoothing, 0.0)

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """An image of each of the classes `labels`, float32 [N, C, H, W] in [0, 1].

        Each begins at one of the `images`: grey, noise, an average image. TypeError or ValueError where images or
        labels are not as said, or the smoothing is too wide for the images.
        """
        check_images(images)
        if math.ceil(3 * self.smoothing) >= min(images.shape[-2:]):
            raise ValueError(f"smoothing must be under a third of the images' side, got {self.smoothing:g}")
        reached = images.detach()
        with eval_mode(model):
            check_labels(labels, images, class_count(model, images))
            for _ in range(self.steps):
                reached = (reached - self.step * self._direction(model, reached, labels)).clamp(0.0, 1.0)
        return reached

    def _direction(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        images = images.clone().requires_grad_(True)
        with torch.enable_grad():
            # The sum, not the mean: an image's step does not depend on the size of the batch.
            (gradient,) = torch.autograd.grad(self._losses(model(images).float(), labels).sum(), images)
        if self.smoothing:
            gradient = gaussian_blur(gradient, [2 * math.ceil(3 * self.smoothing) + 1] * 2, [self.smoothing] * 2)
        return ascent_direction(gradient, "l2") * math.sqrt(gradient[0].numel()) if self.scaled else gradient

    def _losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """[N], the loss to minimise for each image."""
        if self.loss == "cross-entropy":
            return functional.cross_entropy(logits, labels, reduction="none")
        outputs = 1 - logits.softmax(1) if self.loss == "probability" else -logits
        return outputs.gather(1, labels[:, None])[:, 0]
