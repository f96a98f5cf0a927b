"""Certify that three libraries craft the same adversarial images from the same start, and stamp the same trigger."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations
from typing import Any, ClassVar

import pandas as pd
import torch
from torch import Tensor, nn

from mri_robust.adapters.art import stamp
from mri_robust.attacks.evasion.apgd import APGD, LEAST_CLASSES
from mri_robust.attacks.evasion.attack import Loss, fooled, loss_gradient
from mri_robust.attacks.evasion.epsilon_sweep import BATCH, Craft
from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.attacks.poisoning.backdoor import Trigger
from mri_robust.attacks.poisoning.creeper import SIDE, Creeper
from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.core.packages import installed_version
from mri_robust.core.progress import OnStep, silent
from mri_robust.core.rng import make_generator
from mri_robust.core.validation import check_images, check_labels
from mri_robust.evaluation.robustness import load_engine
from mri_robust.models.external import as_classifier
from mri_robust.study.config import ENGINES

EPS = 1 / 64
"""About 4/255; a power of two, like the step, so that sums of pixels round alike everywhere."""
ALPHA = 1 / 256
STEPS = 10
L2_EPS, L2_ALPHA = 1.0, 0.25
FOUR = LEAST_CLASSES["dlr", True]
TARGETED: dict[str, Any] = {"loss": "dlr", "targets": FOUR - 1}
NOT_ART = ("native", "torchattacks")
SELF_TEST_IMAGES = 16
"""Images of the small model on which broken copies must fail."""
WAVY_SIDE = 16
LIBRARIES = ("mri-robust", "adversarial-robustness-toolbox", "torchattacks", "torch", "numpy")

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
    must also be fooled by both engines or by neither.
    """

    name: str
    attack: Native | Stamping
    bound: float
    equal_success: bool = True
    engines: tuple[str, ...] = ENGINES
    least_side: int = 1
    least_classes: int = 2


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
        Check("pgd-l2 project, clip", l2(steps=steps), 1e-6, engines=NOT_ART),
        Check("pgd-l2 clip, project", l2(steps=steps, clip="before"), 0.05, False, ("native", "art")),
        Check("apgd", APGD(EPS, steps=steps), 1e-6, engines=NOT_ART),
        Check("apgd-l2", APGD(L2_EPS, steps=steps, norm="l2"), 1e-6, engines=NOT_ART),
        Check("apgd targeted", APGD(EPS, steps=steps, **TARGETED), 1e-6, engines=NOT_ART, least_classes=FOUR),
        Check("creeper trigger", Stamping(Creeper()), 0.0, engines=("native", "art"), least_side=SIDE),
    )


@dataclass(frozen=True)
class Certificate:
    """What a cross-check found.

    It has one row for each attack and pair of engines, on `images` images: `bit_identical` and `equal_predictions`,
    shares of them; `max_difference`, of a pixel, None where it is no number; `success_differs`, how many one engine
    fools and the other does not; and whether that `passed` the check's `bound`.
    """

    rows: tuple[dict[str, Any], ...]
    mutants: dict[str, bool]  # mutation of the native attack -> whether the check caught it
    images: int  # how many were compared
    device: str  # where
    about: dict[str, Any] = field(default_factory=dict)  # the model and data compared, plain data

    @property
    def passed(self) -> bool:
        """Whether every bound holds and every mutant was caught."""
        return bool(self.rows) and all(row["passed"] for row in self.rows) and all(self.mutants.values())

    def table(self) -> pd.DataFrame:
        """One line for each row."""
        return pd.DataFrame(self.rows)

    def verdict(self) -> str:
        """One line: what agrees, on how many images, and whether the check bites."""
        if self.passed:
            exact = sum(row["bit_identical"] == 1 for row in self.rows)
            caught = f"; {len(self.mutants)} of {len(self.mutants)} mutants caught" if self.mutants else ""
            compared = f"{len(self.rows)} comparisons on {self.images} images within bounds"
            return f"cross-check PASSED: {compared}, {exact} of them bit-identical on every image{caught}"
        broken = []
        for row in self.rows:
            on_model = f" on {row['model']}" if "model" in row else ""
            broken += [] if row["passed"] else [f"{row['attack']} ({row['engine']} against {row['other']}{on_model})"]
        broken += [f"mutant '{name}' passed" for name, caught in self.mutants.items() if not caught]
        return f"cross-check FAILED: {'; '.join(broken)}"

    def content(self) -> dict[str, Any]:
        """Every figure as plain data, what `crosscheck.json` holds."""
        return {
            "verdict": self.verdict(),
            "passed": self.passed,
            "images": self.images,
            "device": self.device,
            "about": self.about,
            "versions": {name: installed_version(name) for name in LIBRARIES},
            "comparisons": list(self.rows),
            "mutants_caught": self.mutants,
        }


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
    model, classes = as_classifier(model, images[:BATCH])
    check_labels(labels, images, classes)
    crafters = dict(engines) if engines else {name: engine(name) for name in ENGINES}
    # One memory format for all engines: convolutions round otherwise on images that lie channels last.
    asked = _Comparison(model, images.contiguous(), labels, classes, seed, on_step or silent)
    side, known = min(images.shape[-2:]), standard_checks(steps)
    checks = [check for check in known if side >= check.least_side and classes >= check.least_classes]
    with eval_mode(model):
        rows = [row for check in checks for row in asked.compare(check, crafters)]
    caught = {} if engines else {mutation: catches(mutation, crafters) for mutation in MUTANTS}
    return Certificate(tuple(rows), caught, len(labels), str(device_of(model)))


def catches(mutation: str, engines: Mapping[str, Craft]) -> bool:
    """Whether a mutation touches a check, and every one that it touches fails on `WavyModel`.

    The broken copy stands in place of the native attack, and is compared with ART, or where that has not this very
    attack, with torchattacks.
    """
    touches, broken = MUTANTS[mutation]
    model = WavyModel()
    asked = _Comparison(model, *model.images(SELF_TEST_IMAGES), classes=4)
    # Of the L2 checks, one is not ART's, one has a single step to lose, and one is too loose for a small fault.
    checks = [each for each in standard_checks() if each.equal_success and each.name != "pgd-l2 project, clip"]
    others = {each: "art" if "art" in each.engines else "torchattacks" for each in checks if touches(each.attack)}
    found = [asked.compare(check, {"native": broken, name: engines[name]}) for check, name in others.items()]
    return bool(found) and not any(row["passed"] for [row] in found)


def engine(name: str) -> Craft:
    """Whose code runs an attack; a trigger stamps itself, but for ART's stamp."""
    craft = load_engine(name)

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
class _Comparison:
    """A model and images, on which attacks are compared."""

    model: nn.Module
    images: Tensor
    labels: Tensor
    classes: int
    seed: int = 0
    on_step: OnStep = silent

    def compare(self, check: Check, crafters: Mapping[str, Craft]) -> list[dict[str, Any]]:
        """One row per pair of engines that have the attack."""
        names = [name for name in crafters if name in check.engines or name not in ENGINES]
        found: dict[tuple[str, str], list[tuple[Tensor, ...]]] = {pair: [] for pair in combinations(names, 2)}
        device = device_of(self.model)
        for number, begin in enumerate(range(0, len(self.labels), BATCH)):
            images, labels = (each[begin : begin + BATCH].to(device) for each in (self.images, self.labels))
            if check.attack.targeted:
                labels = (labels + 1) % self.classes
            start = check.attack.draw_start(images, make_generator(self.seed, "crosscheck", number))
            crafted = {name: crafters[name](check.attack, self.model, images, labels, start) for name in names}
            with torch.no_grad():
                logits = {name: self.model(made) for name, made in crafted.items()}
            for (one, other), parts in found.items():
                difference = (crafted[one] - crafted[other]).abs().nan_to_num(nan=math.inf).flatten(1).amax(1)
                same = logits[one].argmax(1) == logits[other].argmax(1)
                success = [fooled(logits[name], labels, check.attack.targeted) for name in (one, other)]
                parts.append((difference, same, success[0] != success[1]))
            self.on_step(f"cross-check {check.name}", begin + len(labels), len(self.labels))
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
        "bound": check.bound,
        "passed": greatest <= check.bound and not (check.equal_success and count),
    }


class WavyModel(nn.Module):
    """Four logits that rise and fall many times within the ball, so that every step of an attack tells.

    On a user's model, which may be smooth, a step more or less may change nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.waves = nn.Buffer(torch.randn(64, WAVY_SIDE**2, generator=generator))
        self.mixture = nn.Buffer(torch.randn(4, 64, generator=generator))

    def forward(self, images: Tensor) -> Tensor:
        """Logits [N, 4] of images [N, 1, 16, 16]."""
        return torch.sin(4 * images.flatten(1) @ self.waves.T) @ self.mixture.T

    def images(self, count: int) -> tuple[Tensor, Tensor]:
        """Images well inside [0, 1], and labels."""
        pixels = torch.rand((count, 1, WAVY_SIDE, WAVY_SIDE), generator=torch.Generator().manual_seed(1))
        return 0.25 + pixels / 2, torch.arange(count) % 4


def wrong_sign(attack: Native, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None) -> Tensor:
    """Steps down the loss instead of up."""

    def turned(images: Tensor, labels: Tensor, *loss: Loss) -> tuple[Tensor, Tensor]:
        slope, logits = loss_gradient(model, images, labels, *loss)
        return -slope, logits

    return attack.craft(model, images, labels, start, turned)


def changed(change: Callable[[Any], Native], attack: Any, *rest: Any) -> Tensor:
    """Runs another attack in the place of `attack`: `change`(attack)."""
    return change(attack).craft(*rest)


def moved_trigger(attack: Stamping, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None) -> Tensor:
    """Stamps one pixel further left: the images are moved right, stamped, and moved back."""
    return attack.trigger(images.roll(1, -1)).roll(-1, -1)


@dataclass(frozen=True)
class _LikeliestLast(APGD):
    def target(self, ranked: Tensor, number: int) -> Tensor:
        return ranked[:, number]


def _any_of(*kinds: type) -> Callable[[Any], bool]:
    return lambda attack: isinstance(attack, kinds)


_FEWER = partial(changed, lambda attack: replace(attack, steps=max(1, attack.steps - 1)))
_LAST = partial(changed, lambda attack: _LikeliestLast(attack.eps, steps=attack.steps, **TARGETED))
# A cross-check that passes one of these is worth nothing.
MUTANTS: dict[str, tuple[Callable[[Any], bool], Craft]] = {
    "wrong sign": (_any_of(FGSM, PGD, APGD), wrong_sign),
    "one step fewer": (_any_of(PGD, APGD), _FEWER),
    "no projection": (_any_of(PGD), partial(changed, lambda attack: replace(attack, eps=1.0))),
    "no halving": (_any_of(APGD), partial(changed, lambda attack: replace(attack, rho=0.0))),
    "no momentum": (_any_of(APGD), partial(changed, lambda attack: replace(attack, momentum=0.0))),
    "likeliest target last": (lambda attack: isinstance(attack, APGD) and attack.targets > 0, _LAST),
    "moved trigger": (_any_of(Stamping), moved_trigger),
}
"""Mutation of the native attacks -> the attacks that it touches, and how it runs them."""
