"""Accuracy in the worst case, what it cost, and signs that it is too high."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mri_robust.adapters import torchattacks
from mri_robust.attacks.evasion.apgd import APGD, LEAST_CLASSES
from mri_robust.attacks.evasion.attack import input_gradient
from mri_robust.attacks.evasion.effort import Counted, Effort
from mri_robust.attacks.evasion.fmn import FMN
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.attacks.evasion.search import BATCH, Part
from mri_robust.attacks.evasion.strongest import Make, worst_case
from mri_robust.core.eval_mode import device_of
from mri_robust.core.machine import resolve_precision
from mri_robust.core.rng import derive_seed, seeded_globals
from mri_robust.evaluation.evaluation import Context, Finding
from mri_robust.evaluation.robustness import PROBE, Found, ImageByImage, factors_of, in_chunks
from mri_robust.evaluation.rows import Row, figure
from mri_robust.evaluation.sanity import MEANINGS
from mri_robust.evaluation.statistics import median_interval
from mri_robust.models.folded import half_copy
from mri_robust.models.randomised import DRAWS, Averaged, is_random
from mri_robust.study.epsilon import Norm

WORST_CASE = "worst-case"
Survivors = tuple[str, Callable[[int, Norm], Make | FMN]]
"""The name of a stage, and (number of classes, norm) -> how to make its attack of one size, or what finds the least."""
NAMED = 5
"""Most files that a finding names."""


def fmn(steps: int) -> Survivors:
    """The least epsilon of every image."""
    return "fmn", lambda classes, norm: FMN(norm=norm, steps=steps)


def apgd(steps: int) -> Survivors:
    """APGD by cross entropy."""
    return "apgd", lambda classes, norm: partial(APGD, steps=steps, norm=norm)


def apgd_targeted(steps: int) -> Survivors:
    """APGD at every wrong class, by targeted DLR or, where that is not defined, by the difference of logits."""

    def make(classes: int, norm: Norm) -> Make:
        loss: Any = "dlr" if classes >= LEAST_CLASSES["dlr", True] else "margin"
        return partial(APGD, steps=steps, norm=norm, targets=classes - 1, loss=loss)

    return "apgdt", make


def library(name: str, **options: Any) -> Survivors:
    """An attack of torchattacks."""
    make = partial(torchattacks.LibraryAttack, name, options=tuple(options.items()))
    return name.lower(), lambda classes, norm: partial(make, norm=norm)


SURVIVOR_ATTACKS: dict[str, tuple[Survivors, ...]] = {
    "pgd": (),
    "quick": (fmn(30),),
    "standard": (
        fmn(100),
        apgd(100),
        apgd_targeted(100),
        library("FAB", steps=100, multi_targeted=True),
        library("Square", n_queries=5000),
    ),
}
"""Budget -> what follows PGD, in the order of images won per gradient on the study's trained models.

`standard` holds AutoAttack's four (Croce and Hein 2020, arXiv 2003.01690).
"""


@dataclass(frozen=True)
class WorstCase(ImageByImage):
    """Accuracy in the worst case over rising epsilons: PGD with restarts, then stronger attacks on what it leaves.

    An image counts as fooled at an epsilon when it is wrong clean, or when any iterate of any attack at that epsilon or
    at a smaller one fools it. A model that draws at random is asked for its expectation.
    """

    epsilons: tuple[float, ...]  # radii in the `norm`, rising
    images: int
    steps: int = 40  # of PGD, each a quarter of epsilon
    restarts: int = 5
    budget: str = "standard"  # which of `SURVIVOR_ATTACKS` follow
    norm: Norm = "linf"
    region: str = "all"  # where pixels may be changed, one of `data.REGIONS`
    span: tuple[int, int] | None = None

    def stages(self, classes: int) -> list[tuple[str, Make | FMN]]:
        """(name, how to make the attack of one size), in order."""
        rest = [(name, make(classes, self.norm)) for name, make in SURVIVOR_ATTACKS[self.budget]]
        return [("pgd", self.pgd), *rest]

    def pgd(self, eps: float) -> PGD:
        """The first attack."""
        return PGD(eps, steps=self.steps, restarts=self.restarts, norm=self.norm)

    def find(self, context: Context, **where: Any) -> Found:
        """See `find_worst`."""
        test = context.dataset.test
        stages = [make for _, make in self.stages(len(context.dataset.classes))]
        how = {"region": self.region, **where}
        return find_worst(context.model, test.images, test.labels, self.epsilons, stages, **how)

    def rows(self, context: Context, found: Found, chosen: np.ndarray) -> Iterator[Row]:
        """The rates of the clean images, then after the first stage and after the last at every epsilon.

        Then the median of the least epsilons, and what it cost by then.
        """
        dataset, labels = context.dataset, context.dataset.test.labels[chosen]
        names = [name for name, _ in self.stages(len(dataset.classes))]
        index, called, least = found["index"], found["predicted"], _least(found)
        draws = DRAWS if found["random"].any() else None
        yield from self.count(context, np.where(index[-1] < 0, called[-1], labels), chosen, **factors_of(None))
        shown = {names[place]: place for place in (0, len(names) - 1)}
        for place, eps in enumerate(self.epsilons):
            for name, stage in shown.items():
                factors = {**factors_of(self.pgd(eps)), **self._factors(name, draws)}
                predicted = np.where(index[stage] <= place, called[stage], labels)
                yield from self.count(context, predicted, chosen, **factors)
        for name, stage in shown.items():
            for metric in ("gradients", "forward_passes"):
                yield figure(metric, float(found[metric][stage].mean()), n=len(chosen), **self._factors(name, draws))
        middle, low, high = median_interval(least, patients=dataset.test.whose(chosen), seed=self.seed)
        if np.isfinite(middle):
            interval = (low, high if np.isfinite(high) else None)
            yield figure("minimal_epsilon", middle, interval=interval, n=len(chosen), **self._factors(names[-1], draws))
        context.artefacts["minimal_epsilon"] = {
            "region": self.region,
            "files": [dataset.test.names[place] for place in chosen],
            "labels": [dataset.classes[label] for label in labels],
            "epsilon": [None if np.isinf(eps) else eps for eps in least.tolist()],
        }
        findings = indicators(found, [dataset.test.names[place] for place in chosen])
        context.artefacts["findings"] = [asdict(finding) for finding in findings]

    def _factors(self, after: str, draws: int | None) -> Row:
        return {
            "attack": WORST_CASE,
            "engine": "native",
            "norm": self.norm,
            "region": self.region,
            "after": after,
            "budget": self.budget,
            "draws": draws,
        }


def _least(found: Found) -> np.ndarray:
    """float64 [N]: the least epsilon known to fool each image, infinity where nothing does."""
    return np.where(found["least"] < 0, np.inf, found["least"])


def find_worst(
    model: nn.Module,
    images: Any,
    labels: Any,
    epsilons: Sequence[float],
    stages: Sequence[Make | FMN],
    *,
    precision: str = "fp32",
    **where: Any,
) -> Found:
    """`worst_case`, in chunks, with faster copies of the model, and of its expectation where it draws at random.

    `precision` is `fp32`, `bf16` or `auto`; for what else there is see `predict_attacked` and `worst_case`.

    Returns:
        `index` and `predicted`, int64 [stages, N], of `Fooled`; `gradients` and `forward_passes` [stages, N], the mean
        of each image's chunk by then; `least` [N], the least epsilon, -1 where nothing fools; `random`, `stuck` and
        `empty`, bool [N], of models that draw, images whose gradient is zero or not finite, and images that lack the
        region; and the signs of `Effort`, [N].
    """
    half = resolve_precision(precision, device_of(model)) == "bf16"
    ask = partial(_worst_of, epsilons=epsilons, stages=stages, half=half)
    return in_chunks(ask, model, images, labels, **where)


def _worst_of(
    model: nn.Module, part: Part, *, proposer: nn.Module, half: bool, seed: int = 0, **how: Any
) -> dict[str, Tensor]:
    """What `find_worst` says of one chunk."""
    effort, random = Effort(), is_random(model, part.images[:PROBE])
    asked = Counted(Averaged(model) if random else model, effort)
    copies = [asked if random or proposer is model else Counted(proposer, effort)]
    if half and not random:
        copies.insert(0, Counted(half_copy(proposer), effort))
    with seeded_globals(derive_seed(seed, "draws", int(part.places[0]))) if random else nullcontext():
        after, least = worst_case(asked, part, copies=copies, seed=seed, effort=effort, **how)
        stuck = [_is_stuck(copies[-1], part.at(rows)) for rows in torch.arange(len(part.labels)).split(BATCH)]
    each = torch.ones(len(part.labels), dtype=torch.float64)
    totals = {name: getattr(effort, name) for name in ("proposed", "confirmed", "rise", "late", "skipped")}
    return {
        "index": torch.stack([stage.fooled.index for stage in after]),
        "predicted": torch.stack([stage.fooled.predicted for stage in after]),
        "gradients": torch.stack([each * stage.gradients / len(each) for stage in after]),
        "forward_passes": torch.stack([each * stage.forwards / len(each) for stage in after]),
        "least": least.masked_fill(least.isinf(), -1),
        "random": each.bool() & random,
        "stuck": torch.cat(stuck),
        "empty": each == 0 if part.region is None else ~part.region.flatten(1).any(1).cpu(),
        **{name: each * total / len(each) for name, total in totals.items()},
    }


def _is_stuck(model: nn.Module, part: Part) -> Tensor:
    """bool [N] on the CPU: the gradient at the image is zero in every pixel, or not finite in one."""
    gradient = input_gradient(model, part.images, part.labels)[0].flatten(1)
    return ((gradient == 0).all(1) | ~gradient.isfinite().all(1)).cpu()


def indicators(found: Found, files: Sequence[str]) -> list[Finding]:
    """Signs that the robust accuracy is too high (Pintor et al. 2022, arXiv 2106.09947).

    `found` is of `find_worst`, `files` the images' names.
    """
    total = {name: found[name].sum() for name in ("proposed", "confirmed", "rise", "late")}
    late = total["late"] / total["rise"] if total["rise"] > 0 else 0.0
    lost = 1 - total["confirmed"] / total["proposed"] if total["proposed"] else 0.0
    said = {
        "converged": f"{late:.0%} of what PGD won on images that withstood it came in the last tenth of its steps",
        "empty-region": f"{_counted(found['empty'], files)} have no such region",
        "transfer": f"{lost:.0%} of the images that fooled a copy of the model did not fool the model",
        "zero-gradients": f"{_counted(found['stuck'], files)} have a gradient that is zero or not finite",
    }
    figures = (late, found["empty"].mean(), lost, found["stuck"].mean())
    findings = []
    for (check, message), value in zip(said.items(), figures, strict=True):
        most, meaning = SIGNS[check]
        tripped = bool(value > most)
        findings.append(Finding(check, tripped, float(value), f"{message}: {meaning}" if tripped else message))
    return findings


def _counted(hits: np.ndarray, files: Sequence[str]) -> str:
    """`2 of 64 images (a.png, b.png)`; hits bool [N]."""
    named = [file for file, hit in zip(files, hits, strict=True) if hit]
    shown = ", ".join([*named[:NAMED], *(["..."] if len(named) > NAMED else [])])
    return f"{len(named)} of {len(files)} images" + (f" ({shown})" if named else "")


SIGNS = {
    # Half of what comes in the last tenth of the steps when the margin rises steadily.
    "converged": (0.05, "the accuracy is too high; take more steps"),
    "empty-region": (0.0, "nothing in them was attacked, and they count as robust"),
    # A copy that rounds otherwise loses an image on the boundary now and then.
    "transfer": (0.05, "the attacks follow another function, and the accuracy is too high; report it"),
    "zero-gradients": (0.0, MEANINGS["zero-gradients"]),
}
"""Sign -> the greatest figure that is none, and what it means where it is greater."""
