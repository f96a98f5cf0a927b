"""Is one model better than another, and how sure is a figure? Paired statistics, because both saw the same images."""

from collections.abc import Sequence
from itertools import combinations
from math import sqrt
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import binomtest, norm

COMPARED = ("difference", "ci_low", "ci_high", "p_bootstrap", "only_model", "only_other", "p_mcnemar", "seeds", "n")
"""What is said of a pair of models."""


def mcnemar(only_a: int, only_b: int) -> float:
    """The two-sided p-value of McNemar's exact test (Psychometrika 12, 1947), a fair coin between the two models.

    `only_a` images just the one model gets right, `only_b` just the other.
    """
    return float(binomtest(min(only_a, only_b), only_a + only_b).pvalue) if only_a + only_b else 1.0


def paired_bootstrap(
    right_a: np.ndarray, right_b: np.ndarray, *, draws: int = 2000, seed: int = 0
) -> tuple[float, float, float, float]:
    """Bootstrap interval of the difference in accuracy: images, and seeds where there are several, are drawn anew.

    A draw takes the same images and the same seeds for both models. One seed speaks of these two trained models alone.
    Several speak of the training, but few show little of their spread: on simulated models the interval held the truth
    in .69 of cases for two seeds, .77 for three, .88 for five and .92 for ten where the spread of seeds decides, and in
    over .97 where that of images does.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13; with seeds, the pigeonhole
    bootstrap (Owen, Annals of Applied Statistics 1 (2007), 386-411).

    `right_a` and `right_b`, bool [S, N], say whether the models of each training seed are right on each image; there is
    at least one draw. Returns the accuracy of the first model less that of the second, in [-1, 1]; the ends of its 95 %
    percentile interval; and p, twice the share of draws on the rarer side of 0, in (0, 1].
    """
    differences = right_a.astype(np.int64) - right_b
    seeds, images = differences.shape
    # Images with the same outcomes are alike: how often each kind is drawn is multinomial. Kinds stand in the order in
    # which they come, so that swapping the models turns every draw's sign and nothing else.
    kinds, first, counts = np.unique(differences, axis=1, return_index=True, return_counts=True)
    order = first.argsort()
    generator = np.random.default_rng(seed)
    drawn_images = generator.multinomial(images, counts[order] / images, size=draws)
    drawn_seeds = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=draws)
    sums = ((drawn_seeds @ kinds[:, order]) * drawn_images).sum(1)
    low, high = np.quantile(sums / differences.size, (0.025, 0.975))
    rarer = min((sums <= 0).sum(), (sums >= 0).sum())
    p_value = min(1.0, 2 * (rarer + 1) / (draws + 1))
    return float(differences.mean()), float(low), float(high), float(p_value)


def compare_models(rows: Sequence[dict[str, Any]], models: Sequence[str] = ()) -> pd.DataFrame:
    """One line per pair of models, attack and epsilon, over the seeds and images that both have.

    `difference` with its 95 % interval and `p_bootstrap` come from the paired bootstrap over images and seeds;
    `only_model`, `only_other` (images that just one gets right) and `p_mcnemar` from McNemar's exact test of the first
    seed, as it knows nothing of the spread of trainings. Rows with `right`, which hold verdicts by image, are compared
    where all else about them is equal. `models` is the order of the models; that of the rows when empty.
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
                lines.append({**dict(key), "model": model, "other": other, **_compare(pairs)})
    said = ("model", "other", *COMPARED)
    columns = list(dict.fromkeys(name for line in lines for name in line if name not in said))
    return pd.DataFrame(lines, columns=[*columns, *said])


def median_interval(values: np.ndarray, *, draws: int = 2000, seed: int = 0) -> tuple[float, float, float]:
    """The median and its 95 % percentile interval by the bootstrap (Efron and Tibshirani 1993, chapter 13).

    `values` float [N], N at least 1, may hold infinity; each end, and the lower median, is one of them.
    """
    drawn = np.random.default_rng(seed).integers(len(values), size=(draws, len(values)))
    medians = np.quantile(values[drawn], 0.5, axis=1, method="inverted_cdf")
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


def _compare(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> dict[str, Any]:
    difference = paired_bootstrap(*map(np.stack, zip(*pairs, strict=True)))
    ours, theirs = pairs[0]
    only_ours, only_theirs = int((ours & ~theirs).sum()), int((~ours & theirs).sum())
    figures = (*difference, only_ours, only_theirs, mcnemar(only_ours, only_theirs), len(pairs), len(ours))
    return dict(zip(COMPARED, figures, strict=True))
