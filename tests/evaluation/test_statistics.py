"""Paired statistics against SciPy, closed forms and their own guarantees; and the table of pairs."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, bootstrap

from mri_robust.evaluation.statistics import Difference, McNemar, compare_models, mcnemar, paired_bootstrap


def outcomes(both: int, only_a: int, only_b: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    """Two models with these counts of images."""
    counts = [both, only_a, only_b, neither]
    return np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)


def simulated(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Models right on .8 and .7 of images that are hard or easy for both."""
    ease = rng.random(shape)
    return ease < 0.8, (ease < 0.6) | (rng.random(shape) < 0.25)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_binomial_test_of_the_images_that_tell(b: int, c: int) -> None:
    expected = binomtest(b, b + c).pvalue if b + c else 1.0
    assert mcnemar(*outcomes(3, b, c, 4)) == McNemar(b, c, pytest.approx(expected, rel=1e-12))  # type: ignore[arg-type]


TAIL = 2 * sum(comb(101, k) for k in range(38)) / 2**101


@pytest.mark.parametrize(("b", "c", "p_value"), [(0, 5, 2 / 32), (1, 9, 22 / 1024), (7, 7, 1), (37, 64, TAIL)])
def test_mcnemar_by_hand(b: int, c: int, p_value: float) -> None:
    assert mcnemar(*outcomes(3, b, c, 4)).p_value == pytest.approx(p_value)


def test_bootstrap_agrees_with_scipy() -> None:
    a, b = simulated(np.random.default_rng(0), (150,))
    ours = paired_bootstrap(a, b, draws=20_000)
    how = {"n_resamples": 20_000, "method": "percentile", "rng": np.random.default_rng(1)}
    theirs = bootstrap((a.astype(float) - b,), np.mean, **how).confidence_interval
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
    assert paired_bootstrap(a[0], b[0]) == paired_bootstrap(a[:1], b[:1])
    always = paired_bootstrap(np.ones(20, bool), np.zeros(20, bool), draws=999)
    assert always == Difference(1.0, 1.0, 1.0, 2 / 1000)


def test_the_interval_covers_the_truth_and_small_p_values_are_rare_under_the_null() -> None:
    """The difference is .8 - (.6 + .4 * .25) = .1; 285 of 300 intervals shall hold it, give or take 4 sigma."""
    rng = np.random.default_rng(5)
    results = [paired_bootstrap(*simulated(rng, (200,)), draws=400, seed=seed) for seed in range(300)]
    assert abs(sum(each.low <= 0.1 <= each.high for each in results) - 285) <= 4 * np.sqrt(300 * 0.95 * 0.05)
    null = [paired_bootstrap(*(rng.random((2, 200)) < 0.7), draws=400, seed=seed).p_value for seed in range(300)]
    assert sum(value <= 0.05 for value in null) <= 15 + 4 * np.sqrt(300 * 0.05 * 0.95)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 40))
def test_swapping_the_models_turns_the_sign_and_the_seed_decides_the_draws(seed: int, seeds: int, images: int) -> None:
    a, b = simulated(np.random.default_rng(seed), (seeds, images))
    there, back = paired_bootstrap(a, b, draws=50, seed=seed), paired_bootstrap(b, a, draws=50, seed=seed)
    assert (there.mean, there.low, there.high) == pytest.approx((-back.mean, -back.high, -back.low))
    assert there.p_value == back.p_value
    assert there == paired_bootstrap(a, b, draws=50, seed=seed)
    assert paired_bootstrap(a, a.copy(), draws=50) == Difference(0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize("b", [np.ones(3), [True] * 3, np.ones(4, bool), np.ones((1, 3), bool)])
def test_what_is_no_pair_is_refused(b: np.ndarray) -> None:
    for test in (mcnemar, paired_bootstrap):
        with pytest.raises((TypeError, ValueError), match=r"right_b|same shape"):
            test(np.ones(3, bool), b)
    with pytest.raises(ValueError, match="draws"):
        paired_bootstrap(np.ones(3, bool), np.ones(3, bool), draws=0)


def row(model: str, right: str, seed: int = 42, **more: object) -> dict[str, object]:
    about = {"experiment": "fgsm", "attack": "fgsm", "epsilon": 0.1, "steps": None, "value": 0.5, "weights": model}
    return {**about, "model": model, "seed": seed, "right": right, **more}


def test_pairs_by_hand_in_the_order_of_the_models() -> None:
    rows = [row("b", "11001000"), row("a", "11110000"), row("c", "")]
    [pair] = compare_models(rows, ["c", "a", "b"]).to_dict("records")
    assert (pair["model"], pair["other"], pair["n"], pair["seeds"], pair["epsilon"]) == ("a", "b", 8, 1, 0.1)
    assert pair["difference"] == pytest.approx(1 / 8)  # 4 right against 3
    assert (pair["only_model"], pair["only_other"]) == (2, 1)
    assert pair["p_mcnemar"] == pytest.approx(1.0)  # 2 against 1: (1 + 3) / 8, twice
    assert [compare_models(rows)["model"][0], list(compare_models([]).columns)[:2]] == ["b", ["model", "other"]]


OTHERS = [{"epsilon": 0.2}, {"after": "pgd"}, {"attack": "pgd"}, {"seed": 43}, {"right": "101"}]


@pytest.mark.parametrize("other", OTHERS)
def test_what_was_measured_otherwise_is_never_paired(other: dict[str, object]) -> None:
    assert compare_models([row("a", "10"), row("b", "01") | other]).empty


def test_seeds_are_paired_with_each_other_and_mcnemar_is_the_first_ones() -> None:
    random = np.random.default_rng(0)
    ours, theirs = random.random((2, 50)) < 0.8, random.random((2, 50)) < 0.5
    rows = [
        row(name, "".join("01"[int(hit)] for hit in hits[index]), seed)
        for name, hits in (("a", ours), ("b", theirs))
        for index, seed in enumerate((42, 43))
    ]
    [pair] = compare_models(rows).to_dict("records")
    expected, test = paired_bootstrap(ours, theirs), mcnemar(ours[0], theirs[0])
    assert (pair["difference"], pair["ci_low"], pair["ci_high"]) == (expected.mean, expected.low, expected.high)
    assert (pair["only_model"], pair["only_other"], pair["p_mcnemar"]) == (test.b, test.c, test.p_value)
    assert pair["seeds"] == 2
