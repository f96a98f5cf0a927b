"""The one engine for accuracy over epsilon.

It answers two questions, for any attack:

- `attacked_predictions`: what the model calls each image under each attack by itself.
- `lower`: the worst case over rising epsilons, where an image counts as fooled at an epsilon when an attack fools it at
  that epsilon or at a smaller one: what lies in a small ball lies in a larger one too.

A faster copy of the model, or a coarser number format, may propose steps and successes. Who is fooled is always
confirmed by the model itself, in float32.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache, partial
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mri_robust.attacks.evasion.attack import Attack, Gradient, loss_gradient, predict
from mri_robust.core.errors import UserError
from mri_robust.core.eval_mode import eval_mode
from mri_robust.core.progress import OnImages
from mri_robust.core.rng import make_generator
from mri_robust.core.validation import check_images

BATCH = 64
"""Images per batch; fixed, because another size rounds differently."""
MULTIPLE = 8
"""Batches are filled up to a multiple of this: a convolution is prepared anew for every batch size."""
ROUNDING = 1e-6
"""How far in pixels float32 sums may take an image out of its ball."""

Craft = Callable[[Any, nn.Module, Tensor, Tensor, Tensor | None], Tensor]
"""(attack, model, images, labels, start) -> adversarial images: whose code runs a native attack."""


class Fooled(NamedTuple):
    """Where images are fooled, on the CPU.

    Attributes:
        index: int64 [N], the place of the smallest epsilon that fools each image; -1 for one that is misclassified
            clean, the number of epsilons for one that withstands all.
        predicted: int64 [N], what the model calls each image there; its label for one that withstands all.
    """

    index: Tensor  # type: ignore[assignment]
    predicted: Tensor


def attacked_predictions(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    attacks: Sequence[Any],
    *,
    proposer: nn.Module | None = None,
    craft: Craft | None = None,
    seed: int = 0,
    first: int = 0,
    on_image: OnImages | None = None,
) -> Tensor:
    """Predicted classes under each attack by itself, int64 [attacks, N] on the CPU.

    FGSM at several epsilons shares the gradient at the images. Attacks are untargeted.

    Args:
        model: in eval mode, takes pixels in [0, 1], gives logits.
        images: float32 [N, C, H, W] in [0, 1], on the model's device.
        labels: int64 [N], on the same device.
        attacks: native attacks, or any (model, images, labels, generator=...) -> adversarial images; None for the
            clean images.
        proposer: a faster copy of the model whose gradients native attacks follow; the model itself when None.
        craft: whose code runs the attacks; their own when None.
        seed: of random starts, which depend on the image's place alone; another package's attack draws for a batch.
        first: place of the first image, where these are a part of a larger set.
        on_image: called with images done and images in all.
    """
    rows = []
    for begin in range(0, len(labels), BATCH):
        batch, truth = images[begin : begin + BATCH], labels[begin : begin + BATCH]
        gradient = _shared_gradient(proposer or model, batch, truth)
        run = partial(_run_attack, model, batch, truth, craft=craft, gradient=gradient, seed=seed, first=first + begin)
        rows.append(torch.stack([predict(model, batch if attack is None else run(attack)) for attack in attacks]).cpu())
        if on_image:
            on_image(begin + len(truth), len(labels))
    return torch.cat(rows, dim=1)


def fooled_clean(model: nn.Module, images: Tensor, labels: Tensor, epsilons: int) -> Fooled:
    """Where `lower` begins: images that are misclassified clean are fooled, the others withstand all `epsilons`."""
    predicted = torch.cat([predict(model, batch) for batch in images.split(BATCH)]).cpu()
    index = torch.where(predicted == labels.cpu(), epsilons, -1)
    return Fooled(index, predicted)


def lower(
    before: Fooled,
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    attacks: Sequence[Any],
    *,
    gradient: Gradient | None = None,
    seed: int = 0,
    first: int = 0,
    batch: int = 32,
    on_image: OnImages | None = None,
) -> Fooled:
    """Run one attack at rising epsilons on the images that stand, and lower where they are fooled.

    An attack whose every iterate counts (`Attack.early_stop`) is stepped here: images at different epsilons, runs and
    steps stand side by side in a batch, each leaves as soon as it is fooled and another takes its place, and steps that
    a run shares with the one at the next smaller epsilon are not computed again.

    Args:
        before: from `fooled_clean`, or from another attack: an image is asked only about smaller epsilons than there.
        model, images, labels, seed, first, on_image: see `attacked_predictions`.
        attacks: the attack at each epsilon, rising.
        gradient: the gradient to follow when it is not the model's own, as that of a faster copy.
        batch: images at once.
    """
    if all(isinstance(attack, Attack) and attack.early_stop for attack in attacks) and _differ_in_eps_alone(attacks):
        search = _Search(before, model, images, labels, attacks, gradient, batch)
        return search.run(seed, first, on_image)
    index, called = (part.clone() for part in before)
    truth, active = labels.cpu(), index > 0
    tell = _when_more(on_image, active)
    for place, attack in enumerate(attacks):
        standing = torch.nonzero(index > place).flatten()
        for some in standing.split(batch) if len(standing) else ():
            filled = _filled_up(some)
            rows = filled.to(images.device)
            crafted = _run_attack(
                model, images[rows], labels[rows], attack, gradient=gradient, seed=seed, first=first, places=filled
            )
            predicted = predict(model, crafted)[: len(some)].cpu()
            hit = predicted != truth[some]
            index[some[hit]], called[some[hit]] = place, predicted[hit]
            active[some] = index[some] > place + 1
            tell()
    return Fooled(index, called)


def start_of(attack: Any, images: Tensor, places: Sequence[int], seed: int) -> Tensor | None:
    """Where a native attack begins on each image, drawn from the seed and the image's place in the whole set."""
    drawn = [
        attack.draw_start(image[None], make_generator(seed, "start", int(place), _name(attack)))
        for image, place in zip(images, places, strict=True)
    ]
    return None if not drawn or drawn[0] is None else torch.cat(drawn, dim=1)


def _run_attack(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    attack: Any,
    *,
    gradient: Gradient | None,
    seed: int,
    first: int,
    craft: Craft | None = None,
    places: Tensor | None = None,
) -> Tensor:
    """Adversarial images of one batch; image i stands at place `first` + i of the whole set, or `first` + places[i]."""
    at = [first + int(place) for place in (range(len(labels)) if places is None else places)]
    if not isinstance(attack, Attack):
        generator = make_generator(seed, "attack", at[0], _name(attack))
        with eval_mode(model):  # torchattacks, for one, leaves it in train mode
            crafted = attack(model, images, labels, generator=generator)
        return _checked(attack, crafted, images)
    start = start_of(attack, images, at, seed)
    if craft is not None:
        return craft(attack, model, images, labels, start)
    return attack.craft(model, images, labels, start, gradient)


def _checked(attack: Any, crafted: Tensor, images: Tensor) -> Tensor:
    """What another package's attack gave, if it is images in [0, 1] and in the ball that the attack states.

    Raises:
        UserError: it is not; the message names the attack.
    """
    try:
        check_images(crafted)
        change = (crafted - images).flatten(1)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{attack} gives no adversarial images: {error}") from error
    if crafted.shape != images.shape:
        raise UserError(f"{attack} gives images {list(crafted.shape)} for images {list(images.shape)}")
    order = {"linf": torch.inf, "l2": 2}.get(getattr(attack, "norm", "linf"), torch.inf)
    size = float(torch.linalg.vector_norm(change, order, dim=1).max())
    if size > getattr(attack, "eps", torch.inf) * (1 + ROUNDING) + ROUNDING:
        raise UserError(f"{attack} changed an image by {size:.4g}, more than its epsilon")
    return crafted


def _shared_gradient(model: nn.Module, clean: Tensor, truth: Tensor) -> Gradient:
    """The model's gradient; the one at the clean images and true labels is computed once."""
    at_clean = cache(partial(loss_gradient, model, clean, truth))

    def gradient(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return at_clean() if images is clean and labels is truth else loss_gradient(model, images, labels)

    return gradient


def _name(attack: Any) -> str:
    """Class and parameters of an attack, without the address of one that does not print them."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(attack))


def _differ_in_eps_alone(attacks: Sequence[Any]) -> bool:
    """Whether the attacks are one, but for epsilon and the size of a step."""
    kinds = [(type(attack), {**vars(attack), "eps": 0, "alpha": 0}) for attack in attacks]
    return all(kind == kinds[0] for kind in kinds)


def _when_more(on_image: OnImages | None, active: Tensor) -> Callable[[], None]:
    """Reports how many images are no longer active: at once, and on each call after which there are more."""
    told = -1

    def tell() -> None:
        nonlocal told
        done = len(active) - int(active.sum())
        if on_image and done > told:
            told = done
            on_image(done, len(active))

    tell()
    return tell


def _filled_up(some: Tensor) -> Tensor:
    """The indices, repeated until their number is a multiple of `MULTIPLE`."""
    return some[torch.arange(-(-len(some) // MULTIPLE) * MULTIPLE) % len(some)]


class _Search:
    """Images on their way through epsilons, runs and steps; see `lower`."""

    def __init__(
        self,
        before: Fooled,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        attacks: Sequence[Any],
        gradient: Gradient | None,
        batch: int,
    ) -> None:
        self.model, self.images, self.labels, self.attacks, self.batch = model, images, labels, attacks, batch
        self.gradient, self.confirm = gradient or partial(loss_gradient, model), gradient is not None
        self.truth = labels.cpu()
        self.limit, self.predicted = (part.clone() for part in before)
        self.active = self.limit > 0
        self.level, self.run_number, self.step = (torch.zeros(len(labels), dtype=torch.int64) for _ in range(3))
        self.steps, self.runs = attacks[0].steps, attacks[0].restarts
        self.eps = torch.tensor([attack.eps for attack in attacks], device=images.device)
        self.alpha = torch.tensor([attack.step_size for attack in attacks], device=images.device)
        shared = [attack.shared_steps(smaller) for smaller, attack in pairwise(attacks)]
        self.shared = torch.tensor([0, *shared, 0])
        self.iterates = images.clone()
        self.branches = images.clone() if any(shared) else None
        """Where the run at the next epsilon leaves this one: a step after the last iterate that they share, as it was
        before it was projected into either ball."""

    def run(self, seed: int, first: int, on_image: OnImages | None) -> Fooled:
        """Step until every image is fooled or has withstood all that it is asked about."""
        self.seed, self.first = seed, first
        tell = _when_more(on_image, self.active)
        for place in torch.nonzero(self.active).flatten().tolist():
            self._begin(place)
        while bool(self.active.any()):
            ended = torch.nonzero(self.active & (self.step >= self.steps)).flatten()
            moving = torch.nonzero(self.active & (self.step < self.steps)).flatten()
            if len(ended) >= self.batch or not len(moving):
                self._judge(ended[: self.batch])
            else:
                self._advance(moving[: self.batch])
            tell()
        return Fooled(self.limit, self.predicted)

    def _begin(self, place: int) -> None:
        """Put an image at the start of its run."""
        image = self.images[place][None]
        start = start_of(self.attacks[int(self.level[place])], image, [self.first + place], self.seed)
        self.iterates[place] = (image if start is None else start[self.run_number[place]])[0]
        self.step[place] = 0

    def _advance(self, some: Tensor) -> None:
        """One gradient for a batch; the fooled leave, the others take a step."""
        filled = _filled_up(some)
        rows = filled.to(self.images.device)
        iterates = self.iterates[rows]
        slope, logits = self.gradient(iterates, self.labels[rows])
        predicted = logits.argmax(1).cpu()[: len(some)]
        suspects = predicted != self.truth[some]
        if self.confirm and bool(suspects.any()):
            asked = self.iterates[_filled_up(some[suspects]).to(rows.device)]
            predicted[suspects] = predict(self.model, asked)[: int(suspects.sum())].cpu()
        levels = self.level[filled].to(rows.device)
        eps, alpha = (values[levels].view(-1, 1, 1, 1) for values in (self.eps, self.alpha))
        raw = self.attacks[0].stepped(iterates, slope, alpha)
        self.iterates[rows] = self.attacks[0].projected(self.images[rows], raw, eps)
        if self.branches is not None:
            parting = (self.step[filled] == self.shared[self.level[filled] + 1]).to(rows.device)
            self.branches[rows[parting]] = raw[parting]
        standing = self._let_go(some, predicted)
        self.step[standing] += 1

    def _judge(self, some: Tensor) -> None:
        """Ask the model about last iterates; who stands goes on to the next run or epsilon."""
        rows = _filled_up(some).to(self.images.device)
        predicted = predict(self.model, self.iterates[rows])[: len(some)].cpu()
        for place in self._let_go(some, predicted).tolist():
            self._go_on(place)

    def _let_go(self, some: Tensor, predicted: Tensor) -> Tensor:
        """Let the images go that the model gets wrong; returns those that stand."""
        hit = predicted != self.truth[some]
        gone = some[hit]
        self.limit[gone], self.predicted[gone] = self.level[gone], predicted[hit]
        self.active[gone] = False
        return some[~hit]

    def _go_on(self, place: int) -> None:
        if self.run_number[place] + 1 < self.runs:
            self.run_number[place] += 1
            self._begin(place)
            return
        self.run_number[place] = 0
        self.level[place] += 1
        while self.level[place] < self.limit[place] and self.shared[self.level[place]] == self.steps:
            self.level[place] += 1  # the same run again: it cannot fool here either
        level = int(self.level[place])
        if level >= int(self.limit[place]):
            self.active[place] = False
        elif self.branches is None or not self.shared[level]:
            self._begin(place)
        else:
            self.iterates[place] = self.attacks[level].projected(
                self.images[place][None], self.branches[place][None], self.attacks[level].eps
            )[0]
            self.step[place] = int(self.shared[level]) + 1
