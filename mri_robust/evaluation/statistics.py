"""Is one model better than another, and how sure is a figure? Paired statistics, because both saw the same images."""

from collections.abc import Callable, Sequence
from itertools import combinations
from math import sqrt
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import binomtest, norm

from mri_robust.core.intervals import DRAWS, alone, draw_patients

COMPARED = ("difference", "ci_low", "ci_high", "p_bootstrap", "only_model", "only_other", "p_mcnemar", "seeds", "n")
"""What is said of a pair of models."""


def mcnemar(only_a: int, only_b: int) -> float:
    """The two-sided p-value of McNemar's exact test (Psychometrika 12, 1947), a fair coin between the two models.

    `only_a` images just the one model gets right, `only_b` just the other.
    """
    return float(binomtest(min(only_a, only_b), only_a + only_b).pvalue) if only_a + only_b else 1.0


def paired_bootstrap(
    right_a: np.ndarray,
    right_b: np.ndarray,
    *,
    patients: np.ndarray | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[float, float, float, float]:
    """Bootstrap interval of the difference in accuracy: images, and seeds where there are several, are drawn anew.

    A draw takes the same images and the same seeds for both models; it draws patients in place of images where
    `patients`, int [N], are equal for images of one. One seed speaks of these two trained models alone. Several speak
    of the training, but few show little of their spread: on simulated models the interval held the truth in .69 of
    cases for two seeds, .77 for three, .88 for five and .92 for ten where the spread of seeds decides, and in over .97
    where that of images does.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13; with seeds, the pigeonhole
    bootstrap (Owen, Annals of Applied Statistics 1 (2007), 386-411).

    `right_a` and `right_b`, bool [S, N], say whether the models of each training seed are right on each image; there is
    at least one draw. Returns the accuracy of the first model less that of the second, in [-1, 1]; the ends of its 95 %
    percentile interval; and p, twice the share of draws on the rarer side of 0, in (0, 1].
    """
    differences = right_a.astype(np.int64) - right_b
    seeds, images = differences.shape
    generator = np.random.default_rng(seed)
    people = np.arange(images) if patients is None else patients
    totals, drawn_images = draw_patients(differences, people, draws, generator)
    drawn_seeds = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=draws)
    sums = (drawn_seeds.T * totals).sum(0)
    low, high = np.quantile(sums / (drawn_images * seeds), (0.025, 0.975))
    rarer = min((sums <= 0).sum(), (sums >= 0).sum())
    p_value = min(1.0, 2 * (rarer + 1) / (draws + 1))
    return float(differences.mean()), float(low), float(high), float(p_value)


def compare_models(
    rows: Sequence[dict[str, Any]],
    models: Sequence[str] = (),
    patients: Callable[[int], np.ndarray] = np.arange,
) -> pd.DataFrame:
    """One line per pair of models, attack and epsilon, over the seeds and images that both have.

    `difference` with its 95 % interval and `p_bootstrap` come from the paired bootstrap over images and seeds;
    `only_model`, `only_other` (images that just one gets right) and `p_mcnemar` from McNemar's exact test of the first
    seed, as it knows nothing of the spread of trainings. Rows with `right`, which hold verdicts by image, are compared
    where all else about them is equal. `models` is the order of the models; that of the rows when empty. `patients`
    gives of whom each of so many images is: where any has several, the bootstrap draws patients, and `p_mcnemar`, whose
    images must be independent, is NaN.
    """
    own = ("model", "weights", "seed", "value", "ci_low", "ci_high", "n", "right", "paper", "printed")
    asked: dict[tuple[Any, ...], dict[str, dict[int, np.ndarray]]] = {}
    for row in rows:
        if row.get("right"):
            key = tuple(sorted((name, value) for name, value in row.items() if name not in own and value is not None))
            by_seed = asked.setdefault(key, {}).setdefault(row["model"], {})
            by_seed[row["seed"]] = np.array(list(row["right"])) == "1"
    lines = []
    for key, found in asked.items():
        ordered = sorted(found, key=lambda name: models.index(name) if name in models else len(models))
        for model, other in combinations(ordered, 2):
            shared = [(ours, found[other][seed]) for seed, ours in found[model].items() if seed in found[other]]
            pairs = [(ours, theirs) for ours, theirs in shared if len(ours) == len(theirs)]
            if pairs:
                lines.append({**dict(key), "model": model, "other": other, **_compare(pairs, patients)})
    said = ("model", "other", *COMPARED)
    columns = list(dict.fromkeys(name for line in lines for name in line if name not in said))
    return pd.DataFrame(lines, columns=[*columns, *said])


def median_interval(
    values: np.ndarray, *, patients: np.ndarray | None = None, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float, float]:
    """The median and its 95 % percentile interval by the bootstrap (Efron and Tibshirani 1993, chapter 13).

    `values` float [N], N at least 1, may hold infinity; each end, and the lower median, is one of them. Where
    `patients`, int [N], are equal for images of one patient, patients are drawn in place of images.
    """
    order = values.argsort(kind="stable")
    times = _times_drawn(np.arange(len(values)) if patients is None else patients, draws, seed)[:, order].cumsum(1)
    medians = values[order][(2 * times >= times[:, -1:]).argmax(1)]
    low, high = np.quantile(medians, (0.025, 0.975), method="inverted_cdf")
    return float(np.quantile(values, 0.5, method="inverted_cdf")), float(low), float(high)


def auc_interval(auc: float, positives: int, negatives: int) -> tuple[float, float]:
    """95 % interval of an area under the curve: the areas that the one found does not contradict, as Wilson's is.

    `auc` is in [0, 1]; there is at least one image of each kind. Solves |auc - t| = z sqrt(V(t)), with V of Hanley and
    McNeil. Unlike auc ± z sqrt(V(auc)) it stays in [0, 1] and does not shrink to a point at 0 and 1.

    Source: R. G. Newcombe, "Confidence intervals for an effect size measure based on the Mann-Whitney statistic, part
    2", Statistics in Medicine 25 (2006), method 5.
    """
    z = norm.ppf(0.975)

    def excess(t: float) -> float:
        mean_less_one = (positives + negatives) / 2 - 1
        spread = t * (1 - t) * (1 + mean_less_one * ((1 - t) / (2 - t) + t / (1 + t))) / (positives * negatives)
        return abs(auc - t) - z * sqrt(spread)

    # At 0 and 1 the area itself solves the equation: the search begins beside it.
    low, high = (end if auc == end else float(brentq(excess, auc + 1e-9 * (end - auc), end)) for end in (0.0, 1.0))
    return low, high


def auc_over_patients(
    labels: np.ndarray, scores: np.ndarray, patients: np.ndarray, *, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float] | None:
    """95 % percentile interval of an area under the curve, patients drawn with replacement; None where it is a point.

    `labels` [N] are 1 for a positive and 0 for a negative, `scores` float [N], `patients` int [N] as in
    `rate_interval`. Draws without a positive or a negative have no area and are left out.
    """
    rank, positive = np.unique(scores, return_inverse=True)[1], labels.astype(bool)
    areas = []
    for times in _times_drawn(patients, draws, seed):
        hits, misses = (np.bincount(rank[kind], times[kind], rank.max() + 1) for kind in (positive, ~positive))
        pairs = hits.sum() * misses.sum()
        areas += [(hits * (misses.cumsum() - misses / 2)).sum() / pairs] if pairs else []
    low, high = np.quantile(areas, (0.025, 0.975)) if areas else (0.0, 0.0)
    return (float(low), float(high)) if high - low > 1e-9 else None


def _times_drawn(patients: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """How often each image is there when patients are drawn with replacement: int [draws, N]."""
    member = np.unique(patients, return_inverse=True)[1]
    people = int(member.max()) + 1
    drawn = np.random.default_rng(seed).integers(people, size=(draws, people))
    flat = (drawn + people * np.arange(draws)[:, None]).ravel()
    return np.bincount(flat, minlength=draws * people).reshape(draws, people)[:, member]


def _compare(pairs: Sequence[tuple[np.ndarray, np.ndarray]], patients: Callable[[int], np.ndarray]) -> dict[str, Any]:
    ours, theirs = pairs[0]
    people = patients(len(ours))
    difference = paired_bootstrap(*map(np.stack, zip(*pairs, strict=True)), patients=people)
    only_ours, only_theirs = int((ours & ~theirs).sum()), int((~ours & theirs).sum())
    tested = mcnemar(only_ours, only_theirs) if alone(people) else float("nan")
    figures = (*difference, only_ours, only_theirs, tested, len(pairs), len(ours))
    return dict(zip(COMPARED, figures, strict=True))
