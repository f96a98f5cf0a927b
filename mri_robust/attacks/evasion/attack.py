"""What the native evasion attacks share: the gradient that they follow, and one checked call around `craft`."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mri_robust.attacks.evasion.norms import Norm
from mri_robust.core.errors import UserError
from mri_robust.core.eval_mode import eval_mode
from mri_robust.core.validation import check_device, check_finite, check_images, check_labels, class_count

Loss = Callable[[Tensor, Tensor], Tensor]
"""(logits [N, K], labels [N]) -> the loss of each image, [N]."""
Gradient = Callable[..., tuple[Tensor, Tensor]]
"""(images [N, C, H, W], labels [N], and a loss other than the mean cross entropy) -> gradient of the loss with respect
to the images, and logits [N, K]. An attack that asks about some images of its batch says which by `rows=`."""


class Attack(ABC):
    """A native attack: a frozen dataclass of its parameters, called as (model, images, labels).

    A subclass writes `craft`, and `start_shape` and `draw_start` where it draws random numbers. One whose every iterate
    is an adversarial image also says `early_stop` and has `steps`, `restarts`, `step_size`, `stepped`, `projected` and
    `shared_steps`, as `PGD` has them: the epsilon sweep then steps images at different epsilons side by side.
    """

    eps: float
    norm: Norm
    targeted: bool

    def __call__(
        self,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        *,
        start: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Adversarial images, float32 [N, C, H, W] in the eps-ball and the pixel range; the model is left as it was.

        `images` are float32 [N, C, H, W] in [0, 1], `labels` int64 [N]: the true ones, or targets when `targeted`.
        `start` is where the attack begins, of `start_shape`, whose first axis may be left out where it is 1; when None
        it is drawn from `generator`, on the CPU, or with seed 0. TypeError or ValueError where they are not as said,
        UserError where logits are not finite.
        """
        with eval_mode(model):
            check_device(model, images, labels)
            check_images(images)
            images = images.detach().clamp(0, 1)
            if start is None:
                start = self.draw_start(images, generator or torch.Generator().manual_seed(0))
            else:
                start = self._checked_start(start, images)
            check_labels(labels, images, class_count(model, images))
            return self.craft(model, images, labels.clone(), start)

    def start_shape(self, images: Tensor) -> tuple[int, ...] | None:
        """Shape of a start, [runs, N, ...] for images [N, C, H, W]; None for an attack that begins at the images."""
        return None

    def draw_start(self, images: Tensor, generator: torch.Generator) -> Tensor | None:
        """A start, float32 of `start_shape` on the images' device, drawn from a generator on the CPU."""
        return None

    def unmoved(self, images: Tensor) -> Tensor:
        """What a start holds where it moves no pixel, broadcast over it: the images, as most begin at an image."""
        return images

    @abstractmethod
    def craft(
        self, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None, gradient: Gradient | None = None
    ) -> Tensor:
        """The attack from a start of `draw_start`, without checks, in whatever mode the model is in.

        It follows `gradient`, or when None that of the model's cross entropy.
        """

    @property
    def early_stop(self) -> bool:
        """Whether every iterate is an adversarial image, so that an attack may stop as soon as one fools."""
        return False

    def _checked_start(self, start: Tensor, images: Tensor) -> Tensor:
        shape = self.start_shape(images)
        if shape is None:
            raise ValueError(f"{type(self).__name__} begins at the image itself and takes no start")
        if not isinstance(start, Tensor) or start.dtype != torch.float32:
            given = getattr(start, "dtype", type(start).__name__)
            raise TypeError(f"start must be a float32 torch.Tensor, got {given}")
        whole = start[None] if shape[0] == 1 and start.ndim < len(shape) else start
        if whole.shape != shape:
            raise ValueError(f"start must have shape {list(shape)}, got {list(start.shape)}")
        return whole


def loss_gradient(
    model: nn.Module, images: Tensor, labels: Tensor, loss: Loss | None = None, *, rows: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """`input_gradient`, with 0 where it is not finite; `rows` decide nothing, see `Gradient`."""
    gradient, logits = input_gradient(model, images, labels, loss)
    return gradient.nan_to_num(0, 0, 0), logits


def inside(gradient: Gradient, region: Tensor | None) -> Gradient:
    """The gradient, with 0 outside of a region, bool [N, 1, H, W], so that no step leaves it; as it is for None."""
    if region is None:
        return gradient

    def within(images: Tensor, labels: Tensor, *loss: Loss, rows: Tensor | None = None) -> tuple[Tensor, Tensor]:
        slope, logits = gradient(images, labels, *loss)
        return slope * (region if rows is None else region[rows]), logits

    return within


def input_gradient(model: nn.Module, images: Tensor, labels: Tensor, loss: Loss | None = None) -> tuple[Tensor, Tensor]:
    """Gradient [N, C, H, W] of the loss with respect to the images, and logits [N, K], both detached.

    The loss is the cross entropy averaged over the batch, what the study, ART and torchattacks take, with the same
    rounding; or the sum of another `loss`. UserError where a logit is not finite.
    """
    images = images.detach().clone().requires_grad_(True)
    with torch.enable_grad():
        logits = model(images)
        scores = logits.float()  # float32 also under autocast
        total = functional.cross_entropy(scores, labels) if loss is None else loss(scores, labels).sum()
        (gradient,) = torch.autograd.grad(total, images)
    check_finite(logits)
    return gradient, logits.detach()


def logits_of(model: nn.Module, images: Tensor) -> Tensor:
    """[N, K]; UserError where one is not finite, as NaN counts as greatest."""
    with torch.no_grad():
        logits: Tensor = model(images)
    check_finite(logits)
    return logits


def predict(model: nn.Module, images: Tensor) -> Tensor:
    """int64 [N]: the class of the greatest logit; UserError where one is not finite."""
    return logits_of(model, images).argmax(1)


def fooled(logits: Tensor, labels: Tensor, targeted: bool) -> Tensor:
    """bool [N]: the prediction is what the attack wants, the target label, or any label but the true one."""
    return (logits.argmax(1) == labels) == targeted


def margin(logits: Tensor, labels: Tensor, target: Tensor | None = None) -> Tensor:
    """[N]: the target's logit, or the greatest wrong one, less the label's."""
    own = logits.gather(1, labels[:, None])
    if target is None:
        return (logits.scatter(1, labels[:, None], -torch.inf).max(1, keepdim=True).values - own)[:, 0]
    return (logits.gather(1, target[:, None]) - own)[:, 0]


def checked(attack: Any, crafted: Tensor, images: Tensor) -> Tensor:
    """What another package's attack gave; UserError unless it is images in [0, 1] and in the ball that it states."""
    try:
        check_images(crafted)
        crafted = crafted.detach()
        change = (crafted - images).flatten(1)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{attack} gives no adversarial images: {error}") from error
    if crafted.shape != images.shape:
        raise UserError(f"{attack} gives images {list(crafted.shape)} for images {list(images.shape)}")
    order = 2 if str(getattr(attack, "norm", "linf")).lower() in ("l2", "2") else torch.inf
    size = float(torch.linalg.vector_norm(change, order, dim=1).max())
    if size > getattr(attack, "eps", torch.inf) * (1 + 1e-6) + 1e-6:  # float32 sums may leave the ball by as much
        raise UserError(f"{attack} changed an image by {size:.4g}, more than its epsilon")
    return crafted
