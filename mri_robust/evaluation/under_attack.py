"""Predictions of a model under a list of attacks, image by image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.attack import predict
from mri_robust.attacks.worst_case import filled_up
from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.core.rng import make_generator
from mri_robust.evaluation.engines import Engine, attack_batch, load_engine, run_native
from mri_robust.evaluation.prediction import BATCH
from mri_robust.training import to_unit_range

LibraryAttack = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""(model, images, labels) -> adversarial images."""


@dataclass(frozen=True)
class Trial:
    """One attack to run.

    Attributes:
        attack: `FGSM` or `PGD`; None for the clean images.
        worst_case: run it only on images that no earlier trial of this list with `worst_case` has fooled and that are
            right when clean; the others keep the wrong prediction they have.
        then: functions (model, images, labels) -> adversarial images, run on what `attack` leaves standing.
    """

    attack: Any
    worst_case: bool = False
    then: tuple[LibraryAttack, ...] = ()


def predictions_under_attack(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    trials: Sequence[Trial],
    *,
    engine: str = "native",
    seed: int = 0,
    each_member: bool = False,
    first: int = 0,
    on_step: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Predicted classes, int64 [trials, N] on the CPU.

    Args:
        model: takes pixels in [0, 1], gives logits; left as it was.
        images: uint8 or float32 [N, C, H, W].
        labels: int64 [N].
        trials: attacks in the order of the result's rows; worst-case ones in order of rising epsilon.
        engine: `native`, `art` or `torchattacks`.
        seed: of the random starts, which are the same for every engine.
        each_member: attack each member of an `Ensemble` by itself and feed it its own adversarial image.
        first: place of the first image, a whole number of batches, where these are a part of a larger set.
        on_step: called with images done and images in all.

    Raises:
        ValueError: there is no such engine, `first` is within a batch, or a worst case is asked for with `each_member`.
    """
    if each_member and any(trial.worst_case for trial in trials):
        raise ValueError("the worst case is that of the whole ensemble: each_member has none")
    if first % BATCH:
        raise ValueError(f"first must be a multiple of {BATCH}, got {first}")
    crafter = load_engine(engine)
    rows: list[Tensor] = []
    device = device_of(model)
    with eval_mode(model):
        for number, begin in enumerate(range(0, len(labels), BATCH), start=first // BATCH):
            batch = to_unit_range(images[begin : begin + BATCH]).to(device)
            truth = labels[begin : begin + BATCH].to(device)
            shooter = _Shooter(crafter, (seed, number), each_member)
            rows.append(shooter.run(model, batch, truth, trials).cpu())
            if on_step:
                on_step(begin + len(truth), len(labels))
    return torch.cat(rows, dim=1)


class _Shooter:
    """Runs all trials on one batch, and shares what they have in common."""

    def __init__(self, engine: Engine, chance: tuple[int, int], each_member: bool) -> None:
        self.engine = engine
        self.chance = chance
        self.each_member = each_member
        self._directions: dict[tuple[int, Any], Tensor] = {}

    def run(self, model: nn.Module, images: Tensor, labels: Tensor, trials: Sequence[Trial]) -> Tensor:
        clean = predict(model, images)
        plain = strongest = clean
        pursued: set[str] = set()
        rows = []
        for trial in trials:
            if trial.attack is None:
                rows.append(clean)
            elif not trial.worst_case:
                rows.append(self._predict_attacked(model, images, labels, trial.attack))
            else:
                if repr(trial.attack) not in pursued:
                    plain = self._pursue(model, images, labels, trial.attack, plain)
                    pursued.add(repr(trial.attack))
                strongest = torch.where(plain != labels, plain, strongest)
                for library in trial.then:
                    strongest = self._pursue_library(model, images, labels, library, strongest)
                rows.append(strongest if trial.then else plain)
        return torch.stack(rows)

    def _pursue(self, model: nn.Module, images: Tensor, labels: Tensor, attack: Any, worst: Tensor) -> Tensor:
        starts = self._starts(attack, images)

        def follow(chosen: Tensor) -> Tensor:
            begin = None if starts is None else starts[:, chosen]
            return attack_batch(self.engine, attack, model, images[chosen], labels[chosen], starts=begin)

        return _pursue_with(model, labels, follow, worst)

    def _pursue_library(
        self, model: nn.Module, images: Tensor, labels: Tensor, attack: LibraryAttack, worst: Tensor
    ) -> Tensor:
        return _pursue_with(model, labels, lambda chosen: attack(model, images[chosen], labels[chosen]), worst)

    def _predict_attacked(self, model: nn.Module, images: Tensor, labels: Tensor, attack: Any) -> Tensor:
        if not self.each_member:
            return predict(model, self._craft(model, images, labels, attack))
        members: Any = model.members
        crafted = [self._craft(member, images, labels, attack) for member in members]
        with torch.no_grad():
            logits = [member(each) for member, each in zip(members, crafted, strict=True)]
            return model.combine(logits).argmax(1)  # type: ignore[operator]

    def _craft(self, model: nn.Module, images: Tensor, labels: Tensor, attack: Any) -> Tensor:
        if isinstance(attack, FGSM) and self.engine is run_native:
            # The gradient does not depend on epsilon: one serves all sizes.
            key = (id(model), (type(attack), attack.norm, attack.targeted))
            if key not in self._directions:
                self._directions[key] = attack.direction(model, images, labels)
            return attack.apply(images, self._directions[key])
        starts = self._starts(attack, images)
        return attack_batch(self.engine, attack, model, images, labels, starts=starts)

    def _starts(self, attack: Any, images: Tensor) -> Tensor | None:
        seed, batch = self.chance
        return attack.draw_start(images, make_generator(seed, "start", batch, repr(attack)))


def _pursue_with(model: nn.Module, labels: Tensor, follow: Callable[[Tensor], Tensor], worst: Tensor) -> Tensor:
    """Predictions after one more attack on the images that are still right; `follow` attacks those of given indices."""
    standing = worst == labels
    chosen = filled_up(standing)
    if not len(chosen):
        return worst
    found = worst.clone()
    found[chosen] = predict(model, follow(chosen))
    return torch.where(standing, found, worst)
