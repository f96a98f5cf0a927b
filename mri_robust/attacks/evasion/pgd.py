"""Projected gradient descent (Madry et al. 2018, arXiv 1706.06083; the study's equation 2)."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from mri_robust.attacks.evasion import norms
from mri_robust.attacks.evasion.attack import Attack, Gradient, fooled, loss_gradient
from mri_robust.attacks.evasion.norms import Norm
from mri_robust.core.validation import check_choice, check_count, check_number


@dataclass(frozen=True)
class PGD(Attack):
    """x_0 = clip(x + u), u random in the eps-ball; x_{t+1} = clip(x + project(x_t + alpha * step(grad) - x)).

    `step` is the sign for L-inf and grad / ||grad||_2 for L2.

    Attributes:
        eps: radius of the ball, [0, 1] for L-inf.
        alpha: size of a step, positive; a quarter of `eps` when None.
        restarts: runs from different random starts; of each image the run that fools it, or else has the greatest loss.
        random_start: start at a uniformly drawn point of the ball, else at the image.
        targeted: labels are what the model shall say.
        clip: when pixels are clipped to `bounds`: `after` each projection (torchattacks), `before` it (ART), or only
            at the `end` (the study's notebooks).
        bounds: least and greatest pixel of the result.
    """

    eps: float
    _: KW_ONLY
    alpha: float | None = None
    steps: int = 40
    norm: Norm = "linf"
    restarts: int = 1
    random_start: bool = True
    targeted: bool = False
    clip: Literal["after", "before", "end"] = "after"
    bounds: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        norms.check_ball(self.eps, self.norm)
        if self.alpha is not None:
            check_number("alpha", self.alpha, 0.0, open_low=True)
        check_count("steps", self.steps)
        check_count("restarts", self.restarts)
        check_choice("clip", self.clip, ("after", "before", "end"))
        norms.check_bounds(self.bounds)
        if self.restarts > 1 and not self.random_start:
            raise ValueError(f"restarts={self.restarts} from the same start would repeat one run: set random_start")

    @property
    def step_size(self) -> float:
        """`alpha`, or a quarter of `eps`."""
        return self.eps / 4 if self.alpha is None else self.alpha

    def start_shape(self, images: Tensor) -> tuple[int, ...]:
        """[restarts, N, C, H, W]."""
        return (self.restarts, *images.shape)

    def draw_start(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Random points of the ball [restarts, N, C, H, W], or the images themselves [1, N, C, H, W]."""
        if not self.random_start:
            return images.unsqueeze(0)
        runs = [norms.random_perturbation(images.shape, self.eps, self.norm, generator) for _ in range(self.restarts)]
        starts = images + torch.stack(runs).to(images.device)
        return starts if self.clip == "end" else starts.clamp(*self.bounds)

    def craft(
        self, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None, gradient: Gradient | None = None
    ) -> Tensor:
        """See `Attack.craft`; without a start one run begins at the images."""
        follow = gradient or partial(loss_gradient, model)
        starts = images[None] if start is None else start
        if len(starts) == 1:
            return self._run(follow, images, labels, starts[0])
        worst, most = images, torch.full((len(images),), -torch.inf, device=images.device, dtype=torch.float32)
        for each in starts:
            crafted = self._run(follow, images, labels, each)
            harm = self._harm(model, crafted, labels)
            worst = torch.where((harm > most)[:, None, None, None], crafted, worst)
            most = torch.maximum(harm, most)
        return worst

    def _run(self, gradient: Gradient, images: Tensor, labels: Tensor, iterate: Tensor) -> Tensor:
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
        return iterate + (-alpha if self.targeted else alpha) * norms.ascent_direction(slope, self.norm)

    def projected(self, images: Tensor, iterate: Tensor, eps: float | Tensor) -> Tensor:
        """Back into the ball around the images and, unless `clip="end"`, into the pixel range."""
        if self.clip == "before":
            iterate = iterate.clamp(*self.bounds)
        iterate = images + norms.project(iterate - images, eps, self.norm)
        return iterate.clamp(*self.bounds) if self.clip == "after" else iterate

    def shared_steps(self, smaller: PGD) -> int:
        """How many of its first steps are those of `smaller`, the same attack with a smaller epsilon.

        L-inf runs of one step size from the image part when they meet the smaller ball.
        """
        apart = self.random_start or smaller.random_start or self.norm != "linf" or self.clip != "after"
        if apart or self.step_size != smaller.step_size:
            return 0
        return min(self.steps, int(smaller.eps / self.step_size * (1 + 1e-6)))


ATTACK = PGD
