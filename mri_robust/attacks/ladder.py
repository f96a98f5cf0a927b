"""PGD up a ladder of epsilons: the smallest at which each image is fooled, with no gradient taken in vain."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from mri_robust.attacks.geometry import random_perturbation
from mri_robust.attacks.gradient import loss_gradient
from mri_robust.core.contract import check_count, check_number
from mri_robust.core.seeding import make_generator

Differentiate = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""(images, labels) -> gradient of the loss with respect to the images, and logits."""


@dataclass(frozen=True)
class Ladder:
    """L-inf PGD at rising epsilons; an image leaves when it is fooled, and another takes its place in the batch.

    The question is the worst case: an image counts as fooled at an epsilon when it is misclassified clean, or when an
    iterate of a run at that epsilon or a smaller one is. What is fooled in a small ball is fooled in a larger one, so
    each image climbs until it is fooled. A run that begins at the image repeats the one below it until that one meets
    its smaller ball: those steps are taken over, not computed again.

    Attributes:
        epsilons: radii in pixels, rising, each in (0, 1].
        alphas: step size at each epsilon, in pixels.
        steps: of a run.
        restarts: runs from different random starts; 0 for one run that begins at the image.
        batch: images at once; always as many, because a convolution is prepared anew for another size.

    Raises:
        TypeError, ValueError: a parameter of the wrong type or out of range.
    """

    epsilons: tuple[float, ...]
    alphas: tuple[float, ...]
    steps: int
    restarts: int = 0
    batch: int = 32

    def __post_init__(self) -> None:
        check_count("number of epsilons", len(self.epsilons))
        check_count("steps", self.steps)
        check_count("restarts", self.restarts, 0)
        check_count("batch", self.batch)
        if len(self.alphas) != len(self.epsilons):
            raise ValueError(f"need one alpha an epsilon, got {len(self.alphas)} for {len(self.epsilons)}")
        for eps, alpha in zip(self.epsilons, self.alphas, strict=True):
            check_number("epsilon", eps, 0.0, 1.0, open_low=True)
            check_number("alpha", alpha, 0.0, open_low=True)
        if list(self.epsilons) != sorted(set(self.epsilons)):
            raise ValueError(f"epsilons must rise, got {self.epsilons}")

    def shared_steps(self, rung: int) -> int:
        """How many first steps of the run at `rung` are those of the run below it; 0 where nothing is below."""
        if not 0 < rung < len(self.epsilons) or self.restarts or self.alphas[rung] != self.alphas[rung - 1]:
            return 0
        return min(self.steps, int(self.epsilons[rung - 1] / self.alphas[rung] * (1 + 1e-6)))

    def climb(
        self,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        *,
        differentiate: Differentiate | None = None,
        seed: int = 0,
        offset: int = 0,
        on_image: Callable[[int, int], None] | None = None,
    ) -> Tensor:
        """For each image the place of the smallest epsilon at which it is fooled, int64 [N] on the CPU.

        -1 for an image that is misclassified clean, `len(epsilons)` for one that withstands all.

        Args:
            model: in eval mode, gives logits; it decides what is fooled.
            images: float32 in [0, 1], [N, C, H, W], on the model's device.
            labels: int64 [N].
            differentiate: the gradient to follow, when it is not `model`'s own in full precision; whom its logits call
                fooled is asked of `model` again.
            seed: of the random starts, which depend on the image's place, the epsilon and the restart alone.
            offset: place of the first image, where these are a part of a larger set.
            on_image: called with images done and images in all.
        """
        return _Climb(self, model, images, labels, differentiate, (seed, offset), on_image).run()


@dataclass(frozen=True)
class _Climber:
    """An image that waits to go on: which one, where on the ladder, and from which point.

    `branch` is where the run above it leaves this one: one step after the last iterate that they share, not yet
    projected into either ball.
    """

    place: int
    rung: int = 0
    run: int = 0
    step: int = 0
    iterate: Tensor | None = None
    branch: Tensor | None = None


class _Climb:
    """The images in the batch and those that wait; see `Ladder.climb`."""

    def __init__(
        self,
        ladder: Ladder,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        differentiate: Differentiate | None,
        chance: tuple[int, int],
        on_image: Callable[[int, int], None] | None,
    ) -> None:
        self.ladder, self.model, self.images, self.labels = ladder, model, images, labels
        self.differentiate, self.chance, self.on_image = differentiate, chance, on_image
        self.verdicts = torch.full((len(labels),), len(ladder.epsilons), dtype=torch.int64)
        self.done = 0
        self.fresh = deque(range(len(labels)))
        self.ready: deque[_Climber] = deque()
        self.ended: list[_Climber] = []
        size = min(ladder.batch, len(labels))
        self.climbers: list[_Climber | None] = [None] * size
        self.iterates, self.centres, self.truths = images[:size].clone(), images[:size].clone(), labels[:size].clone()
        self.eps = torch.ones(size, 1, 1, 1, device=images.device)
        self.alpha = torch.ones(size, 1, 1, 1, device=images.device)

    def run(self) -> Tensor:
        if self.ladder.restarts:
            self._drop_wrong()
        while self._fill():
            self._step()
        return self.verdicts

    def _drop_wrong(self) -> None:
        """Runs from random points never see the clean image: ask about it first."""
        predicted = torch.cat([self._predict(batch) for batch in self.images.split(self.ladder.batch)])
        for place in torch.nonzero(predicted != self.labels).flatten().tolist():
            self.fresh.remove(place)
            self._leave(_Climber(place), clean=True)

    def _fill(self) -> bool:
        """Put waiting images into free slots; whether there is anything to do."""
        while self.ended and not (self.ready or self.fresh or self._busy()):
            self._judge_ended()
        for slot, climber in enumerate(self.climbers):
            if climber is None and self.ready:
                self._enter(slot, self.ready.popleft())
            elif climber is None and self.fresh:
                self._enter(slot, _Climber(self.fresh.popleft()))
        busy = [slot for slot, climber in enumerate(self.climbers) if climber is not None]
        if 0 < 2 * len(busy) <= len(self.climbers):
            self._shrink(busy)
        return bool(busy)

    def _shrink(self, kept: list[int]) -> None:
        """Give up the free slots, when half of them are and nothing waits for them."""
        self.climbers = [self.climbers[slot] for slot in kept]
        for name in ("iterates", "centres", "truths", "eps", "alpha"):
            setattr(self, name, getattr(self, name)[kept])

    def _busy(self) -> bool:
        return any(climber is not None for climber in self.climbers)

    def _enter(self, slot: int, climber: _Climber) -> None:
        ladder, eps = self.ladder, self.ladder.epsilons[climber.rung]
        centre = self.images[climber.place]
        if climber.iterate is not None:
            iterate = climber.iterate
        elif ladder.restarts:
            seed, offset = self.chance
            chance = make_generator(seed, "ladder", offset + climber.place, climber.rung, climber.run)
            noise = random_perturbation(centre[None].shape, eps, "linf", chance)[0]
            iterate = (centre + noise.to(centre.device)).clamp(0, 1)
        else:
            iterate = centre
        self.climbers[slot] = replace(climber, iterate=None)
        self.iterates[slot], self.centres[slot], self.truths[slot] = iterate, centre, self.labels[climber.place]
        self.eps[slot], self.alpha[slot] = eps, ladder.alphas[climber.rung]

    def _step(self) -> None:
        """One gradient for the whole batch; the fooled leave, the others take a step."""
        if self.differentiate is None:
            gradient, logits = loss_gradient(self.model, self.iterates, self.truths)
        else:
            gradient, logits = self.differentiate(self.iterates, self.truths)
        fooled = logits.argmax(1) != self.truths
        if self.differentiate is not None and bool(fooled.any()):
            fooled &= self._predict(self.iterates) != self.truths
        raw = self.iterates + self.alpha * gradient.sign()
        self.iterates = self._projected(raw, self.centres, self.eps)
        for slot, (climber, lost) in enumerate(zip(self.climbers, fooled.tolist(), strict=True)):
            if climber is None:
                continue
            if lost:
                self._leave(climber, clean=climber.step == 0 and climber.rung == 0 and not self.ladder.restarts)
                self.climbers[slot] = None
                continue
            shared = self.ladder.shared_steps(climber.rung + 1)
            branch = raw[slot].clone() if shared and climber.step == shared else climber.branch
            moved = replace(climber, step=climber.step + 1, branch=branch)
            self.climbers[slot] = moved
            if moved.step == self.ladder.steps:
                self.ended.append(replace(moved, iterate=self.iterates[slot].clone()))
                self.climbers[slot] = None
        if len(self.ended) >= len(self.climbers):
            self._judge_ended()

    def _judge_ended(self) -> None:
        """Ask the model about last iterates, as many at once as the batch holds; who stands goes on to the next run."""
        size = len(self.climbers)
        some, self.ended = self.ended[:size], self.ended[size:]
        filled = [some[index % len(some)] for index in range(size)]
        predicted = self._predict(torch.stack([climber.iterate for climber in filled if climber.iterate is not None]))
        for climber, label in zip(some, predicted.tolist(), strict=False):
            if label != int(self.labels[climber.place]):
                self._leave(climber)
            else:
                self._go_on(climber)

    def _go_on(self, climber: _Climber) -> None:
        if climber.run + 1 < self.ladder.restarts:
            self.ready.append(_Climber(climber.place, climber.rung, climber.run + 1))
            return
        rung = climber.rung + 1
        while self.ladder.shared_steps(rung) == self.ladder.steps:
            rung += 1  # the same run again: it cannot fool here either
        if rung == len(self.ladder.epsilons):
            self._finish()
            return
        shared = self.ladder.shared_steps(rung)
        if not shared or climber.branch is None:
            self.ready.append(_Climber(climber.place, rung))
            return
        point = self._projected(climber.branch, self.images[climber.place], self.ladder.epsilons[rung])
        further = _Climber(climber.place, rung, 0, shared + 1, point, climber.branch)
        (self.ended if further.step == self.ladder.steps else self.ready).append(further)

    def _leave(self, climber: _Climber, *, clean: bool = False) -> None:
        self.verdicts[climber.place] = -1 if clean else climber.rung
        self._finish()

    def _finish(self) -> None:
        self.done += 1
        if self.on_image:
            self.on_image(self.done, len(self.labels))

    @staticmethod
    def _projected(points: Tensor, centres: Tensor, eps: Tensor | float) -> Tensor:
        return (centres + (points - centres).clamp(-eps, eps)).clamp(0, 1)  # type: ignore[arg-type]

    def _predict(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            return self.model(images).argmax(1)
