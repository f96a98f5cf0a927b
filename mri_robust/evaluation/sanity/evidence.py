"""What the sanity checks look at: gathered once, so that the checks are plain functions of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.attacks.evasion.attack import loss_gradient, predict
from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.core.validation import check_images, check_labels, class_count
from mri_robust.core.progress import OnStep
from mri_robust.core.rng import make_generator
from mri_robust.evaluation.sanity.random_search import RandomSearch

IMAGES = 32
"""Most images that the checks' own attacks see."""
EPS = 4 / 255
LARGE = 0.5
"""The size at which every image can be made the same grey one."""

Accuracies = Mapping[str, Mapping[float, float]]
"""Attack -> epsilon in pixels -> accuracy in [0, 1]."""


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
    """Facts about a model on at most 32 images.

    Attributes:
        low, high: least and greatest pixel of all images as they were handed in.
        training: the model itself, and BatchNorm and dropout layers in it, that were handed in in train mode.
        labels: int64 [N].
        logits, again: [N, K], of two passes over the clean images in eval mode.
        gradient: [N, C, H, W], of the cross entropy at the clean images; zero where none reaches the pixels.
        measured: accuracy of `fgsm`, `pgd` (10 steps of eps/4) and `random search` on these images.
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
        """The width of a gap between two attacks that chance excuses: 5 %, and one image but not two.

        An image on the edge falls to either attack by the luck of PGD's start.
        """
        return max(0.05, 1.5 / len(self.labels))


class _Tethered(nn.Module):
    """The same logits, tied to the pixels by nought: a model that cuts the gradient has a zero one, not an error."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images) + 0.0 * images.flatten(1).sum(1, keepdim=True)


def gather(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    eps: float,
    seed: int,
    observed: Accuracies,
    on_step: OnStep,
) -> Evidence:
    """Look at the model and attack it; the arguments are those of `sanity_checks`."""
    clipped = images.detach().nan_to_num().clamp(0, 1) if isinstance(images, Tensor) else images
    check_images(clipped)
    low, high = (float(bound) for bound in torch.aminmax(images.detach()))
    training, device, tethered = _in_train_mode(model), device_of(model), _Tethered(model)
    # A model that draws at random does so from the global generator, which is lent like the model.
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
            on_step("sanity checks", done, len(attacks))
    return Evidence(low, high, training, truth, logits, again, gradient, measured, observed)


def _attacks(eps: float) -> list[tuple[str, Any]]:
    return [
        ("fgsm", FGSM(eps)),
        ("pgd", PGD(eps, alpha=eps / 4, steps=10)),
        ("pgd", PGD(LARGE, alpha=LARGE / 4, steps=10)),
        ("random search", RandomSearch(eps)),
    ]


def _in_train_mode(model: nn.Module) -> int:
    minded = (module for module in model.modules() if module is model or isinstance(module, (_BatchNorm, _DropoutNd)))
    return sum(module.training for module in minded)
