"""Whatever the parameters, a result lies where it is said to lie."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from toy_models import Linear

from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.attacks.evasion.norms import ascent_direction, project, random_perturbation

TOLERANCE = 1e-6
norms = st.sampled_from(["linf", "l2"])
seeds = st.integers(0, 2**32)
shapes = st.tuples(st.integers(1, 4), st.sampled_from([1, 3]), st.integers(1, 5), st.integers(1, 5))
sizes = st.one_of(st.just(0.0), st.just(1.0), st.floats(1e-4, 1.0))


def scene(shape: tuple[int, int, int, int], seed: int) -> tuple[Linear, Tensor, Tensor]:
    """A random linear model, and images with pixels at 0 and at 1 among them."""
    generator = torch.Generator().manual_seed(seed)
    pixels = shape[1] * shape[2] * shape[3]
    model = Linear(torch.randn(3, pixels, generator=generator), torch.randn(3, generator=generator))
    images = (torch.rand(shape, generator=generator) * 1.4 - 0.2).clamp(0, 1)
    return model, images, torch.randint(3, (shape[0],), generator=generator)


def distance(one: Tensor, other: Tensor, norm: str) -> float:
    delta = (one - other).double().flatten(1)
    return float(delta.norm(dim=1, p=torch.inf if norm == "linf" else 2).max())


@given(shape=shapes, eps=sizes, norm=norms, targeted=st.booleans(), seed=seeds)
def test_fgsm_stays_in_ball_and_box(shape: tuple, eps: float, norm: str, targeted: bool, seed: int) -> None:
    model, images, labels = scene(shape, seed)
    crafted = FGSM(eps, norm=norm, targeted=targeted)(model, images, labels)
    assert crafted.dtype == torch.float32
    assert crafted.shape == images.shape
    assert 0 <= crafted.min() <= crafted.max() <= 1
    assert distance(crafted, images, norm) <= eps + TOLERANCE


@given(
    shape=shapes, eps=sizes, alpha=st.floats(1e-3, 2.0), steps=st.integers(1, 4), norm=norms,
    restarts=st.integers(1, 3), targeted=st.booleans(), keep=st.sampled_from(["last", "best"]),
    clip=st.sampled_from(["after", "before", "end"]), seed=seeds,
)  # fmt: skip
def test_pgd_stays_in_ball_and_box(shape: tuple, seed: int, **parameters: object) -> None:
    """Whatever the clip order: clipping to [0, 1] only brings pixels nearer to an image of [0, 1]."""
    model, images, labels = scene(shape, seed)
    attack = PGD(**parameters)
    crafted = attack(model, images, labels, generator=torch.Generator().manual_seed(seed))
    assert crafted.dtype == torch.float32
    assert crafted.shape == images.shape
    assert not crafted.requires_grad
    assert 0 <= crafted.min() <= crafted.max() <= 1
    assert distance(crafted, images, attack.norm) <= attack.eps + TOLERANCE


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


@given(shape=shapes, eps=sizes, norm=norms, restarts=st.integers(1, 3), seed=seeds)
def test_drawn_starts_lie_in_ball_and_box(shape: tuple, eps: float, norm: str, restarts: int, seed: int) -> None:
    _, images, _ = scene(shape, seed)
    attack = PGD(eps, alpha=0.1, steps=1, norm=norm, restarts=restarts)
    starts = attack.draw_start(images, torch.Generator().manual_seed(seed))
    assert starts.shape == (restarts, *shape)
    assert 0 <= starts.min() <= starts.max() <= 1
    assert all(distance(start, images, norm) <= eps + TOLERANCE for start in starts)


def test_starts_fill_the_ball_evenly() -> None:
    """L-inf: pixels are uniform. L2 in d dimensions: (radius / eps)^d is uniform, and so is the direction."""
    from scipy.stats import kstest

    generator = torch.Generator().manual_seed(0)
    box = random_perturbation((500, 1, 2, 2), 0.3, "linf", generator).flatten().double()
    assert kstest(box / 0.6 + 0.5, "uniform").pvalue > 0.001
    ball = random_perturbation((2000, 1, 2, 2), 0.3, "l2", generator).flatten(1).double()
    assert kstest((ball.norm(dim=1) / 0.3) ** 4, "uniform").pvalue > 0.001
    assert (ball.mean(0).abs() < 0.02).all()


@given(shape=shapes, eps=st.floats(0, 3), norm=norms, seed=seeds)
def test_projection_keeps_the_inside_and_is_the_nearest_point(shape: tuple, eps: float, norm: str, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    delta = torch.randn(shape, generator=generator)
    projected = project(delta, eps, norm)
    zero = torch.zeros(shape)
    assert distance(projected, zero, norm) <= eps + TOLERANCE
    torch.testing.assert_close(project(projected, eps, norm), projected, rtol=0, atol=1e-6)
    other = project(delta + 0.3 * torch.randn(shape, generator=generator), eps, norm)
    away, away_other = ((delta - point).flatten(1).norm(dim=1) for point in (projected, other))
    assert (away <= away_other + 1e-5).all()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_vanished_gradient_gives_no_step(norm: str) -> None:
    direction = ascent_direction(torch.zeros(2, 1, 3, 3), norm)
    assert torch.equal(direction, torch.zeros(2, 1, 3, 3))
    assert torch.equal(project(direction, 0.5, norm), direction)


@pytest.mark.parametrize("keep", ["last", "best"])
def test_a_start_outside_the_ball_is_refused_or_brought_back(keep: str) -> None:
    """With `best` the start itself is a candidate: it must not be what comes out."""
    model, images, labels = scene((4, 1, 3, 3), 0)
    attack = PGD(0.05, alpha=0.01, steps=2, keep=keep)
    try:
        crafted = attack(model, images, labels, start=1 - images)
    except ValueError:
        return
    assert distance(crafted, images, "linf") <= 0.05 + TOLERANCE


@pytest.mark.parametrize(
    "attack", [FGSM(0.1), PGD(0.1, alpha=0.05, steps=2), PGD(0.1, alpha=0.05, steps=1, keep="best")]
)
def test_a_result_carries_no_graph_even_if_the_images_do(attack: FGSM | PGD) -> None:
    model, images, labels = scene((2, 1, 3, 3), 0)
    plain = attack(model, images, labels)
    images.requires_grad_(True)
    crafted = attack(model, images, labels)
    assert torch.equal(crafted, plain)
    assert not crafted.requires_grad
    assert images.grad is None
