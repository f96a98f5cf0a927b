"""Fast gradient sign method (Goodfellow et al. 2015, arXiv 1412.6572; the study's equation 1)."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

import torch
from torch import Tensor, nn

from mri_robust.attacks.geometry import Norm, ascent_direction
from mri_robust.attacks.gradient import loss_gradient
from mri_robust.attacks.parameters import check_ball, check_bounds
from mri_robust.core.borrowing import eval_mode
from mri_robust.core.contract import check_images, check_labels, class_count


@dataclass(frozen=True)
class FGSM:
    """x_adv = clip(x + eps * sign(grad_x J(x, y))); with `norm="l2"`, eps * grad / ||grad||_2.

    Attributes:
        eps: size of the step in pixels, [0, 1] for L-inf.
        norm: `linf` or `l2`.
        targeted: labels are what the model shall say; the step goes down the loss.
        bounds: least and greatest pixel of the result.

    Raises:
        TypeError, ValueError: a parameter of the wrong type or out of range.
    """

    eps: float
    _: KW_ONLY
    norm: Norm = "linf"
    targeted: bool = False
    bounds: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        check_ball(self.eps, self.norm)
        check_bounds(self.bounds)

    def __call__(
        self,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        *,
        start: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Adversarial images, float32 [N, C, H, W] in `bounds`; the model is left as it was.

        Args:
            model: takes pixels in [0, 1], gives logits.
            images: float32 [N, C, H, W] in [0, 1].
            labels: int64 [N], true labels, or targets when `targeted`.
            start: must be None; a gradient step from elsewhere is `PGD(eps, alpha=eps, steps=1)`.
            generator: not used; FGSM has no chance in it.

        Raises:
            TypeError, ValueError: images or labels are not as said.
        """
        if start is not None:
            raise ValueError("FGSM steps from the image itself: use PGD(eps, alpha=eps, steps=1) for another start")
        check_images(images)
        with eval_mode(model):
            check_labels(labels, images, class_count(model, images))
            return self.craft(model, images.detach(), labels, None)

    def draw_start(self, images: Tensor, generator: torch.Generator) -> None:
        """Nothing: FGSM begins at the image."""

    def craft(self, model: nn.Module, images: Tensor, labels: Tensor, starts: Tensor | None) -> Tensor:
        """The attack without checks and in whatever mode the model is in."""
        return self.apply(images, self.direction(model, images, labels))

    def direction(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """The unit step [N, C, H, W] that raises the loss (lowers it when targeted); the same for every eps."""
        gradient, _ = loss_gradient(model, images, labels)
        return ascent_direction(-gradient if self.targeted else gradient, self.norm)

    def apply(self, images: Tensor, direction: Tensor) -> Tensor:
        """Step `eps` along `direction` and clip to `bounds`."""
        return (images + self.eps * direction).clamp(*self.bounds)


ATTACK = FGSM
