"""What the cross-check compares: one attack, run by two libraries from the same start, image by image."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mri_robust.adapters import adv_lib
from mri_robust.adapters.art import stamp
from mri_robust.attacks.evasion.apgd import APGD, LEAST_CLASSES
from mri_robust.attacks.evasion.attack import fooled
from mri_robust.attacks.evasion.epsilon_sweep import BATCH, Craft
from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.attacks.poisoning.backdoor import Trigger
from mri_robust.attacks.poisoning.creeper import SIDE, Creeper
from mri_robust.core.eval_mode import device_of
from mri_robust.core.progress import OnStep, silent
from mri_robust.core.rng import make_generator
from mri_robust.evaluation.robustness import load_engine
from mri_robust.study.config import ENGINES

EPS = 1 / 64
"""About 4/255; a power of two, like the step, so that sums of pixels round alike everywhere."""
ALPHA = 1 / 256
STEPS = 10
L2_EPS, L2_ALPHA = 1.0, 0.25
FOUR = LEAST_CLASSES["dlr", True]
TARGETED: dict[str, Any] = {"loss": "dlr", "targets": FOUR - 1}
NOT_ART = ("native", "torchattacks")
ADV_LIB = ("native", "adv-lib")
KNOWN = (*ENGINES, "adv-lib")
DEVIATION_IMAGES = 64
"""At most so many images for the attacks of 100 steps that show where a library deviates."""

Native = FGSM | PGD | APGD


@dataclass(frozen=True)
class Stamping:
    """A trigger without random draws in place of an attack: it stamps every image, whatever the model."""

    trigger: Trigger
    targeted: ClassVar[bool] = False

    def craft(self, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None) -> Tensor:
        """The images [N, C, H, W] in [0, 1], stamped; nothing else is used."""
        return self.trigger(images)

    def draw_start(self, images: Tensor, generator: torch.Generator) -> None:
        """Nothing: a stamp begins at the image."""


@dataclass(frozen=True)
class Check:
    """One attack to compare between the engines that have exactly this one, on images of `least_side` pixels or more.

    It passes when no pixel differs by more than `bound`, where 0 asks for equal bits; with `equal_success` every image
    must also be fooled by both engines or by neither. With a `deviation`, how the other engine is known to be another
    attack than the paper's, it has no bound and counts the images on which that matters; the other engine may then run
    `shipped`, what it takes unless told.
    """

    name: str
    attack: Native | Stamping
    bound: float = math.inf
    equal_success: bool = True
    engines: tuple[str, ...] = ENGINES
    least_side: int = 1
    least_classes: int = 2
    deviation: str = ""
    shipped: APGD | None = None

    def attack_of(self, engine: str) -> Native | Stamping:
        """What an engine runs."""
        return self.attack if engine == "native" or self.shipped is None else self.shipped


def standard_checks(steps: int = STEPS) -> tuple[Check, ...]:
    """The attacks of the certificate, and the stamping of the backdoor's trigger; PGD runs `steps` steps.

    L2 PGD is compared in each library's own order of projecting and clipping: torchattacks projects then clips, ART
    clips then projects. ART also rounds its L2 step otherwise, which many steps amplify: that pair has a bound of its
    own, and one step is compared tightly. adv-lib is compared where it is installed, with a step that is halved at
    every look, as it takes another one's decision (see its deviation); in L2 it rounds otherwise too.
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
        Check("pgd-l2 project, clip", l2(steps=steps), 1e-6, engines=NOT_ART),
        Check("pgd-l2 clip, project", l2(steps=steps, clip="before"), 0.05, False, ("native", "art")),
        Check("apgd", APGD(EPS, steps=steps), 1e-6, engines=NOT_ART),
        Check("apgd-l2", APGD(L2_EPS, steps=steps, norm="l2"), 1e-6, engines=NOT_ART),
        Check("apgd targeted", APGD(EPS, steps=steps, **TARGETED), 1e-6, engines=NOT_ART, least_classes=FOUR),
        Check("apgd halved", APGD(EPS, steps=steps, rho=1.0), 1e-6, engines=ADV_LIB),
        Check("apgd-l2 halved", APGD(L2_EPS, steps=steps, norm="l2", rho=1.0), 0.05, False, engines=ADV_LIB),
        Check("creeper trigger", Stamping(Creeper()), 0.0, engines=("native", "art"), least_side=SIDE),
    )


def deviations() -> tuple[Check, ...]:
    """Where a library's Auto-PGD is known not to be the paper's (arXiv 2003.01690)."""
    known, whole = partial(Check, equal_success=False), APGD(EPS / 2)
    l2 = APGD(L2_EPS / 4, norm="l2", steps=2 * STEPS, **TARGETED)
    ten = "takes 10 steps unless told, the paper 100; so do the library's AutoAttack and its targeted APGD"
    first = "every image takes the step of the first one of its batch"
    last = "judges the last iterate alone, and gives up its start where that one fails"
    itself = "compares the best loss with itself, so that a step not halved at one look is halved at the next"
    return (
        known("apgd", whole, engines=NOT_ART, deviation=ten, shipped=APGD(EPS / 2, steps=10)),
        known("apgd-l2 targeted", l2, engines=NOT_ART, least_classes=FOUR, deviation=first),
        known("apgd", whole, engines=("native", "art"), deviation=last),
        known("apgd", whole, engines=ADV_LIB, deviation=itself),
    )


def installed_engines() -> dict[str, Craft]:
    """Name -> engine, of all that are installed."""
    return {name: engine(name) for name in (*ENGINES, *(["adv-lib"] if adv_lib.installed() else []))}


def engine(name: str) -> Craft:
    """Whose code runs an attack; a trigger stamps itself, but for ART's stamp."""
    craft = adv_lib.craft if name == "adv-lib" else load_engine(name)

    def run(
        attack: Native | Stamping, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None
    ) -> Tensor:
        if craft is None:
            return attack.craft(model, images, labels, start)
        if isinstance(attack, Stamping):
            return stamp(attack.trigger, images)
        return craft(attack, model, images, labels, start)

    return run


@dataclass(frozen=True)
class Comparison:
    """A model and images, on which attacks are compared."""

    model: nn.Module
    images: Tensor
    labels: Tensor
    classes: int
    seed: int = 0
    on_step: OnStep = silent

    def compare(self, check: Check, crafters: Mapping[str, Craft]) -> list[dict[str, Any]]:
        """One row per pair of engines that have the attack."""
        names = [name for name in crafters if name in check.engines or name not in KNOWN]
        found: dict[tuple[str, str], list[tuple[Tensor, ...]]] = {pair: [] for pair in combinations(names, 2)}
        device = device_of(self.model)
        images_in_all = min(len(self.labels), DEVIATION_IMAGES) if check.deviation else len(self.labels)
        for number, begin in enumerate(range(0, images_in_all, BATCH)):
            images, labels = (each[begin : begin + BATCH].to(device) for each in (self.images, self.labels))
            if check.attack.targeted:
                labels = (labels + 1) % self.classes
            start = check.attack.draw_start(images, make_generator(self.seed, "crosscheck", number))
            crafted = {name: crafters[name](check.attack_of(name), self.model, images, labels, start) for name in names}
            with torch.no_grad():
                logits = {name: self.model(made) for name, made in crafted.items()}
            for (one, other), parts in found.items():
                difference = (crafted[one] - crafted[other]).abs().nan_to_num(nan=math.inf).flatten(1).amax(1)
                same = logits[one].argmax(1) == logits[other].argmax(1)
                success = [fooled(logits[name], labels, check.attack.targeted) for name in (one, other)]
                parts.append((difference, same, success[0] != success[1]))
            self.on_step(f"cross-check {check.name}", begin + len(labels), images_in_all)
        return [summary(check, *pair, *map(torch.cat, zip(*parts, strict=True))) for pair, parts in found.items()]


def summary(
    check: Check, engine: str, other: str, difference: Tensor, same: Tensor, success_differs: Tensor
) -> dict[str, Any]:
    """A row of the certificate, see `Certificate.rows`, from what was found of each of N images.

    `difference` is the greatest of a pixel, infinite where that is no number; `same`, whether the model gives both
    engines' images one class; `success_differs`, whether only one of the two fools it.
    """
    greatest, count = float(difference.max()), int(success_differs.sum())
    return {
        "attack": check.name,
        "engine": engine,
        "other": other,
        "images": len(difference),
        "bit_identical": int((difference == 0).sum()) / len(difference),
        "max_difference": greatest if math.isfinite(greatest) else None,
        "equal_predictions": int(same.sum()) / len(same),
        "success_differs": count,
        "bound": check.bound if math.isfinite(check.bound) else None,
        "passed": math.isfinite(greatest) and greatest <= check.bound and not (check.equal_success and count),
        "deviation": check.deviation,
    }
