"""Paired statistics against SciPy, closed forms and their own guarantees."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, bootstrap

from mri_robust.evaluation.significance import Difference, McNemar, mcnemar, over_seeds, paired_bootstrap


def outcomes(both: int, only_a: int, only_b: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    """Two models with these counts of images."""
    counts = [both, only_a, only_b, neither]
    return np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)


def simulated(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Models right on .8 and .7 of images that are hard or easy for both."""
    ease = rng.random(shape)
    return ease < 0.8, (ease < 0.6) | (rng.random(shape) < 0.25)


@given(st.integers(0, 40), st.integers(0, 60), st.integers(0, 60), st.integers(0, 40))
def test_mcnemar_is_the_binomial_test_of_the_images_that_tell(both: int, b: int, c: int, neither: int) -> None:
    if not both + b + c + neither:
        return
    result = mcnemar(*outcomes(both, b, c, neither))
    assert (result.b, result.c) == (b, c)
    assert result.p_value == pytest.approx(binomtest(b, b + c).pvalue if b + c else 1.0, rel=1e-12)


@pytest.mark.parametrize(
    ("b", "c", "p_value"),
    [(0, 0, 1), (0, 1, 1), (0, 5, 2 / 32), (6, 0, 2 / 64), (1, 9, 2 * 11 / 1024), (7, 7, 1), (0, 3000, 0)],
)
def test_mcnemar_by_hand(b: int, c: int, p_value: float) -> None:
    assert mcnemar(*outcomes(3, b, c, 4)) == McNemar(b, c, p_value)


def test_mcnemar_of_a_large_test_set() -> None:
    result = mcnemar(*outcomes(50, 3400, 3600, 150))
    assert result.p_value == pytest.approx(binomtest(3400, 7000).pvalue, rel=1e-9)


def test_bootstrap_agrees_with_scipy() -> None:
    a, b = simulated(np.random.default_rng(0), (150,))
    ours = paired_bootstrap(a, b, draws=20_000)
    theirs = bootstrap(
        (a.astype(float) - b,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert ours.mean == pytest.approx(a.mean() - b.mean())
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1 / 150)  # one image


def test_bootstrap_over_seeds_has_the_variance_of_the_closed_form() -> None:
    """Image variance / N + seed variance / S + that of what is left / (S N), with the sample's own moments."""
    rng = np.random.default_rng(3)
    skill = rng.uniform(0.4, 0.95, size=(6, 1))
    a, b = rng.random((6, 90)) < skill, rng.random((6, 90)) < 0.6
    d = a.astype(float) - b
    by_image, by_seed = d.mean(0), d.mean(1)
    rest = d - by_image - by_seed[:, None] + d.mean()
    variance = by_image.var() / 90 + by_seed.var() / 6 + rest.var() / (6 * 90)
    found = paired_bootstrap(a, b, draws=20_000)
    assert found.mean == pytest.approx(d.mean())
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * np.sqrt(variance), rel=0.05)
    alone = paired_bootstrap(a[0], b[0])
    assert alone == paired_bootstrap(a[:1], b[:1])
    assert alone != found


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """The difference is .8 - (.6 + .4 * .25) = .1; 380 of 400 intervals shall hold it, give or take 4 sigma."""
    rng = np.random.default_rng(5)
    results = [paired_bootstrap(*simulated(rng, (200,)), draws=500, seed=seed) for seed in range(400)]
    held = sum(each.low <= 0.1 <= each.high for each in results)
    assert abs(held - 380) <= 4 * np.sqrt(400 * 0.95 * 0.05)


def test_the_interval_over_five_seeds_covers_the_truth_of_the_training() -> None:
    """Models of accuracy .8 and .7 on average, whose seeds differ by .03: one seed's images do not cover that."""
    rng = np.random.default_rng(7)
    held = alone = 0
    for seed in range(200):
        luck = rng.normal(0, 0.03, size=(2, 5, 1))
        ease = rng.random(1000)
        a, b = ease < 0.8 + luck[0], ease < 0.7 + luck[1]
        interval, single = paired_bootstrap(a, b, draws=400, seed=seed), paired_bootstrap(a[0], b[0], draws=400)
        held += interval.low <= 0.1 <= interval.high
        alone += single.low <= 0.1 <= single.high
    assert held > 160
    assert alone < 100


def test_p_values_under_the_null_are_rarely_small() -> None:
    rng = np.random.default_rng(6)
    small = sum(
        paired_bootstrap(*(rng.random((2, 200)) < 0.7), draws=500, seed=seed).p_value <= 0.05 for seed in range(400)
    )
    assert small <= 20 + 4 * np.sqrt(400 * 0.05 * 0.95)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 40))
def test_swapping_the_models_turns_the_sign(seed: int, seeds: int, images: int) -> None:
    a, b = simulated(np.random.default_rng(seed), (seeds, images))
    there, back = paired_bootstrap(a, b, draws=50, seed=seed), paired_bootstrap(b, a, draws=50, seed=seed)
    assert (there.mean, there.low, there.high) == pytest.approx((-back.mean, -back.high, -back.low))
    assert there.p_value == back.p_value
    one, two = mcnemar(a[0], b[0]), mcnemar(b[0], a[0])
    assert (one.b, one.c, one.p_value) == (two.c, two.b, two.p_value)


@given(st.integers(1, 4), st.integers(1, 40))
def test_a_model_does_not_differ_from_itself(seeds: int, images: int) -> None:
    right = np.random.default_rng(images).random((seeds, images)) < 0.7
    assert paired_bootstrap(right, right.copy(), draws=50) == Difference(0.0, 0.0, 0.0, 1.0)
    assert mcnemar(right[0], right[0]) == McNemar(0, 0, 1.0)


def test_a_model_that_is_always_better_is_so_in_every_draw() -> None:
    always = paired_bootstrap(np.ones(20, bool), np.zeros(20, bool), draws=999)
    assert always == Difference(1.0, 1.0, 1.0, 2 / 1000)


def test_pairing_tells_apart_what_separate_intervals_cannot() -> None:
    """Ten images of a thousand more, and none less: a difference, though each rate alone is uncertain by .03."""
    a, b = outcomes(600, 10, 0, 390)
    assert paired_bootstrap(a, b).low > 0
    assert mcnemar(a, b).p_value == 2 / 2**10


def test_the_seed_decides_the_draws() -> None:
    a, b = simulated(np.random.default_rng(0), (3, 100))
    state = np.random.get_state()[1].copy()
    assert paired_bootstrap(a, b, seed=4) == paired_bootstrap(a, b, seed=4) != paired_bootstrap(a, b, seed=5)
    assert (np.random.get_state()[1] == state).all()


@pytest.mark.parametrize(
    ("a", "b", "error"),
    [
        (np.ones(3), np.ones(3), TypeError),
        ([True], [True], TypeError),
        (np.ones(3, bool), np.ones(4, bool), ValueError),
        (np.ones(3, bool), np.ones((1, 3), bool), ValueError),
        (np.ones(0, bool), np.ones(0, bool), ValueError),
        (np.ones((1, 1, 3), bool), np.ones((1, 1, 3), bool), ValueError),
    ],
)
def test_what_is_no_pair_is_refused(a: np.ndarray, b: np.ndarray, error: type[Exception]) -> None:
    for test in (mcnemar, paired_bootstrap):
        with pytest.raises(error, match=r"right_a|same shape"):
            test(a, b)
    with pytest.raises(ValueError, match=r"\[N\], got"):
        mcnemar(np.ones((2, 3), bool), np.ones((2, 3), bool))
    with pytest.raises(ValueError, match="draws"):
        paired_bootstrap(np.ones(3, bool), np.ones(3, bool), draws=0)


def test_mean_and_spread_over_seeds_by_hand() -> None:
    assert over_seeds([0.9, 0.8, 0.7]) == pytest.approx((0.8, 0.1))
    assert over_seeds(np.array([0.5, 0.7])) == pytest.approx((0.6, np.sqrt(0.02)))
    assert over_seeds([0.9]) == (0.9, None)
    with pytest.raises(ValueError, match="one a seed"):
        over_seeds([])


def test_a_tail_of_binomial_coefficients_is_exact() -> None:
    tail = sum(comb(101, k) for k in range(38))
    assert mcnemar(*outcomes(0, 37, 64, 0)).p_value == 2 * tail / 2**101
