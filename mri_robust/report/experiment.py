"""The tables of one experiment, out of its tidy rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from mri_robust.report.cells import (
    Cell,
    Table,
    assemble,
    comparable,
    difference_cell,
    measured_cell,
    signed,
    study_text,
    text,
)
from mri_robust.report.metrics import SUBSETS, column_heading, column_order, in_255ths, metric, model_title

NUMBERS = ("value", "ci_low", "ci_high", "n", "paper")
CURVES = ("epoch", "channels")
"""Factors of the points of a curve, which is for the figures."""
SIZES = ("attack", "epsilon", "alpha", "steps", "after", "severity")
"""Factors that together name an attack with an epsilon."""
USUAL = 4 / 255
"""The epsilon at which models are compared in pairs, or that nearest to it."""

Description = Mapping[str, Any]
"""What `run.json` says of an experiment."""


@dataclass(frozen=True)
class Comparison:
    """A number of the study and ours.

    Attributes:
        labels: heading -> text of what names it; texts may be empty.
        study: the study's number.
        comparable: our model started from the same weights as the study's.
        ours: protocol -> our number as a record of `measured`.
    """

    labels: dict[str, str]
    study: float
    comparable: bool
    ours: dict[str, dict[str, Any]] = field(repr=False)

    @property
    def place(self) -> str:
        """Where it stands in the study, in words."""
        return ", ".join(text for text in self.labels.values() if text)

    @property
    def distance(self) -> float | None:
        """|ours under protocol `paper` - the study's|; None where that is not to be compared."""
        paper = self.ours.get("paper")
        return abs(paper["value"] - self.study) if paper and self.comparable else None


def prepare(table: pd.DataFrame, description: Description) -> pd.DataFrame:
    """The rows that tables show, with "" where a factor does not apply.

    Points of curves go, but for the last epoch's accuracy on the training images. `printed` is put on all numbers of
    the row that the study prints; `label` names the attack with its sizes.
    """
    rows = table.copy()
    for name in (*description["row_key"], *SIZES, *CURVES, "printed", "class", "weights"):
        rows[name] = rows[name] if name in rows else ""
    for name in set(rows) - set(NUMBERS):
        rows[name] = rows[name].astype(object).where(rows[name].notna(), "")
    rows[list(NUMBERS)] = rows[list(NUMBERS)].apply(pd.to_numeric)
    rows = rows[rows["value"].notna() & rows["subset"].isin(SUBSETS)]
    rows = rows[(rows["subset"] == "all") | (rows["metric"] == "accuracy")]
    key = ["protocol", *(name for name in description["row_key"] if name != "class")]
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
    return rows.assign(label=[attack_text(row, several) for row in rows[list(SIZES)].to_dict("records")])


def plain_text(value: Any) -> str:
    """A factor's value as text: whole numbers without a point."""
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def attack_text(row: Mapping[str, Any], after: bool = False) -> str:
    """`pgd 4/255, 10 × 1/255`, `motion, severity 3`, `clean`; with `after` also the last attack of a worst case."""
    name, epsilon, alpha, steps = (row[column] for column in SIZES[:4])
    if name == "none":
        return "clean"
    words = f"{name} {in_255ths(epsilon)}" if epsilon != "" else str(name)
    if steps != "":
        words += f", {steps} × {in_255ths(alpha)}" if alpha != "" else f", {steps} steps"
    words += f", severity {plain_text(row['severity'])}" if row["severity"] != "" else ""
    return words + (f", after {row['after']}" if after and row["after"] != "" else "")


def measured(rows: pd.DataFrame, by: Sequence[str]) -> list[dict[str, Any]]:
    """One record per combination of the columns `by`, in table order, over the seeds.

    Beside them `value` (the mean), `spread` (the standard deviation, NaN for one seed), `low`, `high` (mean of the
    bounds, NaN where one is missing), `study`, `weights`.

    Raises:
        ValueError: `by` does not tell rows apart, so that a mean would mix numbers of different things.
    """
    if rows.duplicated([*by, "seed"]).any():
        raise ValueError(f"the row_key of experiment '{rows['experiment'].iloc[0]}' does not tell its rows apart")

    def whole(bounds: pd.Series) -> float:
        return float(bounds.mean(skipna=False))

    found = rows.groupby(list(by), sort=False).agg(
        value=("value", "mean"),
        spread=("value", "std"),
        low=("ci_low", whole),
        high=("ci_high", whole),
        study=("paper", "first"),
        weights=("weights", "first"),
    )
    records: list[dict[str, Any]] = found.reset_index().to_dict("records")
    return records


def experiment_tables(description: Description, rows: pd.DataFrame) -> list[Table]:
    """The tables of an experiment's prepared rows, the main one first.

    Several models side by side make a table per metric; else metrics are the columns. Where classes name rows, theirs
    come after.
    """
    overall, found = rows[rows["class"] == ""], []
    shown = sorted({*zip(overall["metric"], overall["subset"], strict=True)}, key=column_order)
    if description["columns"] == "model" and overall["model"].nunique() > 1:
        for name, subset in shown:
            part = overall[(overall["metric"] == name) & (overall["subset"] == subset)]
            heads = {model: (model_title(model), metric(name).digits) for model in ordered(part["model"], description)}
            line = [printed or tuple(key) for printed, *key in _values(part, "printed", *description["row_key"])]
            part = part.assign(column=part["model"], line=_codes(line))
            found.append(_grid(part, description, heads, column_heading(name, subset), [(name, subset)]))
    elif len(overall):
        found.append(_by_metric(overall, description, shown, "Overall"))
    labelled = rows[(rows["class"] != "") & (rows["subset"] == "all")]
    if "class" in description["row_key"] and len(labelled):
        shown = sorted({(name, "all") for name in labelled["metric"]}, key=column_order)
        found.append(_by_metric(labelled, description, shown, "By class", folded=bool(found)))
    return found


def comparisons(description: Description, rows: pd.DataFrame) -> list[Comparison]:
    """Every number of the study in an experiment's prepared rows beside ours, in table order.

    Rows are matched by how the study prints them; in its tables that have but one row, by the row's own key.
    """
    rows = rows[rows["subset"] == "all"]
    studied = rows[rows["paper"].notna()]
    if studied.empty:
        return []
    keys = (
        ["printed"]
        if (studied["printed"] != "").any()
        else [name for name in description["row_key"] if name != "class"]
    )
    keys = ["model", *keys, "class", "metric"]
    found: dict[tuple[Any, ...], dict[str, dict[str, Any]]] = {key: {} for key in _values(studied, *keys)}
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

    Args:
        found: see `comparisons`.
        folded: whether the other tables say as much where one protocol was run.
    """
    if not found:
        return None
    protocols = [name for name in ("paper", "sound") if any(name in each.ours for each in found)]
    heads = ["study", *protocols, *(["paper − study"] if "paper" in protocols else [])]
    heads += ["sound − paper"] if len(protocols) == 2 else []
    lines = []
    for each in found:
        paper, sound = (each.ours[name]["value"] if name in each.ours else None for name in ("paper", "sound"))
        gap = None if paper is None or not each.comparable else paper - each.study
        change = None if paper is None or sound is None else sound - paper
        ours = [measured_cell({**each.ours[name], "study": None} if name in each.ours else None) for name in protocols]
        differences = [difference_cell(gap), difference_cell(change)][: len(heads) - 1 - len(protocols)]
        lines.append((Cell(study_text(each.study, each.comparable), sort=each.study), *ours, *differences))
    labels = {head: [text(each.labels[head]) for each in found] for head in found[0].labels}
    if any(cell.text for cell in labels["class"]):
        labels["class"] = [text(cell.text or "all classes") for cell in labels["class"]]
    return assemble("The study beside ours", labels, heads, lines, folded=folded and heads == ["study", "sound"])


def pairs_table(description: Description, table: pd.DataFrame) -> Table | None:
    """One row per pair of models on the same images, at 4/255 or the epsilon nearest to it; None where there is none."""
    if not len(table):
        return None
    rows = prepare(
        table.assign(value=table["difference"], paper=None, subset="all", seed=0), {**description, "row_key": ()}
    )
    rows = rows[(rows["experiment"] == description["name"]) & (rows["metric"] == "accuracy") & (rows["epsilon"] != "")]
    gap = (pd.to_numeric(rows["epsilon"]) - USUAL).abs()
    rows = rows[(rows["attack"] != "none") & (gap <= gap[rows["attack"] != "none"].min() + 1e-9)]
    if rows.empty:
        return None
    names = ("label", "protocol", "model", "other")
    labels = {_head(name): [text(_label(name, value)) for value in rows[name]] for name in names}
    numbers = [
        (
            Cell(signed(row["value"]), f"[{signed(row['ci_low'])}, {signed(row['ci_high'])}]", sort=row["value"]),
            *(Cell(str(row[name]), sort=row[name]) for name in ("only_model", "only_other")),
            Cell(f"{row['p_mcnemar']:.1g}", sort=row["p_mcnemar"]),
        )
        for row in rows.to_dict("records")
    ]
    note = (
        "The first model's accuracy minus the other's, with the 95 % interval of the paired bootstrap; images that only "
        "one of them gets right; McNemar's exact test, of the first seed. comparisons.csv has every pair and epsilon."
    )
    heads = ["difference", "only model", "only other", "McNemar p"]
    return assemble("Pairs of models on the same images", labels, heads, numbers, note=note, folded=True)


def ordered(models: Iterable[str], description: Description) -> list[str]:
    """Models in the study's order, then those that it lacks."""
    present = list(dict.fromkeys(models))
    known = [name for name in description["models"] if name in present]
    return [*known, *(name for name in present if name not in known)]


def _by_metric(
    rows: pd.DataFrame, description: Description, shown: list[tuple[str, str]], caption: str, folded: bool = False
) -> Table:
    heads = {
        column_heading(name, subset): (column_heading(name, subset), metric(name).digits) for name, subset in shown
    }
    column = [column_heading(*key) for key in _values(rows, "metric", "subset")]
    line = _codes(_values(rows, "model", *description["row_key"]))
    rows = rows.assign(column=column, line=line)
    return _grid(rows, description, heads, caption, shown, model=True, folded=folded)


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
    """One row per `line` and protocol, one column per `column`.

    Args:
        rows: prepared, with both.
        description: names the rows.
        columns: column -> its heading, and digits of its numbers.
        caption, metrics: see `Table`.
        model: whether the model names rows.
        folded: see `Table`.
    """
    sizes = "epsilon" in description["row_key"]
    names = [name for name in description["row_key"] if not sizes or name not in SIZES]
    names = [*(["model"] if model else []), *(["label"] if sizes else []), *names, "protocol"]
    found = {
        (each["line"], each["protocol"], each["column"]): each
        for each in measured(rows, ["line", "protocol", "column"])
    }
    labels: dict[str, list[Cell]] = {_head(name): [] for name in names}
    numbers = []
    for line, own in rows.groupby("line", sort=False):
        for protocol in dict.fromkeys(rows["protocol"]):
            part = own[own["protocol"] == protocol]
            if len(part):
                for place, name in enumerate(names):
                    printed = "" if place else part["printed"].iloc[0]
                    labels[_head(name)].append(_label_cell(name, part, printed))
                entries = [(found.get((line, protocol, column)), digits) for column, (_, digits) in columns.items()]
                numbers.append(tuple(measured_cell(entry, digits, "") for entry, digits in entries))
    heads = [head for head, _ in columns.values()]
    return assemble(caption, labels, heads, numbers, metrics=tuple(metrics), folded=folded)


def _label_cell(name: str, rows: pd.DataFrame, printed: str = "") -> Cell:
    """What names a line: the study attacked its models differently in some that it prints as one."""
    words = [_label(name, value) for value in rows[name].unique()]
    value = rows["epsilon" if name == "label" else name].iloc[0]
    sort = float(value) if isinstance(value, int | float) else words[0] or None
    said = words[0] + (" (models differ)" if len(words) > 1 else "")
    return Cell(said, f"printed {printed}" if printed else "", sort=sort)


def _head(name: str) -> str:
    return {"label": "attack", "printed": "the study's row"}.get(name, name.replace("_", " "))


def _label(name: str, value: Any) -> str:
    titles = {"model": model_title, "other": model_title, "start": model_title}
    named: dict[str, Callable[[Any], str]] = {**titles, "metric": lambda each: metric(each).heading}
    return named.get(name, plain_text)(value)


def _values(rows: pd.DataFrame, *names: str) -> list[tuple[Any, ...]]:
    return list(zip(*(rows[name] for name in names), strict=True))


def _codes(values: list[Any]) -> Any:
    return pd.factorize(pd.Series(values, dtype=object))[0]
