"""An attack whose every iterate counts, on many images side by side: each is at an epsilon, run and step of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mri_robust.attacks.evasion.attack import inside, logits_of, loss_gradient, margin, predict
from mri_robust.attacks.evasion.effort import Effort
from mri_robust.core.rng import make_generator
from mri_robust.models.folded import TOLERANCE

BATCH, MULTIPLE = 32, 8
"""Images per batch, filled up to a multiple of 8: a convolution is prepared anew for every batch size."""
NEAR = 0.1
"""A run ended near the boundary when the margin left is at most this share of the margin that it has won."""
LAST = 0.9
"""The share of its steps after which a run is in its last part."""


class Part(NamedTuple):
    """Some images of a set, [N, C, H, W], and their labels, int64 [N], on the model's device.

    `places`, int64 [N] on the CPU, say where each stands in the whole set: its random starts depend on that alone.
    `region`, bool [N, 1, H, W] on the model's device, is where pixels may be changed; everywhere when None.
    """

    images: Tensor
    labels: Tensor
    places: Tensor
    region: Tensor | None = None

    @classmethod
    def of(cls, images: Tensor, labels: Tensor, first: int = 0, region: Tensor | None = None) -> Part:
        """Consecutive images, the first of which stands at place `first` of the set."""
        return cls(images, labels, torch.arange(first, first + len(labels)), region)

    def at(self, rows: Tensor) -> Part:
        """Those at `rows`, int64 [M] on the CPU."""
        there = rows.to(self.images.device)
        region = None if self.region is None else self.region[there]
        return Part(self.images[there], self.labels[there], self.places[rows], region)


class Fooled(NamedTuple):
    """Where each image is fooled, int64 [N] on the CPU.

    `index` is the place of the smallest epsilon that fools it: -1 when it is misclassified clean, the number of
    epsilons when it withstands all. `predicted` is what the model calls it there, or its label when it withstands all.
    """

    index: Tensor  # type: ignore[assignment]
    predicted: Tensor


def start_of(attack: Any, part: Part, seed: int) -> Tensor | None:
    """Where a native attack begins on each image: [runs, N, ...], or None where it begins at the image."""
    drawn = [
        attack.draw_start(image[None], make_generator(seed, "start", int(place), name_of(attack)))
        for image, place in zip(part.images, part.places, strict=True)
    ]
    if drawn[0] is None:
        return None
    start = torch.cat(drawn, dim=1)
    return start if part.region is None else torch.where(part.region, start, attack.unmoved(part.images))


def name_of(attack: Any) -> str:
    """Class and parameters of an attack, without the address of one that does not print them."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(attack))


def judged(model: nn.Module, copy: nn.Module, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """What the model calls images, int64 [N], and the margin of the best wrong class, [N].

    What a copy in float32 calls by its label clearly, by more than copies may differ, counts as such; the model is
    asked about the others.
    """
    logits = logits_of(copy, images)
    called, margins = logits.argmax(1), margin(logits, labels)
    doubtful = torch.nonzero(margins >= -2 * TOLERANCE * logits.abs().amax(1)).flatten()
    if copy is not model and len(doubtful):
        called[doubtful] = _ask(model, images, doubtful)
    return called, margins


def is_near(least: Tensor, most: Tensor) -> Tensor:
    """bool [N]: whether the greatest margin of an attack, `most`, ended near 0 for one that began at `least`."""
    return -most <= NEAR * (most - least)


class Search:
    """An attack on many images at once, at rising epsilons, along the gradient of `copy`, which may be the model.

    Last iterates are `judged` by the model and the copy `judge`, everything that fools `copy` by the model itself.

    `limit` is the place of the smallest epsilon known to fool an image. It is asked about the epsilons before that one,
    in order, where `asked`, bool [N, epsilons], says so: `level` is where it is now, `restart` the run there, and
    `step` counts that run's steps; -1 before its start. An image whose level has reached its limit is done. `near`,
    bool [N, epsilons], is where a run that fooled nobody ended near the boundary.
    """

    def __init__(
        self,
        before: Fooled,
        model: nn.Module,
        part: Part,
        attacks: Sequence[Any],
        copy: nn.Module,
        *,
        judge: nn.Module,
        asked: Tensor,
        seed: int = 0,
        effort: Effort | None = None,
    ) -> None:
        self.model, self.part, self.attacks, self.copy, self.judge = model, part, attacks, copy, judge
        self.gradient = inside(partial(loss_gradient, copy), part.region)
        self.truth, self.device = part.labels.cpu(), part.images.device
        self.limit, self.predicted = (values.clone() for values in before)
        count, number = len(part.labels), {"device": self.device, "dtype": torch.float32}
        self.asked = asked
        self.near, self.claimed = torch.zeros(2, count, len(attacks), dtype=torch.bool)
        self.effort = effort or Effort()
        self.level, self.restart, self.step = torch.zeros(3, count, dtype=torch.int64)
        self.eps = torch.tensor([attack.eps for attack in attacks], **number)  # type: ignore[arg-type]
        self.alpha = torch.tensor([attack.step_size for attack in attacks], **number)  # type: ignore[arg-type]
        self.starts = lru_cache(2 * BATCH)(
            lambda row, level: start_of(attacks[level], part.at(torch.tensor([row])), seed)
        )
        self.iterates = part.images.clone()
        # Margins of each run: the first, the greatest before its last part, and the greatest.
        self.margins = torch.zeros(3, count)
        self.visited: list[set[int]] = [set() for _ in range(count)]
        # Steps that the run at each epsilon shares with the one before it, and where it parts from that one: a step
        # after the last iterate that they share, as it was before it was projected into either ball.
        self.shared = torch.tensor([0, *(attack.shared_steps(smaller) for smaller, attack in pairwise(attacks)), 0])
        self.branches = part.images.clone() if self.shared.any() else None
        for row in range(count):
            self._enter(row, 0, branched=False)

    def run(self) -> Fooled:
        """Step until every image is fooled or has withstood all that it is asked about."""
        while len(active := torch.nonzero(self.level < self.limit).flatten()):
            ended = self.step[active] >= self.attacks[0].steps
            if ended.sum() >= BATCH or ended.all():
                self._judge(active[ended][:BATCH])
            else:
                self._advance(active[~ended][:BATCH])
        held = self.claimed & (self.limit[:, None] <= torch.arange(len(self.attacks)))
        self.effort.proposed += int(self.claimed.sum())
        self.effort.confirmed += int(held.sum())
        return Fooled(self.limit, self.predicted)

    def _advance(self, some: Tensor) -> None:
        """One gradient for a batch; the fooled leave, the others take a step."""
        for row in some[self.step[some] < 0].tolist():
            start = self.starts(row, int(self.level[row]))
            self.iterates[row] = self.part.images[row] if start is None else start[self.restart[row], 0]
            self.step[row] = 0
            self.visited[row].clear()
        filled = _filled_up(some)
        rows = filled.to(self.device)
        iterates, levels = self.iterates[rows], self.level[filled].to(self.device)
        slope, logits = self.gradient(iterates, self.part.labels[rows], rows=rows)
        self._note(some, margin(logits, self.part.labels[rows])[: len(some)].cpu())
        predicted = logits.argmax(1).cpu()[: len(some)]
        suspects = predicted != self.truth[some]
        if self.copy is not self.model and suspects.any():
            predicted[suspects] = _ask(self.model, self.iterates, some[suspects].to(self.device)).cpu()
            self.claimed[some[suspects], self.level[some[suspects]]] = True
        eps, alpha = (values[levels].view(-1, 1, 1, 1) for values in (self.eps, self.alpha))
        raw = self.attacks[0].stepped(iterates, slope, alpha)
        self.iterates[rows] = self.attacks[0].projected(self.part.images[rows], raw, eps)
        if self.branches is not None:
            parting = (self.step[filled] == self.shared[self.level[filled] + 1]).to(self.device)
            self.branches[rows[parting]] = raw[parting]
        standing = self._survivors(some, predicted)
        self.step[standing] += 1
        self._end_cycles(standing)

    def _note(self, some: Tensor, margins: Tensor) -> None:
        """Keep the margins, [M], of iterates."""
        step = self.step[some]
        started = torch.isnan(self.margins[0, some])
        self.margins[:2, some[started]] = margins[started]
        early = some[step <= LAST * self.attacks[0].steps]
        self.margins[2, some] = torch.fmax(self.margins[2, some], margins)
        self.margins[1, early] = self.margins[2, early]

    def _end_cycles(self, some: Tensor) -> None:
        """End runs that are back at an iterate of theirs, for from there they would only repeat themselves.

        The next iterate depends on the one before it alone (arXiv 2503.19347). Iterates are told apart
        by 64 bits of each; the gradient of an image may round otherwise in another batch.
        """
        if self.attacks[0].norm != "linf":
            return  # steps of other lengths do not come back
        for row, mark in zip(some.tolist(), fingerprints(self.iterates[some.to(self.device)]), strict=True):
            if mark in self.visited[row]:
                self.effort.skipped += self.attacks[0].steps - int(self.step[row])
                self.step[row] = self.attacks[0].steps
            self.visited[row].add(mark)

    def _judge(self, some: Tensor) -> None:
        """Ask the model about last iterates; survivors go on to the next run or epsilon."""
        rows = _filled_up(some).to(self.device)
        called, margins = judged(self.model, self.judge, self.iterates[rows], self.part.labels[rows])
        self._note(some, margins[: len(some)].cpu())
        standing = self._survivors(some, called[: len(some)].cpu())
        first, early, most = self.margins[:, standing]
        self.effort.rise += float((most - first).sum())
        steps = self.attacks[0].steps
        tenths = 10 * (1 - int(LAST * steps) / steps)  # in the last part: more than one where there are few steps
        self.effort.late += float((most - early).sum()) / tenths
        self.near[standing, self.level[standing]] |= is_near(first, most)
        for row in standing.tolist():
            if self.restart[row] + 1 < self.attacks[0].restarts:
                self.restart[row] += 1
                self._begin(row)
            else:
                self._enter(row, int(self.level[row]) + 1, branched=True)

    def _begin(self, row: int) -> None:
        self.step[row] = -1
        self.margins[0, row], self.margins[1:, row] = torch.nan, -torch.inf

    def _enter(self, row: int, level: int, *, branched: bool) -> None:
        """Go to the next epsilon from `level` on that is asked about and at which the run is another one.

        It begins where it parts from the run before, which was at the next smaller epsilon when `branched`.
        """
        limit = int(self.limit[row])
        while level < limit and not (self.asked[row, level] and self.shared[level] < self.attacks[0].steps):
            # A run that is the same again cannot fool here either.
            branched &= bool(self.shared[level] == self.attacks[0].steps)
            level += 1
        self.level[row], self.restart[row] = level, 0
        self._begin(row)
        if branched and self.branches is not None and level < limit and self.shared[level]:
            image, branch = self.part.images[row][None], self.branches[row][None]
            self.iterates[row] = self.attacks[level].projected(image, branch, self.attacks[level].eps)[0]
            self.step[row] = self.shared[level] + 1
            self.visited[row].clear()

    def _survivors(self, some: Tensor, predicted: Tensor) -> Tensor:
        """Lower the limit of those that the model gets wrong; returns the others."""
        hit = predicted != self.truth[some]
        gone = some[hit]
        self.limit[gone], self.predicted[gone] = self.level[gone], predicted[hit]
        return some[~hit]


def fingerprints(images: Tensor) -> list[int]:
    """64 bits of the pixels of each of some float32 images [N, C, H, W]; the same for the same bits alone."""
    bits = images.contiguous().view(torch.int32).flatten(1).long()
    return (bits * _weights(bits.shape[1]).to(bits.device)).sum(1).tolist()


@lru_cache(4)
def _weights(count: int) -> Tensor:
    """Odd random numbers, int64 [count]."""
    return torch.randint(-(2**62), 2**62, (count,), generator=torch.Generator().manual_seed(0)) * 2 + 1


def _ask(model: nn.Module, images: Tensor, rows: Tensor) -> Tensor:
    """What the model calls the images at `rows`, int64 [M]."""
    return predict(model, images[_filled_up(rows)])[: len(rows)]


def _filled_up(some: Tensor) -> Tensor:
    """The indices, repeated until their number is a multiple of `MULTIPLE`."""
    return some[torch.arange(-(-len(some) // MULTIPLE) * MULTIPLE, device=some.device) % len(some)]
