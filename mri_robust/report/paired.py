"""Pairs of models on the same images, out of `comparisons.csv`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from mri_robust.report.layout import title

SHOWN_EPSILON = 4 / 255
HEADS = ["attack", "model", "other", "difference", "only model", "only other", "McNemar p"]


def paired_lines(folder: Path, experiment: str, protocol: str) -> tuple[list[str], list[list[str]]]:
    """Heads, and a line a pair of models at 4/255; no lines where the run compared none."""
    path = folder / "comparisons.csv"
    if not path.exists():
        return HEADS, []
    table = pd.read_csv(path, keep_default_na=False, dtype={"condition": "str"})
    epsilon = pd.to_numeric(table["epsilon"], errors="coerce")
    kept = table[(table["experiment"] == experiment) & (table["protocol"] == protocol)]
    kept = kept[(epsilon - SHOWN_EPSILON).abs()[kept.index] < 1e-9]
    return HEADS, [_line(row) for _, row in kept.iterrows()]


def _line(row: pd.Series) -> list[str]:
    worst = " worst" if "worst-case" in row["condition"] else ""
    return [
        f"{row['attack']}{worst}",
        title(row["model"]),
        title(row["other"]),
        f"{row['difference']:+.3f} [{row['ci_low']:+.3f}, {row['ci_high']:+.3f}]",
        str(row["only_model"]),
        str(row["only_other"]),
        f"{row['p_mcnemar']:.1g}",
    ]
