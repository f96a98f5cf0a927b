"""Projected gradient descent (Madry et al. 2018, arXiv 1706.06083; the study's equation 2)."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from mri_robust.attacks.evasion.attack import Attack, Gradient, fooled, loss_gradient
from mri_robust.attacks.evasion.norms import (
    Norm,
    ascent_direction,
    check_ball,
    check_bounds,
    project,
    random_perturbation,
)
from mri_robust.core.validation import check_choice, check_count, check_number

Clip = Literal["after", "before", "end"]
ALPHA_SHARE = 0.25
"""The step as a share of epsilon where none is given."""


@dataclass(frozen=True)
class PGD(Attack):
    """x_0 = clip(x + u), u random in the eps-ball; x_{t+1} = clip(x + project(x_t + alpha * step(grad) - x)).

    `step` is the sign for L-inf and grad / ||grad||_2 for L2.

    Attributes:
        eps: radius of the ball in pixels, [0, 1] for L-inf.
        alpha: size of a step in pixels, positive; a quarter of `eps` when None.
        steps: number of steps, at least 1.
        norm: `linf` or `l2`.
        restarts: runs from different random starts; of each image the run that fools it, or else has the greatest loss.
        random_start: start at a uniformly drawn point of the ball, else at the image.
        targeted: labels are what the model shall say.
        clip: where pixels are clipped to `bounds`: `after` each projection (torchattacks), `before` it (ART), or
            only at the `end` (the study's notebooks).
        bounds: least and greatest pixel of the result.

    Raises:
        TypeError, ValueError: a parameter of the wrong type or out of range.
    """

    eps: float
    _: KW_ONLY
    alpha: float | None = None
    steps: int = 40
    norm: Norm = "linf"
    restarts: int = 1
    random_start: bool = True
    targeted: bool = False
    clip: Clip = "after"
    bounds: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        check_ball(self.eps, self.norm)
        if self.alpha is not None:
            check_number("alpha", self.alpha, 0.0, open_low=True)
        check_count("steps", self.steps)
        check_count("restarts", self.restarts)
        check_choice("clip", self.clip, ("after", "before", "end"))
        check_bounds(self.bounds)
        if self.restarts > 1 and not self.random_start:
            raise ValueError(f"restarts={self.restarts} from the same start would repeat one run: set random_start")

    @property
    def step_size(self) -> float:
        """`alpha`, or its default."""
        return self.eps * ALPHA_SHARE if self.alpha is None else self.alpha

    def draw_start(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Starts [restarts, N, C, H, W] on the images' device: random points of the ball, or the images themselves."""
        if not self.random_start:
            return images.unsqueeze(0)
        runs = [random_perturbation(images.shape, self.eps, self.norm, generator) for _ in range(self.restarts)]
        starts = images + torch.stack(runs).to(images.device)
        return starts if self.clip == "end" else starts.clamp(*self.bounds)

    def check_start(self, start: Tensor, images: Tensor) -> None:
        """Check a start: float32, [N, C, H, W] for one run, [restarts, N, C, H, W] for several.

        Raises:
            TypeError, ValueError: it is not.
        """
        if not isinstance(start, Tensor) or start.dtype != torch.float32:
            found = getattr(start, "dtype", type(start).__name__)
            raise TypeError(f"start must be a float32 torch.Tensor, got {found}")
        wanted = [self.restarts, *images.shape]
        if list(start.shape) not in (wanted, wanted[1:] if self.restarts == 1 else wanted):
            raise ValueError(f"start must have shape {wanted[1:]} or {wanted}, got {list(start.shape)}")

    def craft(
        self, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None, gradient: Gradient | None = None
    ) -> Tensor:
        """See `Attack.craft`; without a start one run begins at the images."""
        follow = gradient or partial(loss_gradient, model)
        start = images if start is None else start
        if start.ndim == 4 or len(start) == 1:
            return self._run(follow, images, labels, start if start.ndim == 4 else start[0])
        worst, most = images, torch.full((len(images),), -torch.inf, device=images.device)
        for each in start:
            crafted = self._run(follow, images, labels, each)
            harm = self._harm(model, crafted, labels)
            worst = torch.where((harm > most)[:, None, None, None], crafted, worst)
            most = torch.maximum(harm, most)
        return worst

    def _run(self, gradient: Gradient, images: Tensor, labels: Tensor, start: Tensor) -> Tensor:
        iterate = start
        for _ in range(self.steps):
            slope, _ = gradient(iterate, labels)
            iterate = self.projected(images, self.stepped(iterate, slope, self.step_size), self.eps)
        return iterate.clamp(*self.bounds) if self.clip == "end" else iterate

    def _harm(self, model: nn.Module, crafted: Tensor, labels: Tensor) -> Tensor:
        """[N]: the loss, infinite where the attack has what it wants."""
        with torch.no_grad():
            logits = model(crafted)
        loss = functional.cross_entropy(logits, labels, reduction="none")
        return torch.where(fooled(logits, labels, self.targeted), torch.inf, -loss if self.targeted else loss)

    @property
    def early_stop(self) -> bool:
        """Whether every iterate is an image in the ball and the pixel range."""
        return self.clip != "end"

    def stepped(self, iterate: Tensor, slope: Tensor, alpha: float | Tensor) -> Tensor:
        """One step along the gradient `slope`, not yet projected; `alpha` may be [N, 1, 1, 1], one per image."""
        return iterate + (-alpha if self.targeted else alpha) * ascent_direction(slope, self.norm)

    def projected(self, images: Tensor, iterate: Tensor, eps: float | Tensor) -> Tensor:
        """Back into the ball round the images and, but for `clip="end"`, into the pixel range."""
        if self.clip == "before":
            iterate = iterate.clamp(*self.bounds)
        iterate = images + project(iterate - images, eps, self.norm)
        return iterate.clamp(*self.bounds) if self.clip == "after" else iterate

    def shared_steps(self, smaller: PGD) -> int:
        """How many of its first steps are those of `smaller`, the same attack with a smaller epsilon.

        L-inf runs of one step size from the image part when the smaller ball is met.
        """
        apart = self.random_start or smaller.random_start or self.norm != "linf" or self.clip != "after"
        if apart or self.step_size != smaller.step_size:
            return 0
        return min(self.steps, int(smaller.eps / self.step_size * (1 + 1e-6)))


ATTACK = PGD
