"""Sanity checks that run with every curve: when is a robust accuracy not to be trusted?

After Carlini et al. 2019 (arXiv 1902.06705), Athalye et al. 2018 (arXiv 1802.00420) and Tramer et al. 2020
(arXiv 2002.08347). A check is a function in `CHECKS`: (Evidence) -> Finding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from mri_robust.attacks.evasion.attack import loss_gradient, predict
from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.attacks.evasion.random_search import RandomSearch
from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.core.progress import OnImages, silent_images
from mri_robust.core.rng import make_generator
from mri_robust.core.validation import check_images, check_labels, class_count
from mri_robust.evaluation.evaluation import Context, Evaluation
from mri_robust.evaluation.rows import Row, choose_images
from mri_robust.training import to_unit_range

IMAGES = 32
"""Most images that the checks' own attacks see."""
EPS = 4 / 255
LARGE = 0.5
"""The size at which every image can be made the same grey one."""
GAP = 0.3
"""FGSM accuracy above PGD accuracy by more than this is catastrophic overfitting to a single step."""

Accuracies = Mapping[str, Mapping[float, float]]
"""Attack -> epsilon in pixels -> accuracy in [0, 1]."""


@dataclass(frozen=True)
class Finding:
    """The verdict of a check.

    Attributes:
        check: its name.
        tripped: the curve is not to be trusted as it stands.
        figure: the number behind the verdict.
        message: one line: what was found, with the figure, and, when tripped, what it means for the curve.
    """

    check: str
    tripped: bool
    figure: float
    message: str

    @classmethod
    def of(cls, check: str, tripped: bool, figure: float, *, found: str, meaning: str) -> Finding:
        """A finding whose message is `found`, followed by `meaning` when it is tripped."""
        return cls(check, tripped, figure, f"{found}: {meaning}" if tripped else found)


class Gap(NamedTuple):
    """How far apart two attacks leave the accuracy at one size; the wider is the greater.

    Attributes:
        width: `kept` - `lost`.
        eps: the size in pixels.
        kept, lost: accuracy under either attack.
    """

    width: float
    eps: float
    kept: float
    lost: float


@dataclass(frozen=True)
class Evidence:
    """Facts about a model on at most 32 images, gathered once, so that the checks are plain functions of it.

    Attributes:
        low, high: least and greatest pixel of all images as they were handed in.
        training: the model itself, and BatchNorm and dropout layers in it, that were handed in in train mode.
        labels: int64 [N].
        logits, again: [N, K], of two passes over the clean images in eval mode.
        gradient: [N, C, H, W], of the cross entropy at the clean images; zero where none reaches the pixels.
        measured: accuracy of `fgsm`, `pgd` (10 steps of eps/4) and `random-search` on these images.
        observed: accuracies that the curve itself found, on its own images.
    """

    low: float
    high: float
    training: int
    labels: Tensor
    logits: Tensor
    again: Tensor
    gradient: Tensor
    measured: Accuracies
    observed: Accuracies

    def gaps(self, kept: str, lost: str) -> list[Gap]:
        """Accuracy under `kept` against that under `lost` at each size that has both, never across sets of images."""
        return [
            Gap(source[kept][eps] - source[lost][eps], eps, source[kept][eps], source[lost][eps])
            for source in (self.measured, self.observed)
            for eps in source.get(kept, {}).keys() & source.get(lost, {}).keys()
        ]

    @property
    def slack(self) -> float:
        """The width of a gap between two attacks that may be luck: 5 %, and one image but not two.

        An image on the edge is fooled by either attack depending on PGD's start.
        """
        return max(0.05, 1.5 / len(self.labels))


def black_box(evidence: Evidence) -> Finding:
    """Accuracy under PGD minus that under a black-box attack of the same size; trips above `Evidence.slack`.

    Who sees the gradient can do all that who does not can: a black box that does better has found gradients that lie.
    """
    gap = max(gap for name in ("random-search", "square") for gap in evidence.gaps("pgd", name))
    found = f"black-box search leaves {gap.lost:.0%} right, PGD {gap.kept:.0%} at epsilon {255 * gap.eps:.3g}/255"
    meaning = "the gradient misleads PGD, and its curve is too high"
    return Finding.of("black-box", gap.width > evidence.slack, gap.width, found=found, meaning=meaning)


def fgsm_beats_pgd(evidence: Evidence) -> Finding:
    """Accuracy under PGD minus that under FGSM of the same size; trips above `Evidence.slack`.

    FGSM's image is one that PGD could reach: if it fools and PGD does not, PGD is stuck.
    """
    gap = max(evidence.gaps("pgd", "fgsm"))
    found = f"FGSM leaves {gap.lost:.0%} right, PGD {gap.kept:.0%} at epsilon {255 * gap.eps:.3g}/255"
    meaning = "PGD is stuck on its way, and its curve is too high; use more restarts and other step sizes"
    return Finding.of("fgsm-beats-pgd", gap.width > evidence.slack, gap.width, found=found, meaning=meaning)


def large_epsilon(evidence: Evidence) -> Finding:
    """Accuracy under PGD of epsilon .5; trips above the share of the most frequent label.

    At .5 every image can be made the same grey one, which a model calls one class: no model can be right on more
    than that class's share, at least 1/K of K classes. More is the attack's failure for certain.
    """
    accuracy = evidence.measured["pgd"][LARGE]
    most = torch.bincount(evidence.labels).max().item() / len(evidence.labels)
    found = f"PGD of epsilon {LARGE:g} leaves {accuracy:.0%} right, and no model can keep more than {most:.0%}"
    meaning = "the attack fails even without limits, and the curve is too high"
    return Finding.of("large-epsilon", accuracy > most, accuracy, found=found, meaning=meaning)


def probability_outputs(evidence: Evidence) -> Finding:
    """Greatest distance from 1 of an image's summed outputs; trips within 1e-3 when all outputs lie in [0, 1].

    1e-3 allows for a softmax in half precision; sums of logits lie anywhere.
    """
    logits = evidence.logits
    distance = (logits.sum(1) - 1).abs().max().item()
    tripped = distance <= 1e-3 and bool(((logits >= 0) & (logits <= 1)).all())
    found = f"an image's outputs sum to 1 within {distance:.2g}"
    meaning = "a second softmax in the loss flattens its gradient, and the curve is too high; give what enters softmax"
    return Finding.of("probabilities", tripped, distance, found=found, meaning=meaning)


def randomised(evidence: Evidence) -> Finding:
    """Greatest difference of a logit between two passes over the clean images, in eval mode.

    Trips above 1e-4 of the greatest logit: sums taken in another order, as on a GPU, differ by about 1e-6 of it.
    """
    difference = (evidence.logits - evidence.again).abs().max().item()
    found = f"two passes over the same images differ by up to {difference:.2g} in a logit"
    meaning = "every step of an attack follows another loss, and the curve is too high; average gradients over draws"
    tripped = difference > 1e-4 * evidence.logits.abs().max().item()
    return Finding.of("randomised", tripped, difference, found=found, meaning=meaning)


def pixel_range(evidence: Evidence) -> Finding:
    """How far the furthest pixel of all images lies outside [0, 1]; anything above 0, or not a number, trips."""
    outside = max(0.0, -evidence.low, evidence.high - 1)
    found = f"pixels run from {evidence.low:.4g} to {evidence.high:.4g}"
    meaning = "epsilon means another size there; scale images to [0, 1] and normalise inside the model"
    inside = evidence.low >= 0 and evidence.high <= 1
    return Finding.of("range", not inside, outside, found=found, meaning=meaning)


def single_step(evidence: Evidence) -> Finding:
    """Accuracy under FGSM minus that under PGD of the same size; trips above .3: catastrophic overfitting (Wong et al.
    2020, arXiv 2001.03994).

    A model may lose some accuracy to each further step; one that loses this much was not robust to begin with.
    """
    gap = max(evidence.gaps("fgsm", "pgd"))
    found = f"FGSM leaves {gap.kept:.0%} right, PGD {gap.lost:.0%} at epsilon {255 * gap.eps:.3g}/255"
    meaning = "the model resists a single step only; its FGSM curve says nothing of robustness, read PGD's"
    return Finding.of("single-step", gap.width > GAP, gap.width, found=found, meaning=meaning)


def train_mode(evidence: Evidence) -> Finding:
    """How many of the model, its BatchNorm and its dropout layers were in train mode; one trips.

    Attacks here hold the model in eval mode: the curve is right, but it is not the curve of the model as it was.
    """
    found = f"the model came with train mode on in {evidence.training} places"
    meaning = "the curve shows the model in eval mode, which is not the one that you have; call model.eval() first"
    return Finding.of("train-mode", evidence.training > 0, float(evidence.training), found=found, meaning=meaning)


def zero_gradients(evidence: Evidence) -> Finding:
    """Share of images whose input gradient is zero in every pixel, or not finite in one.

    One image is enough to trip: it counts as robust whatever the attack. A cross entropy in float32 keeps a gradient
    until the margin of the logits passes about 100.
    """
    gradient = evidence.gradient.flatten(1)
    stuck = (gradient == 0).all(1) | ~gradient.isfinite().all(1)
    part = stuck.float().mean().item()
    found = f"{part:.0%} of {len(stuck)} images have an input gradient that is zero or not finite"
    meaning = "gradient attacks cannot move them, and the curve counts them as robust; use a black box or BPDA"
    return Finding.of("zero-gradients", part > 0, part, found=found, meaning=meaning)


CHECKS: tuple[Callable[[Evidence], Finding], ...] = (
    black_box,
    fgsm_beats_pgd,
    large_epsilon,
    probability_outputs,
    randomised,
    pixel_range,
    single_step,
    train_mode,
    zero_gradients,
)


def sanity_checks(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    eps: float = EPS,
    seed: int = 0,
    observed: Accuracies | None = None,
    on_step: OnImages | None = None,
) -> list[Finding]:
    """What every check says of a model and the images of its curve, in about 90 passes over at most 32 images.

    Args:
        model: takes pixels in [0, 1], gives logits; left as it was.
        images: float32 [N, C, H, W] in [0, 1]. Others are reported by the check `range` and clipped for the rest.
        labels: int64 [N].
        eps: size in pixels of the attacks that are compared with each other.
        seed: of the choice of images, of PGD's starts and of the random search.
        observed: the curve's own figures, attack (`fgsm`, `pgd`, `square`) -> epsilon in pixels -> accuracy in [0, 1];
            the comparisons of attacks look at these too.
        on_step: called with attacks done and attacks in all.

    Returns:
        One finding per check, tripped or not, in the order of `CHECKS`.

    Raises:
        TypeError, ValueError: images, labels or eps are not as said.
    """
    evidence = _gather(model, images, labels, eps, seed, observed or {}, on_step or silent_images)
    return [check(evidence) for check in CHECKS]


@dataclass(frozen=True)
class SanityChecks(Evaluation):
    """The sanity checks on some test images; it yields no rows and leaves the findings.

    Attributes:
        eps: size in pixels of the attacks that are compared.
    """

    eps: float = EPS

    def __call__(self, context: Context) -> Iterator[Row]:
        """No rows; see `context.artefacts["findings"]`."""
        test = context.dataset.test
        chosen = choose_images(len(test), IMAGES)
        images = to_unit_range(torch.from_numpy(np.array(test.images[chosen])))
        device = device_of(context.model)
        findings = sanity_checks(
            context.model,
            images.to(device),
            torch.from_numpy(test.labels[chosen]).to(device),
            eps=self.eps,
            seed=self.seed,
            on_step=context.on_step,
        )
        context.artefacts["findings"] = [asdict(finding) for finding in findings]
        yield from ()


class _Tethered(nn.Module):
    """The same logits, tied to the pixels by nought: a model that cuts the gradient has a zero one, not an error."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images) + 0.0 * images.flatten(1).sum(1, keepdim=True)


def _gather(
    model: nn.Module, images: Tensor, labels: Tensor, eps: float, seed: int, observed: Accuracies, on_step: OnImages
) -> Evidence:
    """Look at the model and attack it; the arguments are those of `sanity_checks`."""
    clipped = images.detach().nan_to_num().clamp(0, 1) if isinstance(images, Tensor) else images
    check_images(clipped)
    low, high = (float(bound) for bound in torch.aminmax(images.detach()))
    training, device, tethered = _in_train_mode(model), device_of(model), _Tethered(model)
    # A model that draws at random does so from the global generator, which is put back.
    with eval_mode(model), torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        check_labels(labels, clipped, class_count(model, clipped))
        chosen = torch.randperm(len(labels), generator=make_generator(seed, "sanity images"))[:IMAGES].sort().values
        some, truth = (each[chosen.to(each.device)].to(device) for each in (clipped, labels))
        with torch.no_grad():
            logits, again = tethered(some), tethered(some)
        gradient, _ = loss_gradient(tethered, some, truth)
        standing = logits.argmax(1) == truth
        measured: dict[str, dict[float, float]] = {}
        attacks = _attacks(eps)
        for done, (name, attack) in enumerate(attacks, start=1):
            crafted = attack(tethered, some, truth, generator=make_generator(seed, "sanity", name))
            right = standing & (predict(tethered, crafted) == truth)
            measured.setdefault(name, {})[attack.eps] = int(right.sum()) / len(right)
            on_step(done, len(attacks))
    return Evidence(low, high, training, truth, logits, again, gradient, measured, observed)


def _attacks(eps: float) -> list[tuple[str, Any]]:
    return [
        ("fgsm", FGSM(eps)),
        ("pgd", PGD(eps, steps=10)),
        ("pgd", PGD(LARGE, steps=10)),
        ("random-search", RandomSearch(eps)),
    ]


def _in_train_mode(model: nn.Module) -> int:
    counted = (module for module in model.modules() if module is model or isinstance(module, (_BatchNorm, _DropoutNd)))
    return sum(module.training for module in counted)
