"""Certify that three libraries craft the same adversarial images from the same start, and stamp the same trigger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn

from mri_robust.adapters.art import stamp
from mri_robust.attacks.evasion.attack import fooled
from mri_robust.attacks.evasion.epsilon_sweep import BATCH, Craft
from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.attacks.poisoning.creeper import SIDE, Creeper
from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.core.progress import OnStep, silent
from mri_robust.core.rng import make_generator
from mri_robust.core.validation import check_images, check_labels, class_count
from mri_robust.evaluation.certificate import Agreement, Certificate
from mri_robust.evaluation.mutants import MUTANTS, Stamping, WavyModel
from mri_robust.evaluation.robustness import load_engine
from mri_robust.study.config import ENGINES

EPS = 1 / 64
"""About 4/255; a power of two, like the step, so that sums of pixels round alike everywhere."""
ALPHA = 1 / 256
STEPS = 10
L2_EPS, L2_ALPHA = 1.0, 0.25
SELF_TEST_IMAGES = 16
"""Images of the small model on which broken copies must fail."""


@dataclass(frozen=True)
class Check:
    """One attack to compare.

    Attributes:
        name: its row in the certificate.
        attack: the native attack, or a trigger's stamp.
        bound: greatest pixel difference that passes; 0 asks for equal bits.
        equal_success: every image must be fooled by both engines or by neither.
        engines: the engines that have exactly this attack.
        least_side: smallest height and width of an image that the attack works on.
    """

    name: str
    attack: FGSM | PGD | Stamping
    bound: float
    equal_success: bool = True
    engines: tuple[str, ...] = field(default=ENGINES)
    least_side: int = 1

    @property
    def targeted(self) -> bool:
        """Whether the attack aims at the next class."""
        return self.attack.targeted


def standard_checks(steps: int = STEPS) -> tuple[Check, ...]:
    """The attacks of the certificate, and the stamping of the backdoor's trigger; PGD runs `steps` steps.

    L2 PGD is compared in each library's own order of projecting and clipping: torchattacks projects then clips, ART
    clips then projects. ART also rounds its L2 step otherwise, which many steps amplify: that pair has a bound of its
    own, and one step is compared tightly.
    """
    pgd = partial(PGD, EPS, alpha=ALPHA, steps=steps)
    l2 = partial(PGD, L2_EPS, alpha=L2_ALPHA, norm="l2")
    return (
        Check("fgsm", FGSM(EPS), 0.0),
        Check("fgsm targeted", FGSM(EPS, targeted=True), 0.0),
        Check("pgd", pgd(random_start=False), 1e-6),
        Check("pgd start", pgd(), 1e-6),
        Check("pgd start targeted", pgd(targeted=True), 1e-6),
        Check("pgd-l2 one step", l2(steps=1, random_start=False, clip="before"), 1e-6, False, ("native", "art")),
        Check("pgd-l2 project, clip", l2(steps=steps), 1e-6, True, ("native", "torchattacks")),
        Check("pgd-l2 clip, project", l2(steps=steps, clip="before"), 0.05, False, ("native", "art")),
        Check("creeper trigger", Stamping(Creeper()), 0.0, engines=("native", "art"), least_side=SIDE),
    )


def crosscheck(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    steps: int = STEPS,
    seed: int = 0,
    engines: Mapping[str, Craft] | None = None,
    on_step: OnStep | None = None,
) -> Certificate:
    """Run every attack by every engine on the same images from the same start, and compare image by image.

    Everything that rounds is pinned: labels given, eval mode, float32, batches of 64, BatchNorm unfolded, step count
    and last iterate. The creeper trigger is stamped on the same images, unless they are smaller than it is. Then broken
    copies of the native attacks are compared on a small model: they must not pass.

    Args:
        model: takes float32 images in [0, 1], gives logits; left as it was.
        images: float32 [N, C, H, W] in [0, 1].
        labels: int64 [N].
        steps: PGD steps.
        seed: of the injected starts.
        engines: name -> engine, to compare others than `native`, `art`, `torchattacks`.
        on_step: called as (what is going on, images done, images in all).

    Raises:
        TypeError, ValueError: images or labels are not as said.
    """
    check_images(images)
    classes = class_count(model, images)
    check_labels(labels, images, classes)
    crafters = dict(engines) if engines else {name: engine(name) for name in ENGINES}
    # One memory format for all engines: convolutions round otherwise on images that lie channels last.
    comparison = _Comparison(model, images.contiguous(), labels, classes, seed, on_step or silent)
    checks = [check for check in standard_checks(steps) if min(images.shape[-2:]) >= check.least_side]
    with eval_mode(model):
        agreements = [each for check in checks for each in comparison.compare(check, crafters)]
    caught = {} if engines else {mutation: catches(mutation, crafters["art"]) for mutation in MUTANTS}
    return Certificate(tuple(agreements), caught, len(labels), str(device_of(model)))


def catches(mutation: str, reference: Craft) -> bool:
    """Whether a mutation touches a check, and every one that it touches fails on `WavyModel`.

    The broken copy stands in place of the native attack; `reference` is the engine that it is compared with.
    """
    kinds, broken = MUTANTS[mutation]
    model = WavyModel()
    images, labels = model.images(SELF_TEST_IMAGES)
    comparison = _Comparison(model, images, labels, len(model.classes), 0, silent)
    # Of the L2 checks, one is not ART's, one has a single step to lose, and one is too loose for a small fault.
    checks = [check for check in standard_checks() if check.equal_success and "art" in check.engines]
    touched = [check for check in checks if isinstance(check.attack, kinds)]
    found = [comparison.compare(check, {"native": broken, "art": reference}) for check in touched]
    return bool(found) and not any(agreement.passed for [agreement] in found)


def engine(name: str) -> Craft:
    """Whose code runs an attack; a trigger stamps itself, but for ART's stamp."""
    craft = load_engine(name)

    def run(attack: Any, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None) -> Tensor:
        if name == "art" and isinstance(attack, Stamping):
            return stamp(attack.trigger, images)
        crafted: Tensor
        crafted = craft(attack, model, images, labels, start) if craft else attack.craft(model, images, labels, start)
        return crafted

    return run


@dataclass(frozen=True)
class _Comparison:
    model: nn.Module
    images: Tensor
    labels: Tensor
    classes: int
    seed: int
    on_step: OnStep

    def compare(self, check: Check, crafters: Mapping[str, Craft]) -> list[Agreement]:
        """One agreement per pair of engines that have the attack."""
        names = [name for name in crafters if name in check.engines or name not in ENGINES]
        totals = {
            pair: Agreement(check.name, *pair, bound=check.bound, equal_success=check.equal_success)
            for pair in combinations(names, 2)
        }
        device = device_of(self.model)
        for number, begin in enumerate(range(0, len(self.labels), BATCH)):
            images = self.images[begin : begin + BATCH].to(device)
            labels = self.labels[begin : begin + BATCH].to(device)
            if check.targeted:
                labels = (labels + 1) % self.classes
            start = check.attack.draw_start(images, make_generator(self.seed, "crosscheck", number))
            crafted = {name: crafters[name](check.attack, self.model, images, labels, start) for name in names}
            judged = {name: self._judge(result, labels, check.targeted) for name, result in crafted.items()}
            for (one, other), total in totals.items():
                totals[one, other] = total.add(crafted[one], crafted[other], judged[one], judged[other])
            self.on_step(f"cross-check {check.name}", begin + len(labels), len(self.labels))
        return list(totals.values())

    def _judge(self, adversarial: Tensor, labels: Tensor, targeted: bool) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            logits = self.model(adversarial)
        return logits.argmax(1), fooled(logits, labels, targeted)
