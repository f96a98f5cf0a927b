"""The climb of a `Ladder`: a batch of images of which each is at its own rung, run and step."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from mri_robust.attacks.geometry import random_perturbation
from mri_robust.attacks.gradient import loss_gradient, predict
from mri_robust.core.progress import OnImages
from mri_robust.core.seeding import make_generator

if TYPE_CHECKING:
    from mri_robust.attacks.ladder import Ladder

Differentiate = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""(images, labels) -> gradient of the loss with respect to the images, and logits."""


@dataclass(frozen=True)
class Climber:
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


class Climb:
    """The images in the batch and those that wait; see `Ladder.climb`."""

    def __init__(
        self,
        ladder: Ladder,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        differentiate: Differentiate | None,
        chance: tuple[int, int],
        on_image: OnImages | None,
    ) -> None:
        self.ladder, self.model, self.images, self.labels = ladder, model, images, labels
        self.differentiate, self.chance, self.on_image = differentiate, chance, on_image
        self.verdicts = torch.full((len(labels),), len(ladder.epsilons), dtype=torch.int64)
        self.called = labels.cpu().clone()
        self.done = 0
        self.fresh = deque(range(len(labels)))
        self.ready: deque[Climber] = deque()
        self.ended: list[Climber] = []
        size = min(ladder.batch, len(labels))
        self.climbers: list[Climber | None] = [None] * size
        self.iterates, self.centres, self.truths = images[:size].clone(), images[:size].clone(), labels[:size].clone()
        self.eps = torch.ones(size, 1, 1, 1, device=images.device)
        self.alpha = torch.ones(size, 1, 1, 1, device=images.device)

    def run(self) -> tuple[Tensor, Tensor]:
        """The verdict of each image, and what it is called there."""
        if self.ladder.restarts:
            self._drop_wrong()
        while self._fill():
            self._step()
        return self.verdicts, self.called

    def _drop_wrong(self) -> None:
        """Runs from random points never see the clean image: ask about it first."""
        predicted = torch.cat([predict(self.model, batch) for batch in self.images.split(self.ladder.batch)])
        for place in torch.nonzero(predicted != self.labels).flatten().tolist():
            self.fresh.remove(place)
            self._leave(Climber(place), int(predicted[place]), clean=True)

    def _fill(self) -> bool:
        """Put waiting images into free slots; whether there is anything to do."""
        while self.ended and not (self.ready or self.fresh or self._busy()):
            self._judge_ended()
        for slot, climber in enumerate(self.climbers):
            if climber is None and self.ready:
                self._enter(slot, self.ready.popleft())
            elif climber is None and self.fresh:
                self._enter(slot, Climber(self.fresh.popleft()))
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

    def _enter(self, slot: int, climber: Climber) -> None:
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
        predicted = logits.argmax(1)
        fooled = predicted != self.truths
        if self.differentiate is not None and bool(fooled.any()):
            predicted = predict(self.model, self.iterates)
            fooled &= predicted != self.truths
        raw = self.iterates + self.alpha * gradient.sign()
        self.iterates = self._projected(raw, self.centres, self.eps)
        answers = zip(self.climbers, fooled.tolist(), predicted.tolist(), strict=True)
        for slot, (climber, lost, called) in enumerate(answers):
            if climber is None:
                continue
            if lost:
                clean = climber.step == 0 and climber.rung == 0 and not self.ladder.restarts
                self._leave(climber, called, clean=clean)
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
        iterates = torch.stack([climber.iterate for climber in filled if climber.iterate is not None])
        predicted = predict(self.model, iterates)
        for climber, called in zip(some, predicted.tolist(), strict=False):
            if called != int(self.labels[climber.place]):
                self._leave(climber, called)
            else:
                self._go_on(climber)

    def _go_on(self, climber: Climber) -> None:
        if climber.run + 1 < self.ladder.restarts:
            self.ready.append(Climber(climber.place, climber.rung, climber.run + 1))
            return
        rung = climber.rung + 1
        while self.ladder.shared_steps(rung) == self.ladder.steps:
            rung += 1  # the same run again: it cannot fool here either
        if rung == len(self.ladder.epsilons):
            self._finish()
            return
        shared = self.ladder.shared_steps(rung)
        if not shared or climber.branch is None:
            self.ready.append(Climber(climber.place, rung))
            return
        point = self._projected(climber.branch, self.images[climber.place], self.ladder.epsilons[rung])
        further = Climber(climber.place, rung, 0, shared + 1, point, climber.branch)
        (self.ended if further.step == self.ladder.steps else self.ready).append(further)

    def _leave(self, climber: Climber, called: int, *, clean: bool = False) -> None:
        self.verdicts[climber.place] = -1 if clean else climber.rung
        self.called[climber.place] = called
        self._finish()

    def _finish(self) -> None:
        self.done += 1
        if self.on_image:
            self.on_image(self.done, len(self.labels))

    @staticmethod
    def _projected(points: Tensor, centres: Tensor, eps: Tensor | float) -> Tensor:
        return (centres + (points - centres).clamp(-eps, eps)).clamp(0, 1)  # type: ignore[arg-type]
