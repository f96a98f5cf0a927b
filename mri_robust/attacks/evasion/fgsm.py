"""Fast gradient sign method (Goodfellow et al. 2015, arXiv 1412.6572; the study's equation 1)."""

from dataclasses import KW_ONLY, dataclass
from functools import partial

from torch import Tensor, nn

from mri_robust.attacks.evasion.attack import Attack, Gradient, loss_gradient
from mri_robust.attacks.evasion.norms import Norm, ascent_direction, check_ball, check_bounds


@dataclass(frozen=True)
class FGSM(Attack):
    """x_adv = clip(x + eps * sign(grad_x J(x, y))); with `norm="l2"`, eps * grad / ||grad||_2.

    `eps` is the size of the step, in [0, 1] for L-inf. When `targeted`, labels are what the model shall say, and the
    step goes down the loss. `bounds` are the least and the greatest pixel of the result.
    """

    eps: float
    _: KW_ONLY
    norm: Norm = "linf"
    targeted: bool = False
    bounds: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        check_ball(self.eps, self.norm)
        check_bounds(self.bounds)

    def craft(
        self, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None, gradient: Gradient | None = None
    ) -> Tensor:
        """See `Attack.craft`."""
        slope, _ = (gradient or partial(loss_gradient, model))(images, labels)
        direction = ascent_direction(-slope if self.targeted else slope, self.norm)
        return (images + self.eps * direction).clamp(*self.bounds)


ATTACK = FGSM
