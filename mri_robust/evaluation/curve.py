"""Accuracy over epsilon for anybody's model: exact, image by image, and with as few passes as the question needs."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from mri_robust.attacks.climb import Differentiate
from mri_robust.attacks.evasion.attack import loss_gradient
from mri_robust.attacks.ladder import Ladder
from mri_robust.attacks.registry import EVASION
from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.core.validation import check_choice, check_count, check_images, check_labels, check_number, class_count
from mri_robust.core.intervals import wilson
from mri_robust.core.progress import OnImages
from mri_robust.evaluation.each_epsilon import fgsm_predictions, registered_predictions
from mri_robust.evaluation.survivors import strong_attacks
from mri_robust.models.folded import attack_copy
from mri_robust.training import to_unit_range

CHUNK = 512
"""Images that are float32 in memory at a time."""
PROBE = 2
"""Images on which a faster copy of the model has to give the same logits."""
ATTACKS = (*EVASION.names(), "worst-case")


@dataclass(frozen=True)
class CurveSettings:
    """How to attack.

    Attributes:
        attack: `fgsm` (one step, exact at each epsilon), `pgd` (one run from the image), `worst-case` (PGD with
            restarts, then APGD-CE, targeted APGD and Square of torchattacks on what is left), or another attack of the
            registry, made of an epsilon alone.
        steps: of PGD.
        alpha_share: PGD's step as a share of epsilon.
        alpha: greatest step in pixels; None for no such bound.
        restarts: PGD's random starts in the worst case.
        precision: `fp32`, or `bf16` to craft PGD in half precision, each success confirmed in float32.
        batch: images at once.
        seed: of random starts.

    Raises:
        TypeError, ValueError: a setting of the wrong type or out of range.
    """

    attack: str = "pgd"
    steps: int = 40
    alpha_share: float = 0.25
    alpha: float | None = None
    restarts: int = 5
    precision: str = "fp32"
    batch: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("attack", self.attack, ATTACKS)
        check_choice("precision", self.precision, ("fp32", "bf16"))
        for name in ("steps", "restarts", "batch"):
            check_count(name, getattr(self, name))
        check_number("alpha_share", self.alpha_share, 0.0, open_low=True)
        if self.alpha is not None:
            check_number("alpha", self.alpha, 0.0, open_low=True)

    def step_at(self, eps: float) -> float:
        """PGD's step size at one epsilon."""
        step = eps * self.alpha_share
        return step if self.alpha is None else min(step, self.alpha)


@dataclass(frozen=True)
class Curve:
    """What became of each image at each epsilon.

    Attributes:
        epsilons: rising, the first one 0 for the clean images.
        predicted: int64 [len(epsilons), N], what the model calls each attacked image; where it counts as fooled because
            a smaller epsilon fools it, what it is called there.
        labels: int64 [N].
        attack: what was asked.
    """

    epsilons: tuple[float, ...]
    predicted: np.ndarray
    labels: np.ndarray
    attack: str

    @property
    def right(self) -> np.ndarray:
        """Whether the model was right, bool [len(epsilons), N]."""
        return self.predicted == self.labels

    def table(self, healthy: Sequence[int] = ()) -> pd.DataFrame:
        """One row an epsilon: `epsilon`, `accuracy`, `ci_low`, `ci_high` (95 % Wilson), `n`.

        Args:
            healthy: the classes without a tumour. With some, and images of others, also `missed_tumour_rate`, the share
                of these images that are called one of them, `missed_ci_low`, `missed_ci_high`, and how many they are,
                `tumours`. The attacks do not aim at those classes: one that does may reach more.
        """
        tumours = ~np.isin(self.labels, healthy) if len(healthy) else np.zeros(len(self.labels), bool)
        rows = []
        for eps, predicted, right in zip(self.epsilons, self.predicted, self.right, strict=True):
            row = {"epsilon": eps, **_share(right, "accuracy", "ci"), "n": len(right)}
            if tumours.any():
                row |= _share(np.isin(predicted[tumours], healthy), "missed_tumour_rate", "missed_ci")
                row["tumours"] = int(tumours.sum())
            rows.append(row)
        return pd.DataFrame(rows)

    def smallest(self) -> np.ndarray:
        """float64 [N]: the smallest epsilon at which each image is fooled, 0 where it is wrong clean, inf for none."""
        fooled = ~self.right
        first = np.where(fooled.any(0), fooled.argmax(0), len(self.epsilons))
        return np.array([*self.epsilons, math.inf])[first]


def _share(hits: np.ndarray, name: str, interval: str) -> dict[str, float]:
    low, high = wilson(int(hits.sum()), len(hits))
    return {name: float(hits.mean()), f"{interval}_low": low, f"{interval}_high": high}


def epsilon_curve(
    model: nn.Module,
    images: np.ndarray | Tensor,
    labels: np.ndarray | Tensor,
    epsilons: Sequence[float],
    settings: CurveSettings | None = None,
    *,
    on_image: OnImages | None = None,
) -> pd.DataFrame:
    """Accuracy over epsilon, an L-inf radius in pixels; see `measure_curve`, which also knows each image's verdict."""
    return measure_curve(model, images, labels, epsilons, settings, on_image=on_image).table()


def measure_curve(
    model: nn.Module,
    images: np.ndarray | Tensor,
    labels: np.ndarray | Tensor,
    epsilons: Sequence[float],
    settings: CurveSettings | None = None,
    *,
    on_image: OnImages | None = None,
) -> Curve:
    """Attack every image at every epsilon.

    Under `pgd` and `worst-case` an image counts as fooled at an epsilon when it is wrong clean or an iterate at that
    epsilon or a smaller one fools it, so the curve never rises. Under other attacks each epsilon is asked by itself.

    Args:
        model: takes float32 images in [0, 1], gives logits; left as it was.
        images: uint8 or float32 in [0, 1], [N, C, H, W]; may be a memory map.
        labels: integers [N].
        epsilons: L-inf radii in pixels, in (0, 1]; sorted, and 0 is added.
        settings: how to attack; PGD of 40 steps of eps/4 when None.
        on_image: called with images done and images in all.

    Raises:
        TypeError, ValueError: images, labels or an epsilon are not as said.
        UserError: a registered attack needs more than an epsilon, or leaves the ball or [0, 1].
    """
    settings = settings or CurveSettings()
    radii = tuple(sorted({float(eps) for eps in epsilons} - {0.0}))
    for eps in radii:
        check_number("epsilon", eps, 0.0, 1.0, open_low=True)
    check_count("number of epsilons", len(radii))
    if len(images) != len(labels) or not len(labels):
        raise ValueError(f"need one label an image and at least one, got {len(images)} images, {len(labels)} labels")
    device, parts = device_of(model), []
    run: _Run | None = None
    with eval_mode(model):
        for begin in range(0, len(labels), CHUNK):
            some = images[begin : begin + CHUNK]
            pixels = to_unit_range(some if isinstance(some, Tensor) else torch.from_numpy(np.array(some))).to(device)
            truth = torch.as_tensor(np.array(labels[begin : begin + CHUNK])).long().to(device)
            check_images(pixels)
            check_labels(truth, pixels, class_count(model, pixels))
            run = run or _Run(model, attack_copy(model, pixels[:PROBE]), radii, settings, len(labels), on_image)
            parts.append(run.climbed(pixels, truth, begin) if run.climbs else run.each_alone(pixels, truth, begin))
    truths = np.array(labels.cpu() if isinstance(labels, Tensor) else labels, dtype=np.int64)
    return Curve((0.0, *radii), np.concatenate(parts, axis=1), truths, settings.attack)


@dataclass(frozen=True)
class _Run:
    """The attack on one chunk of images after the other; `before` counts those of earlier chunks.

    `fast` is the model's copy for attacks.
    """

    model: nn.Module
    fast: nn.Module
    radii: tuple[float, ...]
    settings: CurveSettings
    total: int
    on_image: OnImages | None

    @cached_property
    def differentiate(self) -> Differentiate | None:
        """The gradient to follow, when it is not the copy's own in float32."""
        return _half_gradient(self.fast) if self.settings.precision == "bf16" else None

    @property
    def climbs(self) -> bool:
        """Whether an image climbs from epsilon to epsilon until it is fooled."""
        return self.settings.attack in ("pgd", "worst-case")

    def each_alone(self, images: Tensor, labels: Tensor, before: int) -> np.ndarray:
        """Each epsilon by itself; predicted classes, int64 [epsilons, N]."""
        settings, rows = self.settings, []
        for batch, truth in zip(images.split(settings.batch), labels.split(settings.batch), strict=True):
            if settings.attack == "fgsm":
                predicted = fgsm_predictions(self.fast, batch, truth, self.radii)
            else:
                chance = (settings.seed, before)
                predicted = registered_predictions(settings.attack, self.model, batch, truth, self.radii, chance)
            rows.append(predicted.cpu())
            before += len(truth)
            self._tell(before)
        return torch.cat(rows, dim=1).numpy()

    def climbed(self, images: Tensor, labels: Tensor, before: int) -> np.ndarray:
        """The smallest fooling epsilon by the ladder, then stronger attacks on what is left; int64 [epsilons, N]."""
        settings, strong = self.settings, self.settings.attack == "worst-case"
        ladder = Ladder(
            self.radii,
            tuple(settings.step_at(eps) for eps in self.radii),
            settings.steps,
            settings.restarts if strong else 0,
            settings.batch,
        )
        falls = ladder.climb(
            self.fast,
            images,
            labels,
            differentiate=self.differentiate,
            seed=settings.seed,
            offset=before,
            on_image=lambda done, _: self._tell(before + done),
        )
        if strong:
            falls = strong_attacks(self.model, images, labels, self.radii, falls, settings.batch)
        stands = falls.rungs[None] > torch.arange(-1, len(self.radii))[:, None]
        return torch.where(stands, labels.cpu(), falls.called).numpy()

    def _tell(self, done: int) -> None:
        if self.on_image:
            self.on_image(done, self.total)


def _half_gradient(model: nn.Module) -> Differentiate:
    """The gradient of a bfloat16 copy."""
    half = copy.deepcopy(model).to(torch.bfloat16)

    def differentiate(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        gradient, logits = loss_gradient(half, images.to(torch.bfloat16), labels)
        return gradient.float(), logits.float()

    return differentiate
