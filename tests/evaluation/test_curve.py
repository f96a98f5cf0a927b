"""The curve of anybody's model: exact, never rising, and the same whatever the number format of images."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from toy_models import Linear, assert_unchanged, dyadic_images, own_labels, small_net, state_of, unsettle

from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.ladder import Falls
from mri_robust.core.eval_mode import eval_mode
from mri_robust.evaluation.curve import CurveSettings, epsilon_curve, measure_curve
from mri_robust.evaluation.survivors import strong_attacks

EPSILONS = (0.004, 0.01, 0.02, 0.1)
MODEL = small_net()
IMAGES = dyadic_images(40)
LABELS = own_labels(MODEL, IMAGES)
LABELS[::5] = (LABELS[::5] + 1) % 4


def right(images: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return (MODEL(images).argmax(1) == LABELS).numpy()


def test_fgsm_is_exact_at_every_epsilon_by_itself() -> None:
    curve = measure_curve(MODEL, IMAGES, LABELS, EPSILONS, CurveSettings(attack="fgsm", batch=7))
    assert np.array_equal(curve.right[0], right(IMAGES))
    for place, eps in enumerate(EPSILONS, start=1):
        assert np.array_equal(curve.right[place], right(FGSM(eps)(MODEL, IMAGES, LABELS)))


@pytest.mark.parametrize("attack", ["pgd", "worst-case"])
def test_the_worst_case_never_rises_and_stronger_is_never_above(attack: str) -> None:
    settings = CurveSettings(attack=attack, steps=5, restarts=2)
    curve = measure_curve(MODEL, IMAGES, LABELS, EPSILONS, settings)
    assert (np.diff(curve.right.astype(int), axis=0) <= 0).all()
    assert np.array_equal(curve.right[0], right(IMAGES))


def test_library_attacks_only_take_away_from_pgd() -> None:
    pgd = measure_curve(MODEL, IMAGES, LABELS, EPSILONS, CurveSettings(attack="pgd", steps=2))
    worst = measure_curve(MODEL, IMAGES, LABELS, EPSILONS, CurveSettings(attack="worst-case", steps=20, restarts=2))
    assert worst.right[1:].sum() < pgd.right[1:].sum()


def test_survivors_are_lowered_to_the_first_radius_that_a_stronger_attack_fools_them_at() -> None:
    right_clean = right(IMAGES)
    falls = Falls(torch.where(torch.from_numpy(right_clean), 2, -1), LABELS.clone())
    with eval_mode(MODEL):
        lowered, called = strong_attacks(MODEL, IMAGES, LABELS, (0.001, 0.3), falls, 16)
    assert torch.equal(called != LABELS, (lowered == 0) | (lowered == 1))
    assert (lowered[~torch.from_numpy(right_clean)] == -1).all()
    assert (lowered == 1).sum() > 20  # at .3 nearly everybody falls, at .001 hardly anybody
    assert (lowered == 0).sum() < 5


def test_half_precision_is_confirmed_so_it_is_never_below_an_attack_that_finds_all() -> None:
    exact, half = (
        measure_curve(MODEL, IMAGES, LABELS, EPSILONS, CurveSettings(steps=5, precision=precision)).right
        for precision in ("fp32", "bf16")
    )
    assert np.array_equal(half[0], exact[0])
    assert abs(half.mean() - exact.mean()) < 0.1


def test_bytes_and_floats_are_the_same_images_and_the_table_counts_them() -> None:
    images = torch.randint(0, 256, (30, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    labels = own_labels(MODEL, images.float() / 255)
    settings = CurveSettings(steps=3)
    table = epsilon_curve(MODEL, images.numpy(), labels.numpy(), (0.02, 0.0, 0.01), settings)
    assert table.equals(epsilon_curve(MODEL, images.float() / 255, labels, (0.01, 0.02), settings))
    assert table["epsilon"].tolist() == [0.0, 0.01, 0.02]
    assert table["accuracy"].iloc[0] == 1.0
    for row in table.itertuples():
        interval = binomtest(round(row.accuracy * 30), 30).proportion_ci(method="wilson")
        assert (row.ci_low, row.ci_high) == pytest.approx((interval.low, interval.high), abs=1e-12)


def test_smallest_is_where_the_image_is_first_wrong() -> None:
    curve = measure_curve(MODEL, IMAGES, LABELS, EPSILONS, CurveSettings(steps=5))
    smallest = curve.smallest()
    for place in range(len(LABELS)):
        wrong = [eps for eps, row in zip(curve.epsilons, curve.right, strict=True) if not row[place]]
        assert smallest[place] == (wrong[0] if wrong else math.inf)


def test_the_model_is_given_back_as_it_was() -> None:
    model = unsettle(small_net())
    before = state_of(model)
    epsilon_curve(model, IMAGES, LABELS, EPSILONS, CurveSettings(steps=2))
    assert_unchanged(model, before)


@pytest.mark.parametrize(
    ("epsilons", "labels", "message"),
    [((), LABELS, "number of epsilons"), ((2.0,), LABELS, "epsilon"), ((0.1,), LABELS[:3], "one label an image")],
)
def test_impossible_questions_are_refused(epsilons, labels, message) -> None:
    with pytest.raises(ValueError, match=message):
        epsilon_curve(MODEL, IMAGES, labels, epsilons)


def test_missed_tumours_are_counted_by_what_the_attacked_images_are_called() -> None:
    """FGSM by itself, so that every prediction is known: rates and intervals of the tumour images called 1 or 2."""
    curve = measure_curve(MODEL, IMAGES, LABELS, EPSILONS, CurveSettings(attack="fgsm"))
    table = curve.table(healthy=(1, 2))
    tumours = (LABELS == 0) | (LABELS == 3)
    assert (table["tumours"] == int(tumours.sum())).all()
    for row in table.itertuples():
        attacked = FGSM(row.epsilon)(MODEL, IMAGES, LABELS) if row.epsilon else IMAGES
        with torch.no_grad():
            called = MODEL(attacked).argmax(1)[tumours]
        missed = int(((called == 1) | (called == 2)).sum())
        interval = binomtest(missed, int(tumours.sum())).proportion_ci(method="wilson")
        assert row.missed_tumour_rate == pytest.approx(missed / int(tumours.sum()))
        assert (row.missed_ci_low, row.missed_ci_high) == pytest.approx((interval.low, interval.high), abs=1e-12)
    assert table["missed_tumour_rate"].nunique() > 1
    assert "missed_tumour_rate" not in curve.table()
    assert "missed_tumour_rate" not in curve.table(healthy=(0, 1, 2, 3))


@pytest.mark.parametrize("attack", ["pgd", "worst-case"])
def test_an_image_is_called_what_its_first_adversarial_image_is(attack: str) -> None:
    """Of two classes, all that are fooled are called the other one; each missed tumour is one that is not right."""
    weight = torch.randn(2, 64, generator=torch.Generator().manual_seed(3))
    model = Linear(weight, -(weight @ torch.full((64,), 0.5)))
    labels = own_labels(model, IMAGES)
    settings = CurveSettings(attack=attack, steps=5, restarts=1)
    table = measure_curve(model, IMAGES, labels, EPSILONS, settings).table(healthy=(1,))
    sick = labels == 0
    right = measure_curve(model, IMAGES[sick], labels[sick], EPSILONS, settings).right
    assert table["missed_tumour_rate"].tolist() == pytest.approx((~right).mean(1).tolist())
    assert 0 < table["missed_tumour_rate"].iloc[2] < 1
