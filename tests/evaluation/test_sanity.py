"""Every sanity check has a model built to trip it, and honest models trip none."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from toy_data import split
from toy_models import Linear, Nameless, assert_unchanged, dyadic_images, own_labels, small_net, state_of, unsettle

from mri_robust.data.dataset import Dataset
from mri_robust.evaluation import sanity
from mri_robust.evaluation.evaluation import Context
from mri_robust.evaluation.sanity import SanityChecks, gather, sanity_checks

SHAPES = dyadic_images(48)
OWN = own_labels(small_net(), SHAPES)
TURNS = torch.arange(48) % 2
NOISE = torch.randn((48, 1, 16, 16), generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
BRIGHT = 0.3 + 0.4 * TURNS[:, None, None, None] + 0.01 * NOISE
"""Brightness .3 and .7 by turns: noise alone, of whatever size, hardly moves the mean."""
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


class Backwards(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor) -> Tensor:
        return images.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return -gradient


class Slope(nn.Module):
    """Margin of class 1, straight from knot to knot, over the mean pixel's way from 1/2 in epsilons.

    The first and the last piece go on for ever.
    """

    def __init__(self, *knots: tuple[float, float]) -> None:
        super().__init__()
        self.places, self.margins = torch.tensor(knots).T.contiguous()

    def forward(self, images: Tensor) -> Tensor:
        shift = (images.flatten(1).mean(1) - 0.5) / sanity.EPS
        piece = torch.searchsorted(self.places, shift.detach()).clamp(1, len(self.places) - 1)
        rise = (self.margins.diff() / self.places.diff())[piece - 1]
        margin = self.margins[piece] + rise * (shift - self.places[piece])
        return torch.stack([-margin, margin], 1)


def brightness() -> Linear:
    """Class 1 if the image is brighter than 1/2 on average."""
    weight = torch.ones(256) / 16
    return Linear(torch.stack([-weight, weight]), torch.tensor([8.0, -8.0])).eval()


def bright(model: nn.Module) -> Case:
    """Nothing within 4/255 fools, with or without gradients; at .5 gradients are needed."""
    return model.eval(), BRIGHT, TURNS


def shapes(model: nn.Module) -> Case:
    """Margins so small that any attack within 4/255 fools many."""
    return model.eval(), SHAPES, OWN


def grey(model: nn.Module) -> Case:
    """Even grey images; with one label only, an epsilon of .5 proves nothing."""
    return model.eval(), torch.full((48, 1, 16, 16), 0.5), torch.ones(48, dtype=torch.int64)


def dropout_left_on() -> nn.Module:
    model = small_net()
    model.dropout.train()
    return model


BARRIER = Slope((-1.0, -1.0), (-0.65, 2.0), (-0.3, 0.5), (0.0, 1.0))
"""A step of one epsilon lands beyond the barrier at -.65; steps of a quarter stay in the dip at -.3."""
VALLEY = Slope((-1.0, 0.15), (-0.5, -0.35), (0.0, 0.15))
"""A step of one epsilon leaps over the valley; steps of a quarter end within a quarter of its floor."""
OUTSIDE = SHAPES.index_put((torch.tensor(40), torch.tensor(0)), torch.tensor(1.25))
"""One image has pixels over 1."""

STUCK = {"zero-gradients", "large-epsilon"}
BROKEN: dict[str, tuple[Case, set[str]]] = {
    "quantised": (bright(Before(brightness(), lambda pixels: (4 * pixels).round() / 4)), STUCK),
    "no gradient": (bright(Before(brightness(), Tensor.detach)), STUCK),
    "saturated": (bright(After(brightness(), lambda logits: 1e4 * logits)), STUCK),
    "not finite": (bright(After(brightness(), lambda logits: logits + (0 * logits).sqrt())), STUCK),
    "softmax": (shapes(After(small_net(), lambda logits: logits.softmax(1))), {"probabilities"}),
    "noise": (shapes(After(small_net(), lambda logits: logits + torch.randn(4) / 100)), {"randomised"}),
    "train mode": ((small_net().train(), SHAPES, OWN), {"train-mode"}),
    "dropout left on": ((dropout_left_on(), SHAPES, OWN), {"train-mode"}),
    "backwards": (shapes(Before(small_net(), Backwards.apply)), {"black-box", "large-epsilon"}),
    "barrier": (grey(BARRIER), {"fgsm-beats-pgd"}),
    "valley": (grey(VALLEY), {"single-step"}),
    "batch": (shapes(After(small_net(), lambda logits: 1.5 * logits - 0.5 * logits.mean(0))), {"batch"}),
    "another order": ((small_net(), SHAPES, (OWN + 1) % 4), {"clean-accuracy"}),
    "constant": (
        shapes(After(small_net(), lambda logits: logits + torch.tensor([30.0, 0, 0, 0]))),
        {"clean-accuracy", "one-answer"},
    ),
    "range": ((small_net(), OUTSIDE, OWN), {"range"}),
    "not a number": ((small_net(), SHAPES.where(OUTSIDE <= 1, torch.nan), OWN), {"range"}),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_model_trips_its_checks_and_no_other(name: str) -> None:
    torch.manual_seed(0)  # of the noise
    case, expected = BROKEN[name]
    findings = sanity_checks(*case)
    assert {finding.check for finding in findings if finding.tripped} == expected
    for finding in findings:
        assert math.isfinite(finding.figure)
        assert "\n" not in finding.message


def trained() -> Case:
    """A small network that tells apart four bright quadrants after 40 steps of training."""
    labels = torch.arange(96) % 4
    images = 0.4 * torch.rand((96, 1, 8, 8), generator=torch.Generator().manual_seed(1))
    for image, label in zip(images, labels.tolist(), strict=True):
        image[0, 4 * (label // 2) :, 4 * (label % 2) :][:4, :4] += 0.3
    model = small_net()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(40):
        optimizer.zero_grad()
        functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
    assert (own_labels(model, images) == labels).all()
    return model, images, labels


def linear() -> Case:
    weight = torch.randn(4, 64, generator=torch.Generator().manual_seed(0))
    model = Linear(weight, -weight.sum(1) / 2).eval()
    return model, SHAPES, own_labels(model, SHAPES)


@pytest.mark.parametrize("case", [lambda: shapes(small_net()), trained, lambda: bright(brightness()), linear])
def test_an_honest_model_trips_none(case: Callable[[], Case]) -> None:
    for eps, seed in ((1 / 255, 0), (sanity.EPS, 1), (16 / 255, 3)):
        findings = sanity_checks(*case(), eps=eps, seed=seed)
        assert not [each.message for each in findings if each.tripped]
    expected = set().union(*(trips for _, trips in BROKEN.values()))
    assert {each.check for each in findings} == set(sanity.CHECKS) == set(sanity.MEANINGS) == expected


def test_figures_are_those_of_the_closed_form() -> None:
    """A linear model is right under an attack where its margin is above eps * ||w||_1; noise finds less."""
    generator = torch.Generator().manual_seed(3)
    images = 0.4 + 0.2 * torch.rand((30, 1, 4, 4), generator=generator)
    weight = torch.randn(2, 16, generator=generator)
    model = Linear(weight, -weight.sum(1) / 2).eval()
    gap = (weight[1] - weight[0]).double()
    reach = ((images.double().flatten(1) - 0.5) @ gap).abs() / gap.abs().sum()
    eps = float(reach.median())
    measured = gather(model, images, own_labels(model, images), eps=eps).measured
    assert measured[sanity.FAST] == pytest.approx(0.5, abs=1 / 30)
    assert measured[sanity.SLOW] == pytest.approx(float((reach > eps).double().mean()), abs=1 / 30)
    assert measured[sanity.UNLIMITED] == 0
    assert 0.5 < measured[sanity.BLIND] <= 1
    backwards = gather(*shapes(Before(small_net(), Backwards.apply))[:2], (OWN + 1) % 4).measured
    assert set(backwards.values()) == {0}  # an attack that makes wrong images right makes none robust


@pytest.mark.parametrize("count", [1, 8, 20, 32])
def test_gaps_between_attacks_trip_above_their_thresholds(count: int) -> None:
    """One image is luck and two are not; a single step may be resisted by .3 more than many."""
    evidence = gather(small_net(), SHAPES[:count], OWN[:count])
    for lucky, tripped in ((1, False), (2, True)):
        measured = {sanity.SLOW: lucky / count, sanity.FAST: 0.0, sanity.BLIND: 0.0}
        for name in ("fgsm-beats-pgd", "black-box"):
            assert sanity.CHECKS[name](replace(evidence, measured=measured))[:2] == (tripped, lucky / count)
    for gap, tripped in ((0.29, False), (0.31, True)):
        assert (
            sanity.CHECKS["single-step"](replace(evidence, measured={sanity.SLOW: 0.5, sanity.FAST: 0.5 + gap}))[0]
            == tripped
        )
    for outputs, tripped in (([0.2, 0.8004], True), ([1.0, 0.0], True), ([2.0, -1.0], False), ([0.2, 0.3], False)):
        changed = replace(evidence, logits=torch.tensor([[0.5, 0.5], outputs]))
        assert sanity.CHECKS["probabilities"](changed)[0] == tripped


def test_the_model_is_left_as_it_was_and_the_seed_decides_what_is_found() -> None:
    model, images = unsettle(After(small_net(), lambda logits: logits + torch.randn(4))), dyadic_images(100)
    before, kept, state = state_of(model), images.clone(), torch.get_rng_state()
    told: list[tuple[int, int]] = []
    sanity_checks(model, images, torch.arange(100) % 4, on_step=lambda *step: told.append(step))
    assert_unchanged(model, before)
    assert torch.equal(images, kept)
    assert torch.equal(torch.get_rng_state(), state)
    assert told == [(done, 4) for done in (1, 2, 3, 4)]
    labels = own_labels(small_net(), images)
    one, again, other = (sanity_checks(small_net(), images, labels, seed=seed) for seed in (1, 1, 2))
    assert one == again != other
    with pytest.raises(TypeError, match="images"):
        sanity_checks(model, (images * 255).byte(), labels)


def test_as_an_evaluation_it_looks_at_images_of_every_class_and_leaves_its_findings() -> None:
    order = TURNS.sort().indices.repeat(4)  # sorted by class, which must not matter
    test = split((255 * BRIGHT[order]).round().byte().numpy(), TURNS[order].numpy())
    dataset = Dataset("bright", test, test, ("dark", "light"), "bright")
    for cut, expected in ((False, set()), (True, STUCK)):
        context = Context(Before(brightness(), Tensor.detach if cut else Tensor.clone).eval(), dataset)
        assert list(SanityChecks(seed=1)(context)) == []
        assert {each["check"] for each in context.artefacts["findings"] if each["tripped"]} == expected
