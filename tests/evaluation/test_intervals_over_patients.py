"""Intervals over patients: copies say nothing, simulated truths are covered, and scipy and scikit-learn agree."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import bootstrap
from sklearn.metrics import roc_auc_score
from toy_data import DATA, SIDE
from toy_models import Linear

from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.core.intervals import rate_interval, wilson
from mri_robust.data.dataset import Dataset
from mri_robust.evaluation import artefacts
from mri_robust.evaluation.attacked_training import ClassReport
from mri_robust.evaluation.evaluation import Context, Evaluation
from mri_robust.evaluation.robustness import UnderAttack
from mri_robust.evaluation.statistics import auc_interval, auc_over_patients, compare_models, median_interval
from mri_robust.evaluation.statistics import paired_bootstrap as paired

RIGHT = np.random.default_rng(0).random(200) < 0.8
WHO = np.arange(200)


def copied(values: np.ndarray, times: int) -> np.ndarray:
    """The patients of `times` copies of each image, or what is known of the images."""
    return np.tile(values, times)


def of_patients(rng: np.random.Generator, people: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """1 to `most` slices of each of so many patients, whose own rates have the mean .8."""
    who = np.repeat(np.arange(people), rng.integers(1, most + 1, people))
    return rng.random(len(who)) < rng.beta(4, 1, people)[who], who


def test_copies_of_every_image_do_not_make_an_interval_shorter() -> None:
    two, seven = (rate_interval(copied(RIGHT, times), copied(WHO, times)) for times in (2, 7))
    assert two == pytest.approx(seven)
    theirs = bootstrap((RIGHT.astype(float),), np.mean, n_resamples=20_000, method="percentile", rng=0)
    assert two == pytest.approx([*theirs.confidence_interval], abs=0.01)
    assert two == pytest.approx(wilson(int(RIGHT.sum()), 200), abs=0.01)
    assert rate_interval(RIGHT, WHO) == wilson(int(RIGHT.sum()), 200)


def test_the_interval_covers_the_truth_in_95_of_100_samples_and_wilsons_does_not() -> None:
    rng = np.random.default_rng(1)
    samples = [of_patients(rng, 60, 12) for _ in range(200)]
    over_patients, over_images = (
        np.mean([low <= 0.8 <= high for low, high in bounds])
        for bounds in ([rate_interval(*each) for each in samples], [rate_interval(hits) for hits, _ in samples])
    )
    assert 0.90 <= over_patients <= 0.98
    assert over_images < 0.85


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_where_all_patients_have_one_rate_patients_stand_for_images(rate: float) -> None:
    hits, who = np.full(60, bool(rate)), np.arange(60) // 5
    assert rate_interval(hits, who) == wilson(round(12 * rate), 12)
    low, high = rate_interval(np.arange(60) % 5 < 2, who)
    assert low < 0.4 < high
    assert high - low > 0.4
    low, high = rate_interval(np.array([True, False]), np.zeros(2))
    assert low < 0.1
    assert high > 0.9


def test_patients_never_say_more_than_their_images() -> None:
    """One wrong image of 300 is drawn too seldom: the percentile interval is shorter than Wilson's."""
    hits = np.arange(300) > 0
    low, high = rate_interval(hits, np.arange(300) // 2)
    least, most = wilson(299, 300)
    assert low <= least
    assert high >= most


def test_medians_areas_and_differences_are_those_of_one_copy_each() -> None:
    rng = np.random.default_rng(2)
    values, other = np.append(rng.random(98), [np.inf, np.inf]), rng.random((2, 100)) < 0.6
    who, right = WHO[:100], rng.random((2, 100)) < 0.8
    assert median_interval(copied(values, 3), patients=copied(who, 3)) == median_interval(values)
    copies = [np.tile(each, (1, 3)) for each in (right, other)]
    assert paired(*copies, patients=copied(who, 3)) == pytest.approx(paired(right, other))
    labels, scores = rng.random(200) < 0.5, rng.normal(size=200)
    scores += labels
    one, three = (auc_over_patients(copied(labels, n), copied(scores, n), copied(WHO, n)) for n in (1, 3))
    area = roc_auc_score(labels, scores)
    assert one == pytest.approx(three)
    assert one == pytest.approx(auc_interval(area, labels.sum(), (~labels).sum()), abs=0.02)
    draws = np.random.default_rng(0).integers(200, size=(300, 200))
    theirs = np.quantile([roc_auc_score(labels[each], scores[each]) for each in draws], (0.025, 0.975))
    assert auc_over_patients(labels, scores, WHO, draws=300) == pytest.approx(theirs)
    assert auc_over_patients(np.array([1, 0]), np.array([1.0, 0.0]), np.zeros(2)) is None


def test_pairs_of_models_are_compared_over_patients_and_mcnemar_is_left_out() -> None:
    rows = [
        {"model": name, "seed": 1, "epsilon": 0.1, "right": "".join("01"[int(hit)] for hit in np.tile(hits, 4))}
        for name, hits in (("a", RIGHT[:100]), ("b", RIGHT[100:]))
    ]
    [over_images] = compare_models(rows).to_dict("records")
    [over_patients] = compare_models(rows, patients=lambda images: np.arange(images) % 100).to_dict("records")
    assert over_patients["ci_high"] - over_patients["ci_low"] == pytest.approx(
        2 * (over_images["ci_high"] - over_images["ci_low"]), rel=0.2
    )
    assert np.isnan(over_patients["p_mcnemar"])
    assert over_images["p_mcnemar"] > 0


def repeated(times: int) -> Dataset:
    """Every test image so often, as slices of one patient."""
    test = DATA.test
    names = tuple(f"{copy}-{name}" for copy in range(times) for name in test.names)
    patients = tuple(range(len(test))) * times
    images, labels = np.tile(test.images, (times, 1, 1, 1)), np.tile(test.labels, times)
    return replace(DATA, test=replace(test, images=images, labels=labels, names=names, patients=patients))


@pytest.mark.parametrize(
    "evaluation", [UnderAttack((None, FGSM(0.02)), 999), artefacts.Artefacts(999), ClassReport(leak_free=True)]
)
def test_every_interval_of_a_table_is_over_patients(evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artefacts, "ARTEFACTS", ("resolution",))  # draws nothing
    weight = torch.randn(4, SIDE**2, generator=torch.Generator().manual_seed(0))
    model = Linear(weight, -0.2 * weight.sum(1))
    four, eight = (list(evaluation(Context(model, repeated(times)))) for times in (4, 8))
    assert [row["value"] for row in four] == pytest.approx([row["value"] for row in eight])
    known = [(row, more) for row, more in zip(four, eight, strict=True) if row["ci_low"] is not None]
    assert len(known) > 5
    for row, more in known:
        assert (row["ci_low"], row["ci_high"]) == pytest.approx((more["ci_low"], more["ci_high"]))
        assert row["n"] * 2 == more["n"]
