"""Certify that libraries craft the same adversarial images from the same start, and stamp the same trigger."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from torch import Tensor, nn

from mri_robust.attacks.evasion.epsilon_sweep import BATCH, Craft
from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.core.packages import installed_version
from mri_robust.core.progress import OnStep, silent
from mri_robust.core.validation import check_images, check_labels
from mri_robust.evaluation.broken_attacks import MUTANTS, catches
from mri_robust.evaluation.comparison import STEPS, Comparison, deviations, installed_engines, standard_checks
from mri_robust.models.external import as_classifier

LIBRARIES = ("mri-robust", "adversarial-robustness-toolbox", "torchattacks", "adv-lib", "torch", "numpy")


@dataclass(frozen=True)
class Certificate:
    """What a cross-check found.

    It has one row for each attack and pair of engines, on `images` images: `bit_identical` and `equal_predictions`,
    shares of them; `max_difference`, of a pixel, None where it is no number; `success_differs`, how many one engine
    fools and the other does not; whether that `passed` the check's `bound`; and a known `deviation`, without a bound.
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
            compared = [row for row in self.rows if not row["deviation"]]
            exact = sum(row["bit_identical"] == 1 for row in compared)
            caught = f"; {len(self.mutants)} of {len(self.mutants)} mutants caught" if self.mutants else ""
            within = f"{len(compared)} comparisons on {self.images} images within bounds"
            known = len(self.rows) - len(compared)
            counted = f"; {known} known deviations counted" if known else ""
            return f"cross-check PASSED: {within}, {exact} of them bit-identical on every image{counted}{caught}"
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
    with_deviations: bool = False,
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
        with_deviations: also count the images on which a library's Auto-PGD, 100 steps long, is not the paper's.
        on_step: called as (what is going on, images done, images in all).

    Raises:
        TypeError, ValueError: images or labels are not as said.
    """
    check_images(images)
    model, classes = as_classifier(model, images[:BATCH])
    check_labels(labels, images, classes)
    crafters = engines or installed_engines()
    # One memory format for all engines: convolutions round otherwise on images that lie channels last.
    asked = Comparison(model, images.contiguous(), labels, classes, seed, on_step or silent)
    side, known = min(images.shape[-2:]), (*standard_checks(steps), *(deviations() if with_deviations else ()))
    checks = [check for check in known if side >= check.least_side and classes >= check.least_classes]
    with eval_mode(model):
        rows = [row for check in checks for row in asked.compare(check, crafters)]
    caught = {} if engines else {mutation: catches(mutation, crafters) for mutation in MUTANTS}
    return Certificate(tuple(rows), caught, len(labels), str(device_of(model)))
