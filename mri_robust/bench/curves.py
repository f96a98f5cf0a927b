"""What `mri-robust curve` runs: curves of one or more models on the same images, with checks and comparisons."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from mri_robust.bench.environment import package_versions
from mri_robust.core.progress import OnStep
from mri_robust.data.dataset import Channels, Dataset, load_dataset, with_tumours
from mri_robust.evaluation.curve import Curve, CurveSettings, measure_curve
from mri_robust.evaluation.measures.evasion import choose_images
from mri_robust.evaluation.sanity import sanity_checks
from mri_robust.evaluation.significance import mcnemar, over_seeds, paired_bootstrap
from mri_robust.models.foreign import check_logits, open_model
from mri_robust.models.timm_models import is_timm, open_timm, timm_size
from mri_robust.study.curve_results import CurveResults
from mri_robust.training import to_unit_range

DEFAULT_SIZE = 224


@dataclass(frozen=True)
class CurvePlan:
    """The options of `curve`, as given."""

    sources: tuple[str, ...]
    data: str = "phantom"
    channels: Channels | None = None
    skip_unreadable: bool = False
    weights: Path | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    size: int | None = None
    images: int | None = None
    attack: str = "pgd"
    eps: tuple[float, ...] = (1 / 255, 2 / 255, 4 / 255, 8 / 255)
    steps: int = 40
    restarts: int = 5
    seeds: int = 1
    precision: str = "fp32"
    tumour_classes: tuple[str, ...] = ()


def run_curves(plan: CurvePlan, device: torch.device, on_step: OnStep) -> CurveResults:
    """Load the models and the data, check, attack, compare.

    Raises:
        UserError: a model or the data cannot be used, or they do not fit each other.
    """
    models, dataset = _open(plan)
    chosen = choose_images(len(dataset.test), plan.images or len(dataset.test), seed=0)
    pixels, labels = dataset.test.images[chosen], dataset.test.labels[chosen]
    settings = CurveSettings(attack=plan.attack, steps=plan.steps, restarts=plan.restarts, precision=plan.precision)
    curves: dict[str, list[Curve]] = {}
    findings: dict[str, list[dict[str, Any]]] = {}
    probe = to_unit_range(torch.from_numpy(np.array(pixels)))
    for source, model in models.items():
        model.to(device)
        check_logits(model, probe[:2].to(device), dataset.classes, source)
        checked = sanity_checks(model, probe.to(device), torch.from_numpy(labels).to(device), on_step=on_step)
        findings[source] = [asdict(finding) for finding in checked]
        curves[source] = [
            measure_curve(
                model,
                pixels,
                labels,
                plan.eps,
                replace(settings, seed=seed),
                on_image=lambda done, total, source=source: on_step(f"{plan.attack} {source}", done, total),  # type: ignore[misc]
            )
            for seed in range(plan.seeds)
        ]
    names = [dataset.test.names[place] for place in chosen]
    smallest = {source: np.min([curve.smallest() for curve in found], axis=0) for source, found in curves.items()}
    images = pd.DataFrame({"file": names, "label": [dataset.classes[label] for label in labels], **smallest})
    about = {
        "data": dataset.name,
        "data_digest": dataset.digest,
        "classes": list(dataset.classes),
        "classes_without_tumour": [dataset.classes[place] for place in dataset.healthy],
        "random_weights": [source for source in plan.sources if is_timm(source) and plan.weights is None],
        "settings": asdict(settings) | {"seeds": plan.seeds, "eps": list(plan.eps)},
        "device": device.type,
        "versions": package_versions(),
    }
    return CurveResults(_table(curves, dataset.healthy), images, _comparisons(curves), findings, about)


def _open(plan: CurvePlan) -> tuple[dict[str, nn.Module], Dataset]:
    """The models and the data; those of timm are made for the data, which the others may decide the size of."""
    how: dict[str, Any] = {"weights": plan.weights, "mean": plan.mean, "std": plan.std}
    models = {source: open_model(source, **how) for source in plan.sources if not is_timm(source)}
    dataset = _load(plan, models)
    how |= {"classes": dataset.classes, "image_size": dataset.size, "channels": dataset.channels}
    models |= {source: open_timm(source, **how) for source in plan.sources if is_timm(source)}
    return {source: models[source] for source in plan.sources}, dataset


def _load(plan: CurvePlan, models: dict[str, nn.Module]) -> Dataset:
    """The data at the first model's size and in its channels, where it states them and the plan does not."""
    stated = next((model for model in models.values() if hasattr(model, "image_size")), None)
    size = plan.size or getattr(stated, "image_size", None)
    dataset = load_dataset(
        plan.data,
        size=size or next((timm_size(source) for source in plan.sources if is_timm(source)), DEFAULT_SIZE),
        channels=plan.channels or getattr(stated, "channels", None) or "rgb",
        skip_unreadable=plan.skip_unreadable,
    )
    return with_tumours(dataset, plan.tumour_classes)


def _table(curves: dict[str, list[Curve]], healthy: tuple[int, ...]) -> pd.DataFrame:
    parts = []
    for source, found in curves.items():
        tables = [curve.table(healthy) for curve in found]
        table = tables[0].copy()
        for column in table.columns.difference(["epsilon", "n", "tumours"]):
            table[column] = np.mean([each[column] for each in tables], axis=0)
        spreads = [over_seeds([float(each["accuracy"][row]) for each in tables])[1] for row in range(len(table))]
        table.insert(0, "model", source)
        table.insert(1, "attack", found[0].attack)
        table.insert(6, "spread", spreads)
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def _comparisons(curves: dict[str, list[Curve]]) -> pd.DataFrame:
    rows = []
    for one, other in combinations(curves, 2):
        for place, eps in enumerate(curves[one][0].epsilons):
            right = [np.stack([curve.right[place] for curve in curves[name]]) for name in (one, other)]
            difference, test = paired_bootstrap(*right), mcnemar(right[0][0], right[1][0])
            rows.append(
                {
                    "model": one,
                    "other": other,
                    "epsilon": eps,
                    "difference": difference.mean,
                    "ci_low": difference.low,
                    "ci_high": difference.high,
                    "only_model_right": test.b,
                    "only_other_right": test.c,
                    "p_value": test.p_value,
                }
            )
    return pd.DataFrame(rows)
