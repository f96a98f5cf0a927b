"""Every sanity check has a model built to trip it, and honest models trip none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from toy_models import Linear, Nameless, assert_unchanged, dyadic_images, own_labels, small_net, state_of, unsettle

from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.evaluation.sanity import CHECKS, Finding, sanity_checks
from mri_robust.evaluation.sanity.evidence import EPS, Evidence, gather
from mri_robust.evaluation.sanity.random_search import RandomSearch

IMAGES = dyadic_images(48)
LABELS = own_labels(small_net(), IMAGES)
Case = tuple[nn.Module, Tensor, Tensor]


class After(Nameless):
    """A model with something done to its output."""

    def __init__(self, inner: nn.Module, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__(inner)
        self.change = change

    def forward(self, images: Tensor) -> Tensor:
        return self.change(super().forward(images))


class Before(After):
    """A model with something done to its input."""

    def forward(self, images: Tensor) -> Tensor:
        return self.inner(self.change(images))


class _Backwards(torch.autograd.Function):
    @staticmethod
    def forward(ctx, images: Tensor) -> Tensor:
        return images.clone()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return -gradient


class NearTheMedian(nn.Module):
    """Pixels clamped to within 1/200 of the image's median, then class 1 if they are brighter than 1/2.

    Moving the median means moving half of the pixels, and the gradient shows but those near it: an attack creeps.
    """

    def forward(self, images: Tensor) -> Tensor:
        pixels = images.flatten(1)
        median = pixels.median(1, keepdim=True).values
        brightness = (median + (pixels - median).clamp(-1 / 200, 1 / 200)).mean(1) - 0.5
        return torch.stack([-brightness, brightness], 1)


class Slope(nn.Module):
    """Margin of class 1, straight from knot to knot, over the mean pixel's way from 1/2 in epsilons.

    The first and the last piece go on for ever.
    """

    def __init__(self, *knots: tuple[float, float]) -> None:
        super().__init__()
        self.places, self.margins = torch.tensor(knots).T

    def forward(self, images: Tensor) -> Tensor:
        shift = (images.flatten(1).mean(1) - 0.5) / EPS
        piece = torch.searchsorted(self.places, shift.detach()).clamp(1, len(self.places) - 1)
        rise = (self.margins.diff() / self.places.diff())[piece - 1]
        margin = self.margins[piece] + rise * (shift - self.places[piece])
        return torch.stack([torch.zeros_like(margin), margin], 1)


def spoiled(model: nn.Module) -> Case:
    return model.eval(), IMAGES, LABELS


def noisy() -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    return After(small_net(), lambda logits: logits + 0.01 * torch.randn(logits.shape, generator=generator))


def dropout_left_on() -> Case:
    model = small_net()
    model.dropout.train()
    return model, IMAGES, LABELS


def no_gradient(images: Tensor) -> Tensor:
    return images.detach()


def clamped() -> Case:
    """Images of brightness .3 and .7 by turns: nothing within 4/255 brings either to 1/2."""
    labels = torch.arange(48) % 2
    noise = 0.02 * torch.rand((48, 1, 16, 16), generator=torch.Generator().manual_seed(0)) - 0.01
    return NearTheMedian().eval(), 0.3 + 0.4 * labels[:, None, None, None] + noise, labels


def grey(model: nn.Module) -> Case:
    """Even grey images; with one label only, an epsilon of .5 proves nothing."""
    return model.eval(), torch.full((48, 1, 8, 8), 0.5), torch.ones(48, dtype=torch.int64)


BARRIER = Slope((-1.0, -1.0), (-0.65, 2.0), (-0.3, 0.5), (0.0, 1.0))
"""A step of one epsilon lands beyond the barrier at -.65; steps of a quarter stay in the dip at -.3."""
VALLEY = Slope((-1.0, 0.15), (-0.5, -0.35), (0.0, 0.15))
"""A step of one epsilon leaps over the valley; steps of a quarter end within a quarter of its floor."""

CASES: dict[str, tuple[Case, set[str]]] = {
    "quantised": (spoiled(Before(small_net(), lambda x: (4 * x).round() / 4)), {"zero-gradients"}),
    "no gradient": (spoiled(Before(small_net(), no_gradient)), {"zero-gradients"}),
    "saturated": (spoiled(After(small_net(), lambda logits: 1e4 * logits)), {"zero-gradients"}),
    "not finite": (spoiled(After(small_net(), lambda z: z + (z * 0).sqrt())), {"zero-gradients"}),
    "softmax": (spoiled(After(small_net(), lambda logits: logits.softmax(1))), {"probabilities"}),
    "noise": (spoiled(noisy()), {"randomised"}),
    "dropout left on": (dropout_left_on(), {"train-mode"}),
    "backwards": (spoiled(Before(small_net(), _Backwards.apply)), {"black-box", "large-epsilon"}),
    "clamped": (clamped(), {"large-epsilon"}),
    "barrier": (grey(BARRIER), {"fgsm-beats-pgd"}),
    "valley": (grey(VALLEY), {"single-step"}),
    "range": ((small_net(), 2 * IMAGES - 0.5, LABELS), {"range"}),
}
