"""Auto-PGD, which chooses its own step sizes (Croce and Hein 2020, arXiv 2003.01690, algorithm 1)."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from mri_robust.attacks.evasion import norms
from mri_robust.attacks.evasion.attack import Attack, Gradient, Loss, loss_gradient, margin
from mri_robust.attacks.evasion.norms import Norm, per_image
from mri_robust.core.validation import check_choice, check_count, check_number

LEAST_CLASSES = {("ce", False): 2, ("margin", False): 2, ("dlr", False): 3, ("margin", True): 2, ("dlr", True): 4}
"""(loss, whether it has targets) -> fewest classes for which it is defined."""


@dataclass(frozen=True)
class APGD(Attack):
    """PGD with momentum, whose step, 2 eps at first, is halved when the loss stops rising.

    x_{t+1} = P(x_t + (1 - m) (z - x_t) + m (x_t - x_{t-1})), z = P(x_t + step * direction(grad)), P projects into the
    ball and [0, 1]. The step is looked at after 22 % of the steps, and then at intervals shorter by 3 %, down to 6 %:
    it is halved where the loss rose in no more than `rho` of the steps since, or where it was not halved the time
    before and the best loss has not risen since. An image that is misclassified clean is returned as it is, one that
    no iterate fools as it was where the loss of the first run was greatest. The same bits as torchattacks' APGD and
    APGDT from the same random numbers, but for APGDT's L2, which takes the first image's step size for all.

    Attributes:
        eps: radius of the ball, [0, 1] for L-inf.
        steps: gradients of a run, after the one at its start.
        loss: cross entropy `ce`; the difference of logits `margin`; or `dlr`, that difference over the one of the
            greatest and third greatest logits (with targets: of the greatest and the mean of the third and fourth).
        targets: how many wrong classes are aimed at, one run each, the likeliest first; 0 for any wrong class.
        restarts: runs from different random starts, each on what is left; with targets for each of them.
        rho, momentum: see above; m is 0 in the first step.
    """

    eps: float
    _: KW_ONLY
    steps: int = 100
    norm: Norm = "linf"
    loss: Literal["ce", "dlr", "margin"] = "ce"
    targets: int = 0
    restarts: int = 1
    rho: float = 0.75
    momentum: float = 0.25
    targeted: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        norms.check_ball(self.eps, self.norm)
        check_choice("loss", self.loss, ("dlr", "margin") if self.targets else ("ce", "dlr", "margin"))
        check_count("targets", self.targets, 0)
        for name in ("steps", "restarts"):
            check_count(name, getattr(self, name))
        check_number("rho", self.rho, 0.0, 1.0)
        check_number("momentum", self.momentum, 0.0, 1.0)

    def start_shape(self, images: Tensor) -> tuple[int, ...]:
        """[runs, N, C, H, W], runs being `restarts` for each target."""
        return (self.restarts * max(1, self.targets), *images.shape)

    def draw_start(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Numbers of `start_shape` that say where in the ball each run begins: uniform in [0, 1), for L2 normal."""
        draw = torch.rand if self.norm == "linf" else torch.randn
        return draw(self.start_shape(images), generator=generator, dtype=torch.float32).to(images.device)

    def unmoved(self, images: Tensor) -> Tensor:
        """The middle of the numbers that are drawn."""
        return images.new_tensor(0.5 if self.norm == "linf" else 0.0)

    def craft(
        self, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None, gradient: Gradient | None = None
    ) -> Tensor:
        """See `Attack.craft`; ValueError where there are too few classes for the loss or the targets."""
        assert start is not None, "its draw_start gives one"
        follow, crafted = gradient or partial(loss_gradient, model), images.clone()
        with torch.no_grad():
            logits = model(images)
        self._check_classes(logits.shape[1])
        ranked, standing = logits.sort(dim=1).indices, logits.argmax(1) == labels
        for number, drawn in enumerate(start):
            rows = torch.nonzero(standing).flatten()
            if not len(rows):
                break
            target = self.target(ranked[rows], number // self.restarts) if self.targets else None
            loss = partial(LOSSES[self.loss], target=target)
            part = images[rows], labels[rows]
            found, hit = self._run(partial(follow, rows=rows), *part, loss, self.begun(part[0], drawn[rows]))
            kept = hit if number else torch.ones_like(hit)
            crafted[rows[kept]], standing[rows[hit]] = found[kept], False
        return crafted

    def target(self, ranked: Tensor, number: int) -> Tensor:
        """The class to aim at, int64 [N], of classes ranked by their logits, [N, K], the label's first from behind."""
        return ranked[:, -2 - number]

    def _check_classes(self, classes: int) -> None:
        least = LEAST_CLASSES[self.loss, self.targets > 0]
        if classes < least:
            raise ValueError(f"loss '{self.loss}' needs {least} classes or more, the model has {classes}: take margin")
        if self.targets >= classes:
            raise ValueError(f"targets={self.targets}, and a model of {classes} classes has {classes - 1} wrong ones")

    def begun(self, images: Tensor, drawn: Tensor) -> Tensor:
        """On the surface of the ball around images [N, C, H, W], in the direction that was drawn, clipped to [0, 1]."""
        along = 2 * drawn - 1 if self.norm == "linf" else drawn
        length = along.abs().flatten(1).amax(1).view(-1, 1, 1, 1) if self.norm == "linf" else _length(along) + TINY
        return (images + self.eps * along / length).clamp(0, 1)

    def _run(
        self, gradient: Gradient, images: Tensor, labels: Tensor, loss: Loss, iterate: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The last iterate that fools, else that of greatest loss, [N, C, H, W], and whether one fools, bool [N]."""
        slope, logits = gradient(iterate, labels, loss)
        most = loss(logits, labels)
        hit, found = logits.argmax(1) != labels, iterate.clone()
        best, best_slope, before = iterate.clone(), slope.clone(), iterate.clone()
        size = torch.full_like(images[:, :1, :1, :1], 2 * self.eps)
        interval, least, shorter = (max(int(share * self.steps), 1) for share in (0.22, 0.06, 0.03))
        losses, checked = torch.zeros_like(most).repeat(self.steps, 1), 0
        most_then, halved = most.clone(), torch.ones_like(hit)
        for step in range(self.steps):
            iterate, before = self._stepped(images, iterate, before, slope, size, first=step == 0), iterate
            slope, logits = gradient(iterate, labels, loss)
            fooled = logits.argmax(1) != labels
            hit, found = hit | fooled, torch.where(per_image(fooled), iterate, found)
            losses[step] = loss(logits, labels)
            better = losses[step] > most
            best, best_slope = (
                torch.where(per_image(better), *pair) for pair in ((iterate, best), (slope, best_slope))
            )
            most = torch.where(better, losses[step], most)
            if step + 1 - checked == interval:
                # Place -1 is what comes before the first step: 0, as in the authors' code.
                rises = losses[step + 1 - interval : step + 1] > losses[torch.arange(step - interval, step)]
                halved = (rises.sum(0) <= interval * self.rho) | (~halved & (most_then >= most))
                most_then = most.clone()
                size = torch.where(per_image(halved), size / 2, size)
                iterate, slope = (
                    torch.where(per_image(halved), *pair) for pair in ((best, iterate), (best_slope, slope))
                )
                checked, interval = step + 1, max(interval - shorter, least)
        return torch.where(per_image(hit), found, best), hit

    def _stepped(
        self, images: Tensor, iterate: Tensor, before: Tensor, slope: Tensor, size: Tensor, *, first: bool
    ) -> Tensor:
        if self.norm == "linf":
            ahead = self._projected(images, iterate + size * slope.sign())
        else:
            ahead = self._projected(images, iterate + size * slope / (_length(slope) + TINY))
        kept = 0.0 if first else self.momentum
        return self._projected(images, iterate + (ahead - iterate) * (1 - kept) + (iterate - before) * kept)

    def _projected(self, images: Tensor, iterate: Tensor) -> Tensor:
        if self.norm == "linf":
            return iterate.clamp(images - self.eps, images + self.eps).clamp(0, 1)
        length = _length(iterate - images)
        return (images + (iterate - images) / (length + TINY) * length.clamp(max=self.eps)).clamp(0, 1)


TINY = 1e-12
"""Added to what is divided by, as the authors do."""


def cross_entropy(logits: Tensor, labels: Tensor, target: Tensor | None = None) -> Tensor:
    """[N]."""
    return functional.cross_entropy(logits, labels, reduction="none")


def difference_of_logits_ratio(logits: Tensor, labels: Tensor, target: Tensor | None = None) -> Tensor:
    """[N]: the margin over a difference of logits, so that scaling the logits changes nothing."""
    ordered = logits.sort(dim=1).values
    if target is None:
        scale = ordered[:, -1] - ordered[:, -3]
    else:
        scale = ordered[:, -1] - 0.5 * ordered[:, -3] - 0.5 * ordered[:, -4]
    return margin(logits, labels, target) / (scale + TINY)


def _length(values: Tensor) -> Tensor:
    return (values**2).sum(dim=(1, 2, 3), keepdim=True).sqrt()


LOSSES = {"ce": cross_entropy, "dlr": difference_of_logits_ratio, "margin": margin}
ATTACK = APGD
