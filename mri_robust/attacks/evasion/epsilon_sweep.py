"""The one engine for accuracy over epsilon. It answers two questions, for any attack:

- `attacked_predictions`: what the model calls each image under each attack by itself.
- `lower`: the worst case over rising epsilons. An image counts as fooled at an epsilon when an attack fools it there or
  at a smaller one: what lies in a small ball lies in a larger one too.

A faster copy of the model, or a coarser number format, may propose steps and successes. Who is fooled is always
confirmed by the model itself, in float32.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn

from mri_robust.attacks.evasion.attack import (
    Attack,
    Gradient,
    Loss,
    checked,
    inside,
    logits_of,
    loss_gradient,
    margin,
    predict,
)
from mri_robust.attacks.evasion.effort import Effort
from mri_robust.attacks.evasion.search import BATCH as SEARCH_BATCH
from mri_robust.attacks.evasion.search import Fooled, Part, Search, is_near, judged, name_of, start_of
from mri_robust.core.eval_mode import eval_mode
from mri_robust.core.progress import OnImages
from mri_robust.core.rng import derive_seed, make_generator, seeded_globals

BATCH = 64
"""Images per batch; fixed, because another size rounds differently."""

Craft = Callable[[Any, nn.Module, Tensor, Tensor, Tensor | None], Tensor]
"""(attack, model, images, labels, start) -> adversarial images: whose code runs a native attack."""


def attacked_predictions(
    model: nn.Module,
    part: Part,
    attacks: Sequence[Any],
    *,
    proposer: nn.Module | None = None,
    judge: nn.Module | None = None,
    craft: Craft | None = None,
    seed: int = 0,
    on_image: OnImages | None = None,
) -> Tensor:
    """Predicted classes under each attack by itself, int64 [attacks, N] on the CPU.

    An attack is a native one, another package's untargeted one, see `call_of`, which gets whole batches of 64, or None
    for the clean images. Those that take their first gradient at the image, such as FGSM at every epsilon, share it.
    Native ones follow the gradients of `proposer`, a faster copy of the model, or are run by the code of `craft`, where
    these are given. What the copy is sure to call by its label counts as such, the model is asked about the others. It
    is in eval mode, `seed` is of random starts, and `on_image` is called with images done and images in all. With a
    `judge`, also in eval mode, the images are crafted on `model`, and it is this other model that is asked about all.
    """
    found = [torch.empty(len(attacks), 0, dtype=torch.int64)]
    for rows in _batches(torch.arange(len(part.labels)), BATCH):
        batch = part.at(rows)
        gradient = _shared_gradient(proposer or model, batch)
        run = partial(run_attack, model, batch, gradient=gradient, seed=seed, craft=craft)
        asked = [batch.images if attack is None else run(attack) for attack in attacks]
        first = judge or proposer or model
        found.append(torch.stack([judged(judge or model, first, each, batch.labels)[0] for each in asked]).cpu())
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
    copies: Sequence[nn.Module] = (),
    seed: int = 0,
    effort: Effort | None = None,
) -> Fooled:
    """Run one attack at rising epsilons on the survivors, and lower where they are fooled.

    An attack whose every iterate counts (`Attack.early_stop`) steps images at different epsilons, runs and steps side
    by side, see `Search`: each leaves as soon as it is fooled and another takes its place, and steps that a run shares
    with the one at the next smaller epsilon are not computed again.

    `before` is from `fooled_clean`, or from another attack: an image is asked only about smaller epsilons than there.
    `attacks` are the attack at each epsilon, rising, untargeted. They follow the first of the faster `copies` of the
    model, and where that ended near the boundary, see `is_near`, the next; the model itself when there is none.
    `effort` is added to. For the others see `attacked_predictions`.
    """
    effort, copies = effort or Effort(), copies or (model,)
    stepped = all(isinstance(each, Attack) and each.early_stop for each in attacks) and _differ_in_eps_alone(attacks)
    if not stepped:
        return _lower_at_each(before, model, part, attacks, copies, seed, effort)
    found, near = before, torch.ones(len(part.labels), len(attacks), dtype=torch.bool)
    how: dict[str, Any] = {"judge": copies[-1], "seed": seed, "effort": effort}
    for copy in copies:
        search = Search(found, model, part, attacks, copy, asked=near, **how)
        found, near = search.run(), search.near
    return found


def _lower_at_each(
    before: Fooled,
    model: nn.Module,
    part: Part,
    attacks: Sequence[Any],
    copies: Sequence[nn.Module],
    seed: int,
    effort: Effort,
) -> Fooled:
    """One epsilon after the other, for attacks that `Search` cannot step.

    A native attack follows a copy's gradient and looks at the model, another package's sees the copy alone.
    """
    index, called = (values.clone() for values in before)
    truth, asked = part.labels.cpu(), torch.ones(len(part.labels), len(attacks), dtype=torch.bool)
    for left, copy in zip(reversed(range(len(copies))), copies, strict=True):
        near = torch.zeros_like(asked)
        for place, attack in enumerate(attacks):
            native = isinstance(attack, Attack)
            gradient = partial(loss_gradient, copy) if native else None
            for some in _batches(torch.nonzero((index > place) & asked[:, place]).flatten(), SEARCH_BATCH):
                batch = part.at(some)
                crafted = run_attack(model if native else copy, batch, attack, gradient=gradient, seed=seed)
                logits = logits_of(model, crafted)
                predicted = logits.argmax(1).cpu()
                hit = predicted != truth[some]
                if copy is not model:
                    proposed = predict(copy, crafted).cpu() != truth[some]
                    effort.proposed += int(proposed.sum())
                    effort.confirmed += int((proposed & hit).sum())
                index[some[hit]], called[some[hit]] = place, predicted[hit]
                if left:
                    least = margin(logits_of(model, batch.images), batch.labels)
                    near[some, place] = ~hit & is_near(least, margin(logits, batch.labels)).cpu()
        asked = near
    return Fooled(index, called)


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

    What other code than ours changes outside of the region is put back. UserError where another package's attack leaves
    [0, 1] or the ball that it states.
    """
    if not isinstance(attack, Attack):
        drawn = (seed, "attack", int(part.places[0]), name_of(attack))
        with eval_mode(model), torch.enable_grad():  # torchattacks, for one, leaves it in train mode
            crafted = call_of(attack)(model, part.images, part.labels, *drawn)
        crafted = checked(attack, crafted, part.images)
    elif craft is not None:
        crafted = craft(attack, model, part.images, part.labels, start_of(attack, part, seed))
    else:
        gradient = inside(gradient or partial(loss_gradient, model), part.region)
        return attack.craft(model, part.images, part.labels, start_of(attack, part, seed), gradient)
    return crafted if part.region is None else torch.where(part.region, crafted, part.images)


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

    def gradient(images: Tensor, labels: Tensor, *loss: Loss, rows: Tensor | None = None) -> tuple[Tensor, Tensor]:
        shared = images is part.images and labels is part.labels and not loss
        return at_clean() if shared else loss_gradient(model, images, labels, *loss)

    return gradient


def _differ_in_eps_alone(attacks: Sequence[Any]) -> bool:
    """Whether the attacks are one, but for epsilon and the size of a step."""
    kinds = [(type(attack), {**vars(attack), "eps": 0, "alpha": 0}) for attack in attacks]
    return all(kind == kinds[0] for kind in kinds)
