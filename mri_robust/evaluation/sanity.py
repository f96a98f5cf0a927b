"""Sanity checks that run with every worst case: when is a robust accuracy not to be trusted?

After Carlini et al. 2019 (arXiv 1902.06705), Athalye et al. 2018 (arXiv 1802.00420) and Tramer et al. 2020
(arXiv 2002.08347). What there is to check stands in `CHECKS`.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from mri_robust.attacks.evasion.attack import input_gradient, predict
from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.attacks.evasion.random_search import RandomSearch
from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.core.progress import OnImages, silent
from mri_robust.core.rng import make_generator
from mri_robust.core.validation import check_images, check_labels, to_unit_range
from mri_robust.evaluation.evaluation import Context, Evaluation, Finding
from mri_robust.evaluation.robustness import name_of
from mri_robust.evaluation.rows import Row, choose_images
from mri_robust.models.external import as_classifier
from mri_robust.models.randomised import DRAWS, differ

IMAGES = 32
"""Most images that the checks' own attacks see."""
ALONE = 8
"""Most images that the model is also asked about one at a time."""
EPS = 4 / 255
LARGE = 0.5
"""The size at which every image can be made the same grey one."""
GAP = 0.3
"""FGSM's accuracy above PGD's by more than this is catastrophic overfitting (Wong et al. 2020, arXiv 2001.03994)."""
FAST, SLOW, BLIND = "FGSM", "PGD", "black-box search"
UNLIMITED = f"PGD of epsilon {LARGE:g}"


@dataclass(frozen=True)
class Evidence:
    """Facts about a model on at most 32 images, gathered once, so that the checks are plain functions of it."""

    low: float  # least pixel of all images as they were handed in
    high: float  # and the greatest
    training: int  # how many of the model itself and its BatchNorm and dropout layers were in train mode
    labels: Tensor  # int64 [N]
    logits: Tensor  # [N, K], of the clean images in eval mode
    again: Tensor  # the same, of a second pass
    alone: Tensor  # the same of the first few images, one at a time
    gradient: Tensor  # [N, C, H, W], of the cross entropy at the clean images; zero where none reaches the pixels
    eps: float  # size in pixels of the attacks that are compared
    measured: Mapping[str, float]  # accuracy under `FAST`, `SLOW` (10 steps of eps/4), `BLIND`, and `UNLIMITED`


Verdict = tuple[bool, float, str]
"""Whether a check trips, the figure behind it, and what was found, in words."""


def gap_between(evidence: Evidence, kept: str, lost: str, most: float | None = None) -> Verdict:
    """Accuracy under the attack `kept` less that under `lost`; trips above `most`, or above what may be luck.

    Luck is 5 %, and one image but not two: one on the edge is fooled by either attack depending on PGD's start.
    """
    more, less = evidence.measured[kept], evidence.measured[lost]
    found = f"{lost} leaves {less:.0%} right, {kept} {more:.0%} at epsilon {255 * evidence.eps:.3g}/255"
    luck = max(0.05, 1.5 / len(evidence.labels))
    return more - less > (luck if most is None else most), more - less, found


def large_epsilon(evidence: Evidence) -> Verdict:
    """Accuracy under PGD of epsilon .5; trips above the share of the most frequent label.

    At .5 every image can be made the same grey one, which a model calls one class: no model can be right on more
    than that class's share, at least 1/K of K classes. More is the attack's failure for certain.
    """
    accuracy = evidence.measured[UNLIMITED]
    most = _greatest_share(evidence.labels)
    found = f"{UNLIMITED} leaves {accuracy:.0%} right, and no model can keep more than {most:.0%}"
    return accuracy > most, accuracy, found


def probability_outputs(evidence: Evidence) -> Verdict:
    """Greatest distance from 1 of an image's summed outputs; trips within 1e-3 when all outputs lie in [0, 1].

    1e-3 allows for a softmax in half precision; sums of logits lie anywhere.
    """
    logits = evidence.logits
    distance = (logits.sum(1) - 1).abs().max().item()
    tripped = distance <= 1e-3 and bool(((logits >= 0) & (logits <= 1)).all())
    return tripped, distance, f"an image's outputs sum to 1 within {distance:.2g}"


def randomised(evidence: Evidence) -> Verdict:
    """Greatest difference of a logit between two passes over the clean images, in eval mode.

    For the bound see `models.randomised`.
    """
    difference = (evidence.logits - evidence.again).abs().max().item()
    found = f"two passes over the same images differ by up to {difference:.2g} in a logit"
    return differ(evidence.logits, evidence.again), difference, found


def company(evidence: Evidence) -> Verdict:
    """Greatest difference between a logit of an image alone and in its batch.

    Trips above 1e-3 of the greatest logit, as another batch size rounds otherwise, where two passes over one batch
    differ by less than a quarter of it.
    """
    difference = (evidence.logits[: len(evidence.alone)] - evidence.alone).abs().max().item()
    noise = 4 * (evidence.logits - evidence.again).abs().max().item()
    found = f"an image alone and the same in a batch differ by up to {difference:.2g} in a logit"
    return difference > max(1e-3 * evidence.logits.abs().max().item(), noise), difference, found


def clean_accuracy(evidence: Evidence) -> Verdict:
    """Clean accuracy; trips where it is not above the share of the most frequent of two or more labels."""
    accuracy = (evidence.logits.argmax(1) == evidence.labels).float().mean().item()
    most = _greatest_share(evidence.labels)
    found = f"{accuracy:.0%} of {len(evidence.labels)} clean images are right, and {most:.0%} have the commonest label"
    return accuracy <= most < 1, accuracy, found


def one_answer(evidence: Evidence) -> Verdict:
    """Share of the images that get the most frequent answer; trips over 95 % where the labels are not so uneven."""
    share = _greatest_share(evidence.logits.argmax(1))
    return share > 0.95 >= _greatest_share(evidence.labels), share, f"{share:.0%} of clean images get the same answer"


def _greatest_share(classes: Tensor) -> float:
    return torch.bincount(classes).max().item() / len(classes)


def pixel_range(evidence: Evidence) -> Verdict:
    """How far the furthest pixel of all images lies outside [0, 1]; anything above 0, or not a number, trips."""
    low, high = evidence.low, evidence.high
    return not (low >= 0 and high <= 1), max(0.0, -low, high - 1), f"pixels run from {low:.4g} to {high:.4g}"


def train_mode(evidence: Evidence) -> Verdict:
    """How many of the model, its BatchNorm and its dropout layers were in train mode; one trips.

    Attacks here hold the model in eval mode: the accuracy is right, but it is not that of the model as it was.
    """
    places = evidence.training
    return places > 0, float(places), f"the model came with train mode on in {places} places"


def zero_gradients(evidence: Evidence) -> Verdict:
    """Share of images whose input gradient is zero in every pixel, or not finite in one; one image trips.

    It counts as robust whatever the attack. A cross entropy in float32 keeps a gradient until the margin of the logits
    passes about 100.
    """
    gradient = evidence.gradient.flatten(1)
    stuck = (gradient == 0).all(1) | ~gradient.isfinite().all(1)
    part = stuck.float().mean().item()
    return part > 0, part, f"{part:.0%} of {len(stuck)} images have an input gradient that is zero or not finite"


CHECKS: dict[str, Callable[[Evidence], Verdict]] = {
    "batch": company,
    "black-box": partial(gap_between, kept=SLOW, lost=BLIND),  # who sees the gradient can do all that who does not can
    "clean-accuracy": clean_accuracy,
    "fgsm-beats-pgd": partial(gap_between, kept=SLOW, lost=FAST),  # FGSM's image is one that PGD could reach
    "large-epsilon": large_epsilon,
    "one-answer": one_answer,
    "probabilities": probability_outputs,
    "randomised": randomised,
    "range": pixel_range,
    "single-step": partial(gap_between, kept=FAST, lost=SLOW, most=GAP),
    "train-mode": train_mode,
    "zero-gradients": zero_gradients,
}
MEANINGS = {
    "batch": "the answer depends on the batch, and no single accuracy exists; look for means over the batch in it",
    "black-box": "the gradient misleads PGD, and the accuracy under it is too high",
    "clean-accuracy": "guessing does as well; are the weights loaded, and the outputs in the order of the classes?",
    "fgsm-beats-pgd": "PGD is stuck, and the accuracy under it is too high; use more restarts and other step sizes",
    "large-epsilon": "the attack fails even without limits, and the accuracy under it is too high",
    "one-answer": "it hardly looks at the image; are the weights loaded, and the pixels scaled as it wants them?",
    "probabilities": "a second softmax in the loss flattens its gradient, and the accuracy is too high; give logits",
    "randomised": f"one pass is not enough; the worst case is that of the mean of {DRAWS} passes, others are too high",
    "range": "epsilon means another size there; scale images to [0, 1] and normalise inside the model",
    "single-step": "the model resists a single step only: read its accuracy under PGD, not under FGSM",
    "train-mode": "the accuracy is that of the model in eval mode, not of the one that you have; call model.eval()",
    "zero-gradients": "gradient attacks cannot move them, so that they count as robust; use a black box or BPDA",
}
"""What it means for the robust accuracy that a model trips a check, and what to do."""


def sanity_checks(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    eps: float = EPS,
    seed: int = 0,
    on_step: OnImages | None = None,
) -> list[Finding]:
    """What every check says of a model on some images, in about 90 passes over at most 32 of them.

    Args:
        model: takes pixels in [0, 1], gives logits; left as it was.
        images: float32 [N, C, H, W] in [0, 1]. Others are reported by the check `range` and clipped for the rest.
        labels: int64 [N].
        eps: size in pixels of the attacks that are compared with each other.
        seed: of the choice of images, of PGD's starts and of the random search.
        on_step: called with attacks done and attacks in all.

    Returns:
        One finding per check, tripped or not, in the order of `CHECKS`.

    Raises:
        TypeError, ValueError: images, labels or eps are not as said.
    """
    evidence, findings = gather(model, images, labels, eps=eps, seed=seed, on_step=on_step or silent), []
    for name, check in CHECKS.items():
        tripped, figure, found = check(evidence)
        findings.append(Finding(name, tripped, figure, f"{found}: {MEANINGS[name]}" if tripped else found))
    return findings


@dataclass(frozen=True)
class SanityChecks(Evaluation):
    """The sanity checks on some test images; it yields no rows and leaves the findings."""

    def __call__(self, context: Context) -> Iterator[Row]:
        """No rows; see `context.artefacts["findings"]`."""
        test = context.dataset.test
        chosen = choose_images(len(test), IMAGES)
        images, labels = to_unit_range(test.images[chosen]), torch.from_numpy(test.labels[chosen])
        findings = sanity_checks(context.model, images, labels, seed=self.seed, on_step=context.on_step)
        context.artefacts["findings"] = [asdict(finding) for finding in findings]
        yield from ()


class _Tethered(nn.Module):
    """The same logits, tied to the pixels by nought: a model that cuts the gradient has a zero one, not an error."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images) + 0.0 * images.flatten(1).sum(1, keepdim=True)


def gather(
    model: nn.Module, images: Tensor, labels: Tensor, *, eps: float = EPS, seed: int = 0, on_step: OnImages = silent
) -> Evidence:
    """Look at the model and attack it; arguments and errors as `sanity_checks`."""
    clipped = images.detach().nan_to_num().clamp(0, 1) if isinstance(images, Tensor) else images
    check_images(clipped)
    low, high = (float(bound) for bound in torch.aminmax(images.detach()))
    layers = (each for each in model.modules() if each is model or isinstance(each, (_BatchNorm, _DropoutNd)))
    training, device = sum(each.training for each in layers), device_of(model)
    # A model that draws at random does so from the global generator, which is put back.
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), ExitStack() as stack:
        model, classes = as_classifier(model, clipped[:IMAGES])
        tethered = _Tethered(model)
        stack.enter_context(eval_mode(tethered))
        check_labels(labels, clipped, classes)
        chosen = torch.randperm(len(labels), generator=make_generator(seed, "sanity images"))[:IMAGES].sort().values
        some, truth = (each[chosen.to(each.device)].to(device) for each in (clipped, labels))
        with torch.no_grad():
            logits, again = tethered(some), tethered(some)
            alone = torch.cat([tethered(image) for image in some[:ALONE].split(1)])
        gradient, _ = input_gradient(tethered, some, truth)
        attacks: dict[str, Any] = {FAST: FGSM(eps), SLOW: PGD(eps, steps=10), UNLIMITED: PGD(LARGE, steps=10)}
        attacks[BLIND] = RandomSearch(eps)
        measured = {}
        for name, attack in attacks.items():
            crafted = attack(tethered, some, truth, generator=make_generator(seed, "sanity", name_of(attack)))
            right = (logits.argmax(1) == truth) & (predict(tethered, crafted) == truth)
            measured[name] = int(right.sum()) / len(right)
            on_step(len(measured), len(attacks))
    return Evidence(low, high, training, truth, logits, again, alone, gradient, eps, measured)
