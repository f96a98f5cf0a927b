"""On a linear model the strongest adversarial image is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from toy_models import Linear, own_labels

from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.evaluation.sweep import epsilon_sweep

SIDE = 5
EPS = {"linf": 0.05, "l2": 0.3}
NORMS = tuple(EPS)


def direction_of(weight: Tensor, norm: str) -> Tensor:
    """The unit step along which w.x rises most, shaped as an image; computed in float64."""
    weight = weight.double().reshape(1, SIDE, SIDE)
    return weight.sign() if norm == "linf" else weight / weight.norm()


def rank_one(classes: int, seed: int = 0) -> tuple[Linear, Tensor]:
    """logits_j = c_j (w.x - w.1/2) with rising c: the first class loses along w, the last class against it."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(SIDE * SIDE, generator=generator)
    levels = torch.linspace(-0.5, 0.5, classes)
    return Linear(levels[:, None] * weight, -levels * weight.sum() / 2), weight


def interior(count: int, seed: int = 3) -> Tensor:
    return 0.35 + 0.3 * torch.rand((count, 1, SIDE, SIDE), generator=torch.Generator().manual_seed(seed))


def at_the_edges(count: int) -> Tensor:
    """Half of the pixels so near to 0 or 1 that a step is cut off."""
    images = torch.rand((count, 1, SIDE, SIDE), generator=torch.Generator().manual_seed(4))
    return torch.where(images < 0.25, images / 50, torch.where(images > 0.75, 1 - images / 50, images))


def attacks(norm: str, targeted: bool) -> list[FGSM | PGD]:
    eps = EPS[norm]
    pgd = {"alpha": eps / 4, "steps": 12, "norm": norm, "targeted": targeted}
    return [
        FGSM(eps, norm=norm, targeted=targeted),
        PGD(eps, random_start=False, **pgd),
        PGD(eps, random_start=False, clip="before", keep="best", **pgd),
        PGD(eps, random_start=False, clip="end", **pgd),
    ]


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("norm", NORMS)
def test_every_attack_finds_the_optimum_inside_the_box(norm: str, classes: int, targeted: bool) -> None:
    model, weight = rank_one(classes)
    images = interior(6)
    labels = torch.tensor([0, classes - 1] * 3)
    sign = torch.where(labels == 0, 1.0, -1.0).double() * (-1 if targeted else 1)
    optimum = images + EPS[norm] * sign.reshape(-1, 1, 1, 1) * direction_of(weight, norm)
    for attack in attacks(norm, targeted):
        torch.testing.assert_close(attack(model, images, labels).double(), optimum, rtol=0, atol=1e-6, msg=str(attack))


@pytest.mark.parametrize("classes", [2, 4])
def test_linf_optimum_with_pixels_cut_off_at_the_box(classes: int) -> None:
    model, weight = rank_one(classes)
    images = at_the_edges(6)
    labels = torch.zeros(6, dtype=torch.int64)
    optimum = (images + EPS["linf"] * direction_of(weight, "linf")).clamp(0, 1)
    assert ((optimum == 0) | (optimum == 1)).any()
    for attack in attacks("linf", targeted=False):
        torch.testing.assert_close(attack(model, images, labels).double(), optimum, rtol=0, atol=1e-6, msg=str(attack))


def box_and_ball_optimum(image: np.ndarray, weight: np.ndarray, eps: float) -> float:
    """Greatest w.(x' - x) with ||x' - x||_2 <= eps and x' in [0, 1]: clip(x + t w), by bisection in t."""
    low, high = 0.0, 1e3
    for _ in range(100):
        middle = (low + high) / 2
        change = np.clip(image + middle * weight, 0, 1) - image
        low, high = (middle, high) if np.linalg.norm(change) <= eps else (low, middle)
    return float(weight @ (np.clip(image + low * weight, 0, 1) - image))


@pytest.mark.parametrize("clip", ["after", "before"])
def test_l2_pgd_comes_near_the_optimum_of_box_and_ball(clip: str) -> None:
    model, weight = rank_one(2)
    images, labels = at_the_edges(6), torch.zeros(6, dtype=torch.int64)
    attack = PGD(0.3, alpha=0.003, steps=300, norm="l2", clip=clip, random_start=False)
    crafted = attack(model, images, labels)
    w = weight.double().numpy()
    for image, found in zip(images.double().flatten(1).numpy(), crafted.double().flatten(1).numpy(), strict=True):
        best = box_and_ball_optimum(image, w, 0.3)
        assert 0.99 * best <= w @ (found - image) <= best + 1e-5


@pytest.mark.parametrize("norm", NORMS)
def test_fgsm_steps_along_the_softmax_gradient_of_any_linear_model(norm: str) -> None:
    generator = torch.Generator().manual_seed(8)
    weight, bias = torch.randn(4, SIDE * SIDE, generator=generator), torch.randn(4, generator=generator)
    images, labels = interior(8), torch.arange(8) % 4
    logits = images.double().flatten(1) @ weight.double().T + bias.double()
    probabilities = logits.softmax(1)
    gradient = (probabilities - torch.nn.functional.one_hot(labels, 4)) @ weight.double()
    unit = gradient.sign() if norm == "linf" else gradient / gradient.norm(dim=1, keepdim=True)
    expected = images + EPS[norm] * unit.reshape(images.shape)
    crafted = FGSM(EPS[norm], norm=norm)(Linear(weight, bias), images, labels)
    torch.testing.assert_close(crafted.double(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("engine", ["native", "art", "torchattacks"])
@pytest.mark.parametrize(("norm", "dual"), [("linf", 1), ("l2", 2)])
def test_accuracy_falls_exactly_where_the_margin_is_used_up(norm: str, dual: int, engine: str) -> None:
    """The prediction flips at epsilon = margin / ||w||_1 in L-inf, margin / ||w||_2 in L2."""
    generator = torch.Generator().manual_seed(5)
    weight = torch.randn(2, SIDE * SIDE, generator=generator) / 8
    images = interior(20)
    model = Linear(weight, torch.zeros(2))
    labels = own_labels(model, images)
    gap = (weight[1] - weight[0]).double()
    margin = (images.double().flatten(1) @ gap).abs()
    flips = margin / gap.norm(dual)
    grid = [0.0, *np.quantile(flips.numpy(), [0.03, 0.21, 0.48, 0.77, 1.0]) * 1.01]
    assert grid[-1] < (0.35 if norm == "linf" else 1.5)  # no pixel leaves [0, 1]

    def pgd(eps: float) -> PGD:
        return PGD(eps, alpha=eps / 3, steps=8, norm=norm, random_start=False)

    table = epsilon_sweep(model, images, labels, pgd, [float(eps) for eps in grid], engine=engine)
    assert table.accuracy.tolist() == pytest.approx([float((flips > eps).double().mean()) for eps in grid])
    assert table.accuracy.iloc[0] == 1
    assert table.accuracy.iloc[-1] == 0
    if norm == "linf":
        fast = epsilon_sweep(model, images, labels, FGSM, [float(eps) for eps in grid], engine=engine)
        assert fast.accuracy.tolist() == table.accuracy.tolist()
