"""Projected gradient descent (Madry et al. 2018, arXiv 1706.06083; the study's equation 2)."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from mri_robust.attacks.geometry import Norm, ascent_direction, project, random_perturbation
from mri_robust.attacks.gradient import loss_gradient
from mri_robust.attacks.parameters import check_ball, check_bounds
from mri_robust.attacks.worst_case import WorstCase, worst_of_runs
from mri_robust.core.borrowing import eval_mode
from mri_robust.core.contract import check_choice, check_count, check_images, check_labels, check_number, class_count

Clip = Literal["after", "before", "end"]


@dataclass(frozen=True)
class PGD:
    """x_0 = clip(x + u), u random in the eps-ball; x_{t+1} = clip(x + project(x_t + alpha * step(grad) - x)).

    `step` is the sign for L-inf and grad / ||grad||_2 for L2.

    Attributes:
        eps: radius of the ball in pixels, [0, 1] for L-inf.
        alpha: size of a step in pixels, positive.
        steps: number of steps, at least 1.
        norm: `linf` or `l2`.
        restarts: runs from different random starts; the worst one counts for each image.
        random_start: start at a uniformly drawn point of the ball, else at the image.
        targeted: labels are what the model shall say.
        keep: `last` returns a run's last iterate, `best` the one with the greatest loss that fools, or the greatest
            loss where none does.
        clip: where pixels are clipped to `bounds`: `after` each projection (torchattacks), `before` it (ART), or
            only at the `end` (the study's notebooks).
        bounds: least and greatest pixel of the result.

    Raises:
        TypeError, ValueError: a parameter of the wrong type or out of range.
    """

    eps: float
    _: KW_ONLY
    alpha: float
    steps: int
    norm: Norm = "linf"
    restarts: int = 1
    random_start: bool = True
    targeted: bool = False
    keep: Literal["last", "best"] = "last"
    clip: Clip = "after"
    bounds: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        check_ball(self.eps, self.norm)
        check_number("alpha", self.alpha, 0.0, open_low=True)
        check_count("steps", self.steps)
        check_count("restarts", self.restarts)
        check_choice("keep", self.keep, ("last", "best"))
        check_choice("clip", self.clip, ("after", "before", "end"))
        check_bounds(self.bounds)
        if self.restarts > 1 and not self.random_start:
            raise ValueError(f"restarts={self.restarts} from the same start would repeat one run: set random_start")

    def __call__(
        self,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        *,
        start: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Adversarial images, float32 [N, C, H, W] in `bounds` and the eps-ball; the model is left as it was.

        Args:
            model: takes pixels in [0, 1], gives logits.
            images: float32 [N, C, H, W] in [0, 1].
            labels: int64 [N], true labels, or targets when `targeted`.
            start: where the runs begin, [N, C, H, W] for one, [restarts, N, C, H, W] for several; drawn when None.
            generator: what the starts are drawn from; a fresh one seeded with 0 when None.

        Raises:
            TypeError, ValueError: images, labels or start are not as said.
        """
        check_images(images)
        images = images.detach()
        if start is None:
            start = self.draw_start(images, generator or torch.Generator().manual_seed(0))
        if not isinstance(start, Tensor) or start.dtype != torch.float32:
            raise TypeError(
                f"start must be a float32 torch.Tensor, got {getattr(start, 'dtype', type(start).__name__)}"
            )
        starts = start.unsqueeze(0) if start.ndim == 4 else start
        if starts.shape != (self.restarts, *images.shape):
            wanted = [self.restarts, *images.shape]
            raise ValueError(f"start must have shape {wanted[1:]} or {wanted}, got {list(start.shape)}")
        with eval_mode(model):
            check_labels(labels, images, class_count(model, images))
            return self.craft(model, images, labels, starts)

    def draw_start(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Starts [restarts, N, C, H, W] on the images' device: random points of the ball, or the images themselves."""
        if not self.random_start:
            return images.unsqueeze(0)
        runs = [random_perturbation(images.shape, self.eps, self.norm, generator) for _ in range(self.restarts)]
        starts = images + torch.stack(runs).to(images.device)
        return starts if self.clip == "end" else starts.clamp(*self.bounds)

    def craft(self, model: nn.Module, images: Tensor, labels: Tensor, starts: Tensor | None) -> Tensor:
        """All runs from `starts` [restarts, N, C, H, W], unchecked and in whatever mode the model is in.

        Without starts one run begins at the images.
        """
        starts = images.unsqueeze(0) if starts is None else starts
        if len(starts) == 1:
            return self._run(model, images, labels, starts[0])

        def run(some: Tensor, their_labels: Tensor, start: Tensor) -> Tensor:
            return self._run(model, some, their_labels, start)

        return worst_of_runs(run, model, images, labels, starts=starts, targeted=self.targeted)

    def _run(self, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor) -> Tensor:
        worst = WorstCase(images, labels, self.targeted) if self.keep == "best" else None
        everyone = torch.arange(len(images), device=images.device)
        iterate = start
        for _ in range(self.steps):
            gradient, _ = loss_gradient(model, iterate, labels)
            iterate = self._advance(images, iterate, ascent_direction(gradient, self.norm))
            if worst is not None:
                candidate = iterate.clamp(*self.bounds)
                with torch.no_grad():
                    worst.update(everyone, candidate, model(candidate))
        if worst is not None:
            return worst.images
        return iterate.clamp(*self.bounds) if self.clip == "end" else iterate

    def _advance(self, images: Tensor, iterate: Tensor, direction: Tensor) -> Tensor:
        iterate = iterate + (-self.alpha if self.targeted else self.alpha) * direction
        if self.clip == "before":
            iterate = iterate.clamp(*self.bounds)
        iterate = images + project(iterate - images, self.eps, self.norm)
        return iterate.clamp(*self.bounds) if self.clip == "after" else iterate


ATTACK = PGD
