"""Balls, boxes and optima: every result lies where it should, and on linear models it is the closed-form optimum."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest
from torch import Tensor
from torch.nn import functional
from toy_models import Linear, dyadic_images, own_labels, seeded, small_net

from mri_robust.attacks.evasion.epsilon_sweep import attacked_predictions
from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.norms import ascent_direction, project, random_perturbation
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.attacks.evasion.search import Part

TOLERANCE = 1e-6
norms = st.sampled_from(["linf", "l2"])
seeds = st.integers(0, 2**32)
shapes = st.tuples(st.integers(1, 4), st.sampled_from([1, 3]), st.integers(1, 5), st.integers(1, 5))
sizes = st.one_of(st.just(0.0), st.just(1.0), st.floats(1e-4, 1.0))


def scene(shape: tuple[int, int, int, int], seed: int) -> tuple[Linear, Tensor, Tensor]:
    """A random linear model, and images with pixels at 0 and at 1 among them."""
    generator = seeded(seed)
    pixels = shape[1] * shape[2] * shape[3]
    model = Linear(torch.randn(3, pixels, generator=generator), torch.randn(3, generator=generator))
    images = (torch.rand(shape, generator=generator) * 1.4 - 0.2).clamp(0, 1)
    return model, images, torch.randint(3, (shape[0],), generator=generator)


def distance(one: Tensor, other: Tensor, norm: str) -> float:
    delta = (one - other).double().flatten(1)
    return float(delta.norm(dim=1, p=torch.inf if norm == "linf" else 2).max())


@given(
    shape=shapes, eps=sizes, alpha=st.floats(1e-3, 2.0), steps=st.integers(1, 4), norm=norms, seed=seeds,
    restarts=st.integers(1, 3), targeted=st.booleans(), clip=st.sampled_from(["after", "before", "end"]),
)  # fmt: skip
def test_results_and_starts_lie_in_ball_and_box(shape: tuple, seed: int, **parameters: object) -> None:
    """Whatever the clip order: clipping to [0, 1] only brings pixels nearer to an image in [0, 1]."""
    model, images, labels = scene(shape, seed)
    attack = PGD(**parameters)
    starts = attack.draw_start(images, seeded(seed))
    assert starts.shape == (attack.restarts, *shape)
    crafted = [attack(model, images, labels, start=starts)]
    crafted.append(FGSM(attack.eps, norm=attack.norm, targeted=attack.targeted)(model, images, labels))
    for found in crafted if attack.clip == "end" else [*crafted, *starts]:
        assert -TOLERANCE <= found.min() <= found.max() <= 1 + TOLERANCE
        assert distance(found, images, attack.norm) <= attack.eps + TOLERANCE


@given(
    shape=shapes, eps=sizes, clip=st.sampled_from(["after", "end"]), seed=seeds,
    bounds=st.sampled_from([(0.1855, 0.3668), (0.25, 0.75), (-1.0, 2.0)]),
)  # fmt: skip
def test_other_bounds_win_over_the_ball(shape: tuple, eps: float, clip: str, seed: int, bounds: tuple) -> None:
    """Bounds narrower than [0, 1] move pixels further than epsilon, and never further than to the bound."""
    model, images, labels = scene(shape, seed)
    for attack in (FGSM(eps, bounds=bounds), PGD(eps, alpha=eps / 2 + 0.01, steps=3, clip=clip, bounds=bounds)):
        crafted = attack(model, images, labels)
        assert crafted.min() >= torch.tensor(bounds[0])
        assert crafted.max() <= torch.tensor(bounds[1])
        assert distance(crafted, images.clamp(*bounds), "linf") <= eps + TOLERANCE


def test_starts_fill_the_ball_evenly() -> None:
    """L-inf: pixels are uniform. L2 in d dimensions: (radius / eps)^d is uniform, and so is the direction."""
    generator = seeded()
    box = random_perturbation((500, 1, 2, 2), 0.3, "linf", generator).flatten().double()
    assert kstest(box / 0.6 + 0.5, "uniform").pvalue > 0.001
    ball = random_perturbation((2000, 1, 2, 2), 0.3, "l2", generator).flatten(1).double()
    assert kstest((ball.norm(dim=1) / 0.3) ** 4, "uniform").pvalue > 0.001
    assert (ball.mean(0).abs() < 0.02).all()


@given(shape=shapes, eps=st.floats(0, 3), norm=norms, seed=seeds)
def test_projection_keeps_the_inside_and_is_the_nearest_point(shape: tuple, eps: float, norm: str, seed: int) -> None:
    generator = seeded(seed)
    delta = torch.randn(shape, generator=generator)
    projected = project(delta, eps, norm)
    assert distance(projected, torch.zeros(shape), norm) <= eps + TOLERANCE
    torch.testing.assert_close(project(projected, eps, norm), projected, rtol=0, atol=1e-6)
    assert torch.equal(ascent_direction(0 * delta, norm), 0 * delta)  # no gradient, no step
    assert torch.equal(project(0 * delta, eps, norm), 0 * delta)
    each = torch.full((len(delta), 1, 1, 1), eps)
    assert torch.equal(project(delta, each, norm), projected)
    other = project(delta + 0.3 * torch.randn(shape, generator=generator), eps, norm)
    away, away_other = ((delta - point).flatten(1).norm(dim=1) for point in (projected, other))
    assert (away <= away_other + 1e-5).all()


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("targeted", [False, True])
def test_of_several_runs_the_one_that_fools_is_kept_or_else_the_most_harmful(norm: str, targeted: bool) -> None:
    model, images = small_net(), dyadic_images(40)
    labels = (own_labels(model, images) + targeted) % 4
    common = {"eps": 0.03 if norm == "linf" else 0.2, "steps": 2, "norm": norm, "targeted": targeted}
    starts = PGD(restarts=5, **common).draw_start(images, seeded())
    runs = torch.stack([PGD(**common)(model, images, labels, start=start) for start in starts])
    with torch.no_grad():
        logits = torch.stack([model(run) for run in runs])
    fools = (logits.argmax(2) == labels) == targeted
    loss = torch.stack([functional.cross_entropy(each, labels, reduction="none") for each in logits])
    best = torch.where(fools, torch.inf, -loss if targeted else loss).argmax(0)
    crafted = PGD(restarts=5, **common)(model, images, labels, start=starts)
    assert torch.equal(crafted, runs[best, torch.arange(40)])
    assert 0 < fools.any(0).sum() < 40
    assert len(best.unique()) > 2


# Linear models, whose strongest adversarial image is known

SIDE = 5
EPS = {"linf": 0.05, "l2": 0.3}


def rank_one(classes: int) -> tuple[Linear, Tensor]:
    """logits_j = c_j (w.x - w.1/2) with rising c: the first class loses along w, the last class against it."""
    weight = torch.randn(SIDE * SIDE, generator=seeded())
    levels = torch.linspace(-0.5, 0.5, classes)
    return Linear(levels[:, None] * weight, -levels * weight.sum() / 2), weight


def interior(count: int) -> Tensor:
    return 0.35 + 0.3 * torch.rand((count, 1, SIDE, SIDE), generator=seeded(3))


def at_the_edges(count: int) -> Tensor:
    """Half of the pixels so near to 0 or 1 that a step is cut off."""
    images = torch.rand((count, 1, SIDE, SIDE), generator=seeded(4))
    return torch.where(images < 0.25, images / 50, torch.where(images > 0.75, 1 - images / 50, images))


def attacks(norm: str, targeted: bool) -> list[FGSM | PGD]:
    eps = EPS[norm]
    pgd = {"alpha": eps / 4, "steps": 12, "norm": norm, "targeted": targeted, "random_start": False}
    return [
        FGSM(eps, norm=norm, targeted=targeted),
        *(PGD(eps, clip=clip, **pgd) for clip in ("after", "before", "end")),
    ]


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("norm", list(EPS))
def test_every_attack_finds_the_optimum_inside_the_box(norm: str, classes: int, targeted: bool) -> None:
    model, weight = rank_one(classes)
    images, labels = interior(6), torch.tensor([0, classes - 1] * 3)
    sign = torch.where(labels == 0, 1.0, -1.0).double() * (-1 if targeted else 1)
    w = weight.double().reshape(1, SIDE, SIDE)
    optimum = images + EPS[norm] * sign.reshape(-1, 1, 1, 1) * (w.sign() if norm == "linf" else w / w.norm())
    for attack in attacks(norm, targeted):
        torch.testing.assert_close(attack(model, images, labels).double(), optimum, rtol=0, atol=1e-6, msg=str(attack))


@pytest.mark.parametrize("classes", [2, 4])
def test_linf_optimum_with_pixels_cut_off_at_the_box(classes: int) -> None:
    model, weight = rank_one(classes)
    images, labels = at_the_edges(6), torch.zeros(6, dtype=torch.int64)
    optimum = (images + EPS["linf"] * weight.double().reshape(1, SIDE, SIDE).sign()).clamp(0, 1)
    assert ((optimum == 0) | (optimum == 1)).any()
    for attack in attacks("linf", targeted=False):
        torch.testing.assert_close(attack(model, images, labels).double(), optimum, rtol=0, atol=1e-6)


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
    crafted = PGD(0.3, alpha=0.003, steps=300, norm="l2", clip=clip, random_start=False)(model, images, labels)
    w = weight.double().numpy()
    for image, found in zip(images.double().flatten(1).numpy(), crafted.double().flatten(1).numpy(), strict=True):
        best = box_and_ball_optimum(image, w, 0.3)
        assert 0.99 * best <= w @ (found - image) <= best + 1e-5


@pytest.mark.parametrize(("norm", "dual"), [("linf", 1), ("l2", 2)])
def test_the_prediction_flips_exactly_where_the_margin_is_used_up(norm: str, dual: int) -> None:
    """At epsilon = margin / ||w||_1 in L-inf, margin / ||w||_2 in L2."""
    weight = torch.randn(2, SIDE * SIDE, generator=seeded(5)) / 8
    images, model = interior(20), Linear(weight, torch.zeros(2))
    labels = own_labels(model, images)
    gap = (weight[1] - weight[0]).double()
    flips = (images.double().flatten(1) @ gap).abs() / gap.norm(dual)
    grid = [eps * 1.01 for eps in np.quantile(flips.numpy(), [0.03, 0.21, 0.48, 0.77, 1.0])]
    assert grid[-1] < (0.35 if norm == "linf" else 1.5)  # no pixel leaves [0, 1]
    steps = [PGD(float(eps), alpha=eps / 3, steps=8, norm=norm, random_start=False) for eps in grid]
    for series in (steps, [FGSM(float(eps), norm=norm) for eps in grid]):
        found = attacked_predictions(model, Part.of(images, labels), series)
        assert torch.equal(found == labels, torch.stack([flips > eps for eps in grid]))
