"""The tables of one experiment, out of its tidy rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mri_robust.report.cells import (
    Cell,
    Table,
    comparable,
    difference_cell,
    labelled_table,
    measured_cell,
    signed,
    study_text,
)
from mri_robust.report.metrics import SUBSETS, column_heading, column_order, in_255ths, metric, model_title

NUMBERS = ("value", "ci_low", "ci_high", "n", "paper")
CURVES = ("epoch", "channels")
"""Factors of the points of a curve, which is for the figures."""
SIZES = ("attack", "epsilon", "alpha", "steps", "after", "severity")
"""Factors that together name an attack with an epsilon."""
USUAL = 4 / 255
"""The epsilon at which models are compared in pairs, or that nearest to it."""
PAIRS = (
    "The first model's accuracy minus the other's, with the 95 % interval of the paired bootstrap; images that only "
    "one of them gets right; McNemar's exact test, of the first seed. comparisons.csv has every pair and epsilon."
)

Description = Mapping[str, Any]
"""What `run.json` says of an experiment."""
Record = dict[str, Any]  # see `measured`


@dataclass(frozen=True)
class Comparison:
    """A number of the study beside ours under each protocol.

    `labels` are heading -> text of what names it; it is `comparable` where our model started from the study's weights.
    """

    labels: dict[str, str]
    study: float
    comparable: bool
    ours: dict[str, Record]

    @property
    def place(self) -> str:
        """Where it stands in the study, in words."""
        return ", ".join(text for text in self.labels.values() if text)

    def value(self, protocol: str) -> float | None:
        """Our number under a protocol, where it was run."""
        return self.ours[protocol]["value"] if protocol in self.ours else None

    @property
    def gap(self) -> float | None:
        """Ours under protocol `paper` minus the study's; None where that is not to be compared."""
        paper = self.value("paper")
        return None if paper is None or not self.comparable else paper - self.study


def prepare(table: pd.DataFrame, description: Description) -> pd.DataFrame:
    """The rows that tables show, with "" where a factor does not apply.

    Points of curves go, but for the last epoch's accuracy on the training images. `printed` is put on all numbers of
    the row that the study prints; `label` names the attack with its sizes.
    """
    key = ["protocol", *(name for name in description["row_key"] if name != "class")]
    rows = _with(table, *key, *SIZES, *CURVES, "printed", "class", "weights", "seed")
    factors = [str(name) for name in rows if name not in NUMBERS]
    rows = rows.astype(dict.fromkeys(factors, object))
    rows[factors] = rows[factors].where(rows[factors].notna(), "")
    rows = rows[rows["value"].notna() & rows["subset"].isin(SUBSETS)]
    rows = rows[(rows["subset"] == "all") | (rows["metric"] == "accuracy")]
    epoch = pd.to_numeric(rows["epoch"], errors="coerce")
    last = epoch == epoch.groupby([rows[name] for name in ("model", "seed", *key)], sort=False).transform("max")
    on_curve = (rows[list(CURVES)] != "").any(axis=1)
    rows = rows[~on_curve | (last & (rows["subset"] == "training"))]
    # Two evaluations of one model may both count the clean images.
    again = rows.duplicated(["model", "seed", "metric", "subset", "class", *key])
    rows = rows[~again | (rows["attack"] != "none")]
    printed = rows["printed"].map(plain_text)
    rows = rows.assign(printed=printed.groupby([rows[name] for name in key], sort=False).transform("max"))
    several = rows["after"].replace("", None).nunique() > 1
    return rows.assign(label=[attack_text(*sizes, told=several) for sizes in _values(rows, *SIZES)])


def plain_text(value: Any) -> str:
    """A factor's value as text: whole numbers without a point."""
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def attack_text(name: str, epsilon: Any, alpha: Any, steps: Any, after: str, severity: Any, *, told: bool) -> str:
    """`pgd 4/255, 10 × 1/255`, `motion, severity 3`, `clean`; "" for what does not apply, `after` where it is told."""
    if name in ("none", "artefacts"):
        return "clean" if name == "none" else "mean over all artefacts"
    parts = [f"{name} {in_255ths(epsilon)}" if epsilon != "" else name]
    size = f"× {in_255ths(alpha)}" if alpha != "" else "steps"
    parts += [f"{plain_text(steps)} {size}"] if steps != "" else []
    parts += [f"severity {plain_text(severity)}"] if severity != "" else []
    return ", ".join([*parts, *([f"after {after}"] if told and after else [])])


def measured(rows: pd.DataFrame, by: Sequence[str]) -> list[Record]:
    """One record per combination of the columns `by`, in table order, over the seeds.

    `value` is the mean, `spread` the standard deviation, `low` and `high` the mean bounds; NaN where there is none.

    Raises:
        ValueError: `by` does not tell rows apart, so that a mean would mix numbers of different things.
    """
    if rows.duplicated([*by, "seed"]).any():
        raise ValueError(f"the row_key of experiment '{rows['experiment'].iloc[0]}' does not tell its rows apart")
    rows = rows.assign(spread=rows["value"], bounded=rows["ci_low"].notna())
    how = {"value": "mean", "spread": "std", "ci_low": "mean", "ci_high": "mean", "bounded": "all"}
    found = rows.groupby(list(by), sort=False).agg({**how, "paper": "first", "weights": "first"})
    found[["low", "high"]] = found[["ci_low", "ci_high"]].where(found["bounded"])
    records: list[Any] = found.rename(columns={"paper": "study"}).reset_index().to_dict("records")
    return records


def experiment_tables(description: Description, rows: pd.DataFrame) -> list[Table]:
    """The tables of an experiment's prepared rows, the main one first.

    Several models side by side make a table per metric; else metrics are the columns. Where classes name rows, theirs
    come after.
    """
    overall, found = rows[rows["class"] == ""], []
    if description["columns"] == "model" and overall["model"].nunique() > 1:
        for name, subset in sorted(set(_values(overall, "metric", "subset")), key=column_order):
            part = overall[(overall["metric"] == name) & (overall["subset"] == subset)]
            heads = {model: (model_title(model), metric(name).digits) for model in ordered(part["model"], description)}
            key = [printed or tuple(key) for printed, *key in _values(part, "printed", *description["row_key"])]
            part = part.assign(column=part["model"], line=pd.factorize(pd.Series(key, dtype=object))[0])
            found.append(_grid(part, description, heads, column_heading(name, subset), [(name, subset)]))
    elif len(overall):
        found.append(_by_metric(overall, description, "Overall"))
    of_classes = rows[(rows["class"] != "") & (rows["subset"] == "all")]
    if "class" in description["row_key"] and len(of_classes):
        found.append(_by_metric(of_classes, description, "By class", folded=bool(found)))
    return found


def comparisons(description: Description, rows: pd.DataFrame) -> list[Comparison]:
    """Every number of the study in an experiment's prepared rows beside ours, in table order.

    Rows are matched by how the study prints them; in its tables that have but one row, by the row's own key.
    """
    rows = rows[rows["subset"] == "all"]
    studied = rows[rows["paper"].notna()]
    if studied.empty:
        return []
    own = [name for name in description["row_key"] if name != "class"]
    keys = ["model", *(["printed"] if studied["printed"].any() else own), "class", "metric"]
    found: dict[tuple[Any, ...], dict[str, Record]] = {key: {} for key in _values(studied, *keys)}
    for record in measured(rows[[key in found for key in _values(rows, *keys)]], [*keys, "protocol"]):
        found[tuple(record[name] for name in keys)][record["protocol"]] = record
    return [
        Comparison(
            {_head(name): _label(name, value) for name, value in zip(keys, key, strict=True)},
            study=next(each["study"] for each in ours.values() if pd.notna(each["study"])),
            comparable=all(comparable(each["weights"]) for each in ours.values()),
            ours=ours,
        )
        for key, ours in found.items()
    ]


def comparison_table(found: list[Comparison], folded: bool = False) -> Table | None:
    """One row per number of the study, with ours under either protocol that was run; None where it printed none.

    `folded` says that the other tables hold as much where protocol `paper` was not run.
    """
    if not found:
        return None
    records = []
    for each in found:
        paper, sound = each.value("paper"), each.value("sound")
        ours = {name: {**record, "study": None} for name, record in each.ours.items()}
        record = {"study": Cell(study_text(each.study, each.comparable), sort=each.study)}
        record |= {"paper": measured_cell(ours.get("paper")), "paper − study": difference_cell(each.gap)}
        record |= {"sound": measured_cell(ours.get("sound"))}
        record["sound − paper"] = difference_cell(None if paper is None or sound is None else sound - paper)
        records.append(record)
    heads = [head for head in records[0] if any(record[head].text != "–" for record in records)]
    labels = {head: [Cell(each.labels[head]) for each in found] for head in found[0].labels}
    if any(cell.text for cell in labels["class"]):
        labels["class"] = [Cell(cell.text or "all classes") for cell in labels["class"]]
    lines = [tuple(record[head] for head in heads) for record in records]
    return labelled_table("The study beside ours", labels, heads, lines, folded=folded and "paper" not in heads)


def pairs_table(description: Description, table: pd.DataFrame) -> Table | None:
    """One row per pair of models on the same images, at 4/255 or the epsilon nearest; None where there is none."""
    rows = _with(table, "experiment", "protocol", "metric", *SIZES)
    own = (rows["experiment"] == description["name"]) & (rows["metric"] == "accuracy")
    rows = rows[own & (rows["attack"] != "none")]
    away = (pd.to_numeric(rows["epsilon"]) - USUAL).abs()
    rows = rows[away <= away.min() + 1e-9].astype(dict.fromkeys(SIZES, object))
    if rows.empty:
        return None
    sizes = rows[list(SIZES)].where(rows[list(SIZES)].notna(), "")
    several = sizes["after"].replace("", None).nunique() > 1
    rows = rows.assign(label=[attack_text(*each, told=several) for each in _values(sizes, *SIZES)])
    pairs = [" and ".join(map(model_title, pair)) for pair in _values(rows, "model", "other")]
    labels = {
        "models": [*map(Cell, pairs)],
        **{_head(name): [*map(Cell, rows[name])] for name in ("label", "protocol")},
    }
    numbers = []
    for row in rows.to_dict("records"):
        gap, low, high = (signed(row[name]) for name in ("difference", "ci_low", "ci_high"))
        counts = (Cell(str(row[name])) for name in ("only_model", "only_other"))
        numbers.append(
            (Cell(gap, f"[{low}, {high}]", sort=row["difference"]), *counts, Cell(f"{row['p_mcnemar']:.1g}"))
        )
    heads = ["difference", "only the first", "only the other", "McNemar p"]
    return labelled_table("Pairs of models on the same images", labels, heads, numbers, note=PAIRS, folded=True)


def ordered(models: Iterable[str], description: Description) -> list[str]:
    """Models in the study's order, then those that it lacks."""
    known = list(description["models"])
    return sorted(dict.fromkeys(models), key=lambda model: known.index(model) if model in known else len(known))


def _by_metric(rows: pd.DataFrame, description: Description, caption: str, folded: bool = False) -> Table:
    shown = sorted(set(_values(rows, "metric", "subset")), key=column_order)
    heads = {column_heading(*each): (column_heading(*each), metric(each[0]).digits) for each in shown}
    column = [column_heading(*each) for each in _values(rows, "metric", "subset")]
    line = rows.groupby(["model", *description["row_key"]], sort=False).ngroup()
    return _grid(rows.assign(column=column, line=line), description, heads, caption, shown, model=True, folded=folded)


def _grid(
    rows: pd.DataFrame,
    description: Description,
    columns: Mapping[str, tuple[str, int]],
    caption: str,
    metrics: list[tuple[str, str]],
    *,
    model: bool = False,
    folded: bool = False,
) -> Table:
    """One row per `line` and protocol, named by the experiment's row_key, with `model` also by the model.

    One column per `column` of the rows: `columns` says column -> (heading, digits of its numbers).
    """
    sizes = "epsilon" in description["row_key"]
    names = [name for name in description["row_key"] if not sizes or name not in SIZES]
    names = [*(["model"] if model else []), *(["label"] if sizes else []), *names, "protocol"]
    by = ["line", "protocol", "column"]
    found = {tuple(each[name] for name in by): each for each in measured(rows, by)}
    places = {name: place for place, name in enumerate(dict.fromkeys(rows["protocol"]))}
    parts = sorted(rows.groupby(["line", "protocol"], sort=False), key=lambda part: (part[0][0], places[part[0][1]]))
    labels: dict[str, list[Cell]] = {_head(name): [] for name in names}
    numbers = []
    for (line, protocol), part in parts:
        for place, name in enumerate(names):
            printed = "" if place else part["printed"].iloc[0]
            labels[_head(name)].append(_label_cell(name, part, printed))
        entries = [(found.get((line, protocol, column)), digits) for column, (_, digits) in columns.items()]
        numbers.append(tuple(measured_cell(entry, digits, "") for entry, digits in entries))
    heads = [head for head, _ in columns.values()]
    return labelled_table(caption, labels, heads, numbers, metrics=tuple(metrics), folded=folded)


def _label_cell(name: str, rows: pd.DataFrame, printed: str) -> Cell:
    """What names a line: the study attacked its models differently in some that it prints as one."""
    words = [_label(name, value) for value in rows[name].unique()]
    value = rows["epsilon" if name == "label" else name].iloc[0]
    said = words[0] + (" (models differ)" if len(words) > 1 else "")
    return Cell(said, f"printed {printed}" if printed else "", sort=value if isinstance(value, int | float) else None)


def _head(name: str) -> str:
    return {"label": "attack", "printed": "the study's row"}.get(name, name.replace("_", " "))


def _label(name: str, value: Any) -> str:
    if name in ("model", "start"):
        return model_title(value)
    return metric(value).heading if name == "metric" else plain_text(value)


def _with(table: pd.DataFrame, *names: str) -> pd.DataFrame:
    """The table, with empty columns where it lacks some of these."""
    return table.reindex(columns=list(dict.fromkeys([*table, *names])))


def _values(rows: pd.DataFrame, *names: str) -> list[tuple[Any, ...]]:
    return list(zip(*(rows[name] for name in names), strict=True))
