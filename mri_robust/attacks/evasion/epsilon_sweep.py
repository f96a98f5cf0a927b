"""The one engine for accuracy over epsilon. It answers two questions, for any attack:

- `attacked_predictions`: what the model calls each image under each attack by itself.
- `lower`: the worst case over rising epsilons. An image counts as fooled at an epsilon when an attack fools it there or
  at a smaller one: what lies in a small ball lies in a larger one too.

A faster copy of the model, or a coarser number format, may propose steps and successes. Who is fooled is always
confirmed by the model itself, in float32.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from functools import cache, lru_cache, partial
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mri_robust.attacks.evasion.attack import Attack, Gradient, Loss, checked, loss_gradient, predict
from mri_robust.core.eval_mode import eval_mode
from mri_robust.core.progress import OnImages
from mri_robust.core.rng import derive_seed, make_generator, seeded_globals

BATCH = 64
"""Images per batch; fixed, because another size rounds differently."""
SEARCH_BATCH, MULTIPLE = 32, 8
"""Images per batch of `lower`; of those it steps itself, filled up to a multiple of 8: a convolution is prepared anew
for every batch size."""

Craft = Callable[[Any, nn.Module, Tensor, Tensor, Tensor | None], Tensor]
"""(attack, model, images, labels, start) -> adversarial images: whose code runs a native attack."""


class Part(NamedTuple):
    """Some images of a set, [N, C, H, W], and their labels, int64 [N], on the model's device.

    `places`, int64 [N] on the CPU, say where each stands in the whole set: its random starts depend on that alone.
    """

    images: Tensor
    labels: Tensor
    places: Tensor

    @classmethod
    def of(cls, images: Tensor, labels: Tensor, first: int = 0) -> Part:
        """Consecutive images, the first of which stands at place `first` of the set."""
        return cls(images, labels, torch.arange(first, first + len(labels)))

    def at(self, rows: Tensor) -> Part:
        """Those at `rows`, int64 [M] on the CPU."""
        there = rows.to(self.images.device)
        return Part(self.images[there], self.labels[there], self.places[rows])


class Fooled(NamedTuple):
    """Where each image is fooled, int64 [N] on the CPU.

    `index` is the place of the smallest epsilon that fools it: -1 when it is misclassified clean, the number of
    epsilons when it withstands all. `predicted` is what the model calls it there, or its label when it withstands all.
    """

    index: Tensor  # type: ignore[assignment]
    predicted: Tensor


def attacked_predictions(
    model: nn.Module,
    part: Part,
    attacks: Sequence[Any],
    *,
    proposer: nn.Module | None = None,
    craft: Craft | None = None,
    seed: int = 0,
    on_image: OnImages | None = None,
) -> Tensor:
    """Predicted classes under each attack by itself, int64 [attacks, N] on the CPU.

    An attack is a native one, another package's untargeted one, see `call_of`, which gets whole batches of 64, or None
    for the clean images. Those that take their first gradient at the image, such as FGSM at every epsilon, share it.
    Native ones follow the gradients of `proposer`, a faster copy of the model, or are run by the code of `craft`, where
    these are given. The model is in eval mode, `seed` is of random starts, and `on_image` is called with images done
    and images in all.
    """
    found = [torch.empty(len(attacks), 0, dtype=torch.int64)]
    for rows in _batches(torch.arange(len(part.labels)), BATCH):
        batch = part.at(rows)
        gradient = _shared_gradient(proposer or model, batch)
        run = partial(run_attack, model, batch, gradient=gradient, seed=seed, craft=craft)
        called = [predict(model, batch.images if attack is None else run(attack)) for attack in attacks]
        found.append(torch.stack(called).cpu())
        if on_image:
            on_image(int(rows[-1]) + 1, len(part.labels))
    return torch.cat(found, dim=1)


def fooled_clean(model: nn.Module, part: Part, epsilons: int) -> Fooled:
    """Where `lower` begins: images that are misclassified clean are fooled, the others withstand all `epsilons`."""
    predicted = torch.cat([part.labels[:0], *(predict(model, some) for some in _batches(part.images, BATCH))]).cpu()
    return Fooled(torch.where(predicted == part.labels.cpu(), epsilons, -1), predicted)


def lower(
    before: Fooled,
    model: nn.Module,
    part: Part,
    attacks: Sequence[Any],
    *,
    proposer: nn.Module | None = None,
    gradient: Gradient | None = None,
    seed: int = 0,
) -> Fooled:
    """Run one attack at rising epsilons on the survivors, and lower where they are fooled.

    An attack whose every iterate counts (`Attack.early_stop`) is stepped here: images at different epsilons, runs and
    steps share a batch, each leaves as soon as it is fooled and another takes its place, and steps that a run shares
    with the one at the next smaller epsilon are not computed again.

    `before` is from `fooled_clean`, or from another attack: an image is asked only about smaller epsilons than there.
    `attacks` are the attack at each epsilon, rising, untargeted. They attack `proposer`, a faster copy of the model,
    where it is given; native ones follow `gradient` when it is not the model's or the copy's own. For the others see
    `attacked_predictions`.
    """
    native = all(isinstance(attack, Attack) for attack in attacks)
    if gradient is None and proposer is not None:
        gradient = partial(loss_gradient, proposer)
    if native and all(attack.early_stop for attack in attacks) and _differ_in_eps_alone(attacks):
        return _Search(before, model, part, attacks, gradient, seed).run()
    index, called = (values.clone() for values in before)
    truth = part.labels.cpu()
    for place, attack in enumerate(attacks):
        standing = torch.nonzero(index > place).flatten()
        for some in _batches(standing, SEARCH_BATCH):
            attacked = model if native or proposer is None else proposer
            crafted = run_attack(attacked, part.at(some), attack, gradient=gradient, seed=seed)
            predicted = predict(model, crafted).cpu()
            hit = predicted != truth[some]
            index[some[hit]], called[some[hit]] = place, predicted[hit]
    return Fooled(index, called)


def start_of(attack: Any, part: Part, seed: int) -> Tensor | None:
    """Where a native attack begins on each image: [runs, N, ...], or None where it begins at the image."""
    drawn = [
        attack.draw_start(image[None], make_generator(seed, "start", int(place), _name(attack)))
        for image, place in zip(part.images, part.places, strict=True)
    ]
    return None if drawn[0] is None else torch.cat(drawn, dim=1)


def run_attack(
    model: nn.Module,
    part: Part,
    attack: Any,
    *,
    gradient: Gradient | None = None,
    seed: int = 0,
    craft: Craft | None = None,
) -> Tensor:
    """Adversarial images of one batch, [N, C, H, W]; for the arguments see `attacked_predictions` and `lower`.

    UserError where another package's attack leaves [0, 1] or the ball that it states.
    """
    if not isinstance(attack, Attack):
        drawn = (seed, "attack", int(part.places[0]), _name(attack))
        with eval_mode(model), torch.enable_grad():  # torchattacks, for one, leaves it in train mode
            crafted = call_of(attack)(model, part.images, part.labels, *drawn)
        return checked(attack, crafted, part.images)
    start = start_of(attack, part, seed)
    if craft is not None:
        return craft(attack, model, part.images, part.labels, start)
    return attack.craft(model, part.images, part.labels, start, gradient)


def call_of(attack: Any) -> Callable[..., Any]:
    """How another package's attack is called, which its signature says: (model, images, labels, *names of the draws).

    It takes (model, images, labels), or (images, labels) where it holds its model, and may take a `generator`; else
    the global generators are seeded for it, and put back. TypeError where it cannot be called.
    """
    if not callable(attack):
        raise TypeError(f"an attack takes (model, images, labels) or (images, labels), got {attack!r}")
    given = inspect.signature(attack.forward if isinstance(attack, nn.Module) else attack).parameters
    named = [each for each in given.values() if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    needed = [each for each in named if each.default is each.empty and each.name != "generator"]
    bound = len(named) == 2 or (len(needed) == 2 and needed[0].name != "model")

    def call(model: nn.Module, images: Tensor, labels: Tensor, *draws: Any) -> Any:
        taken = (images, labels) if bound else (model, images, labels)
        if "generator" in given or not named:
            return attack(*taken, generator=make_generator(*draws))
        with seeded_globals(derive_seed(*draws)):
            return attack(*taken)

    return call


def _batches(values: Tensor, size: int) -> Sequence[Tensor]:
    """The values, [N, ...], so many at a time; none where there are none, while `split` gives an empty one."""
    return values.split(size) if len(values) else ()


def _shared_gradient(model: nn.Module, part: Part) -> Gradient:
    """The model's gradient; the one at the clean images and true labels is computed once."""
    at_clean = cache(partial(loss_gradient, model, part.images, part.labels))

    def gradient(images: Tensor, labels: Tensor, *loss: Loss) -> tuple[Tensor, Tensor]:
        shared = images is part.images and labels is part.labels and not loss
        return at_clean() if shared else loss_gradient(model, images, labels, *loss)

    return gradient


def _name(attack: Any) -> str:
    """Class and parameters of an attack, without the address of one that does not print them."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(attack))


def _differ_in_eps_alone(attacks: Sequence[Any]) -> bool:
    """Whether the attacks are one, but for epsilon and the size of a step."""
    kinds = [(type(attack), {**vars(attack), "eps": 0, "alpha": 0}) for attack in attacks]
    return all(kind == kinds[0] for kind in kinds)


def _filled_up(some: Tensor) -> Tensor:
    """The indices, repeated until their number is a multiple of `MULTIPLE`."""
    return some[torch.arange(-(-len(some) // MULTIPLE) * MULTIPLE) % len(some)]


class _Search:
    """An attack whose every iterate counts, on many images at once, each at an epsilon, a run and a step of its own.

    `limit` is the place of the smallest epsilon known to fool an image. It is asked about the epsilons before that one,
    in order: `level` is where it is now, `restart` the run there, and `step` counts that run's steps; -1 before its
    start. An image whose level has reached its limit is done.
    """

    def __init__(
        self, before: Fooled, model: nn.Module, part: Part, attacks: Sequence[Any], gradient: Gradient | None, seed: int
    ) -> None:
        self.model, self.part, self.attacks = model, part, attacks
        self.gradient, self.confirm = gradient or partial(loss_gradient, model), gradient is not None
        self.truth, self.device = part.labels.cpu(), part.images.device
        self.limit, self.predicted = (values.clone() for values in before)
        self.level, self.restart = torch.zeros(2, len(part.labels), dtype=torch.int64)
        self.step = torch.full_like(self.level, -1)
        number: dict[str, Any] = {"device": self.device, "dtype": torch.float32}
        self.eps = torch.tensor([attack.eps for attack in attacks], **number)
        self.alpha = torch.tensor([attack.step_size for attack in attacks], **number)
        self.starts = lru_cache(2 * SEARCH_BATCH)(
            lambda row, level: start_of(attacks[level], part.at(torch.tensor([row])), seed)
        )
        self.iterates = part.images.clone()
        # Steps that the run at each epsilon shares with the one before it, and where it parts from that one: a step
        # after the last iterate that they share, as it was before it was projected into either ball.
        self.shared = torch.tensor([0, *(attack.shared_steps(smaller) for smaller, attack in pairwise(attacks)), 0])
        self.branches = part.images.clone() if self.shared.any() else None

    def run(self) -> Fooled:
        """Step until every image is fooled or has withstood all that it is asked about."""
        while len(active := torch.nonzero(self.level < self.limit).flatten()):
            ended = self.step[active] >= self.attacks[0].steps
            if ended.sum() >= SEARCH_BATCH or ended.all():
                self._judge(active[ended][:SEARCH_BATCH])
            else:
                self._advance(active[~ended][:SEARCH_BATCH])
        return Fooled(self.limit, self.predicted)

    def _advance(self, some: Tensor) -> None:
        """One gradient for a batch; the fooled leave, the others take a step."""
        for row in some[self.step[some] < 0].tolist():
            start = self.starts(row, int(self.level[row]))
            self.iterates[row] = self.part.images[row] if start is None else start[self.restart[row], 0]
            self.step[row] = 0
        filled = _filled_up(some)
        rows = filled.to(self.device)
        iterates, levels = self.iterates[rows], self.level[filled].to(self.device)
        slope, logits = self.gradient(iterates, self.part.labels[rows])
        predicted = logits.argmax(1).cpu()[: len(some)]
        suspects = predicted != self.truth[some]
        if self.confirm and suspects.any():
            predicted[suspects] = self._answers(some[suspects])
        eps, alpha = (values[levels].view(-1, 1, 1, 1) for values in (self.eps, self.alpha))
        raw = self.attacks[0].stepped(iterates, slope, alpha)
        self.iterates[rows] = self.attacks[0].projected(self.part.images[rows], raw, eps)
        if self.branches is not None:
            parting = (self.step[filled] == self.shared[self.level[filled] + 1]).to(self.device)
            self.branches[rows[parting]] = raw[parting]
        self.step[self._survivors(some, predicted)] += 1

    def _judge(self, some: Tensor) -> None:
        """Ask the model about last iterates; survivors go on to the next run or epsilon."""
        for row in self._survivors(some, self._answers(some)).tolist():
            if self.restart[row] + 1 < self.attacks[0].restarts:
                self.restart[row] += 1
                self.step[row] = -1
            else:
                self._go_up(row)

    def _go_up(self, row: int) -> None:
        """To the next epsilon at which the run is another one; it begins where it parts from this one."""
        level, limit = int(self.level[row]) + 1, int(self.limit[row])
        while level < limit and self.shared[level] == self.attacks[0].steps:
            level += 1  # the same run again: it cannot fool here either
        self.level[row], self.restart[row], self.step[row] = level, 0, -1
        if self.branches is not None and level < limit and self.shared[level]:
            image, branch = self.part.images[row][None], self.branches[row][None]
            self.iterates[row] = self.attacks[level].projected(image, branch, self.attacks[level].eps)[0]
            self.step[row] = self.shared[level] + 1

    def _survivors(self, some: Tensor, predicted: Tensor) -> Tensor:
        """Lower the limit of those that the model gets wrong; returns the others."""
        hit = predicted != self.truth[some]
        gone = some[hit]
        self.limit[gone], self.predicted[gone] = self.level[gone], predicted[hit]
        return some[~hit]

    def _answers(self, some: Tensor) -> Tensor:
        """What the model calls the iterates, int64 [M] on the CPU."""
        return predict(self.model, self.iterates[_filled_up(some).to(self.device)])[: len(some)].cpu()
