"""The tables of one experiment, out of its tidy rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.text import Text

from mri_robust.report import metrics
from mri_robust.report.metrics import model_title, number, ordered, plain_text, signed
from mri_robust.report.tables import Cell, Table, labelled_table, print_table
from mri_robust.study.epsilon import epsilon_text, size_text, usual

MAIN = ("accuracy", "missed_tumour_rate")  # metrics whose tables the terminal shows where each has its own
STEPS = (0.02, 0.05, 0.1, 0.2)  # sizes of a difference at which its colour deepens; under the first it counts as none
NUMBERS = ("value", "ci_low", "ci_high", "n", "paper")
CURVES = ("epoch", "channels")  # factors of the points of a curve, which is for the figures
SIZES = ("attack", "norm", "region", "epsilon", "alpha", "steps", "after", "severity")
"""Factors that together name an attack with an epsilon."""
PAIRS = (
    "The first model's accuracy minus the other's, with the 95 % interval of the paired bootstrap; images that only "
    "one of them gets right; McNemar's exact test, of the first seed, not where patients have several images. "
    "comparisons.csv has every pair and epsilon."
)

Description = Mapping[str, Any]  # what `run.json` says of an experiment
Record = dict[Any, Any]  # see `measured`


@dataclass(frozen=True)
class Comparison:
    """A number of the study beside ours under each protocol."""

    labels: dict[str, str]  # heading -> text of what names it
    printed: str  # how the study prints its row, where that is no label
    study: float
    comparable: bool  # whether our model started from the study's weights
    ours: dict[str, Record]  # by protocol

    @property
    def place(self) -> str:
        """Where it stands in the study, in words."""
        return ", ".join(filter(None, self.labels.values()))

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

    Points of curves go, but for the last epoch's accuracy on the training images. Epsilon rises within a model.
    `printed` is put on all numbers of the row that the study prints; `label` names the attack with its sizes.
    """
    key = ["protocol", *(name for name in description["row_key"] if name != "class")]
    needed = dict.fromkeys([*table, *key, *SIZES, *CURVES, "printed", "class", "weights", "seed"])
    rows = with_factors(table, [name for name in needed if name not in NUMBERS])
    rows = rows[rows["value"].notna() & rows["subset"].isin(metrics.SUBSETS)]
    rows = rows[(rows["subset"] == "all") | (rows["metric"] == "accuracy")]
    epoch = pd.to_numeric(rows["epoch"], errors="coerce")
    last = epoch == epoch.groupby([rows[name] for name in ("model", "seed", *key)], sort=False).transform("max")
    on_curve = (rows[list(CURVES)] != "").any(axis=1)
    rows = rows[~on_curve | (last & (rows["subset"] == "training"))]
    # Two evaluations of one model may both count the clean images.
    again = rows.duplicated(["model", "seed", "metric", "subset", "class", *key])
    rows = rows[~again | (rows["attack"] != "none")]
    if "epsilon" in description["row_key"]:
        size = pd.to_numeric(rows["epsilon"], errors="coerce")
        size = size.fillna(rows["attack"].map({metrics.WORST: np.inf}).fillna(0))  # what it cost comes last
        norms = pd.factorize(rows["norm"], sort=True)[0]
        rows = rows.iloc[np.lexsort((size, norms, pd.factorize(rows["model"])[0]))]
    printed = rows["printed"].map(plain_text)
    rows = rows.assign(printed=printed.groupby([rows[name] for name in key], sort=False).transform("max"))
    return rows.assign(label=_attacks(rows))


def by_size_alone(description: Description) -> bool:
    """Whether attacks and their sizes alone tell the rows of an experiment apart, as a curve over epsilon needs."""
    return set(description["row_key"]) <= set(SIZES)


def with_factors(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The table with "" where one of the factors `names` does not apply, also in columns that it lacks."""
    rows = table.reindex(columns=list(dict.fromkeys([*table, *names]))).astype(dict.fromkeys(names, object))
    return rows.assign(**rows[names].where(rows[names].notna(), ""))


def _attacks(rows: pd.DataFrame) -> list[str]:
    """`pgd 4/255, 10 × 1/255`, in L2 `pgd 0.5 (L2), 10 × 0.125`, `motion, severity 3`, `clean` of each row."""
    several = rows["after"].replace("", None).nunique() > 1

    def text(name: str, norm: str, region: str, epsilon: Any, alpha: Any, steps: Any, after: str, severity: Any) -> str:
        if name in ("none", "artefacts"):
            return "clean" if name == "none" else "mean over all artefacts"
        parts = [f"{name} {epsilon_text(epsilon, norm)}" if epsilon != "" else name]
        parts += [f"{region} only"] if region not in ("", "all") else []
        size = f"× {size_text(alpha, norm)}" if alpha != "" else "steps"
        parts += [f"{plain_text(steps)} {size}"] if steps != "" else []
        parts += [f"severity {plain_text(severity)}"] if severity != "" else []
        return ", ".join([*parts, *([f"after {after}"] if several and after else [])])

    return [text(*sizes) for sizes in _values(rows, *SIZES)]


def measured(rows: pd.DataFrame, by: Sequence[str]) -> list[Record]:
    """One record per combination of the columns `by`, in table order, over the seeds.

    `value` is the mean, `spread` the standard deviation, `low` and `high` the mean bounds; NaN where there is none.
    `comparable` says whether the model started from the study's weights. ValueError where `by` does not tell rows
    apart, so that a mean would mix numbers of different things.
    """
    if rows.duplicated([*by, "seed"]).any():
        raise ValueError(f"the row_key of experiment '{rows['experiment'].iloc[0]}' does not tell its rows apart")
    rows = rows.assign(spread=rows["value"], bounded=rows["ci_low"].notna())
    how = {"value": "mean", "spread": "std", "ci_low": "mean", "ci_high": "mean", "bounded": "all"}
    found = rows.groupby(list(by), sort=False).agg({**how, "paper": "first", "weights": "first"})
    found[["low", "high"]] = found[["ci_low", "ci_high"]].where(found["bounded"])
    found["comparable"] = found["weights"].isin(["", "imagenet"])  # the study's ResNets started from ImageNet's
    return found.rename(columns={"paper": "study"}).reset_index().to_dict("records")


def measured_cell(record: Mapping[str, Any] | None, digits: int = 3, *, beside: bool = False) -> Cell:
    """A measured value over its 95 % interval, `0.912 ± 0.010` over several seeds; with the study's number `beside`."""
    if record is None:
        return Cell("" if beside else "–")
    spread = f" ± {number(record['spread'], digits)}" if pd.notna(record["spread"]) else ""
    bounds = f"[{number(record['low'], digits)}, {number(record['high'], digits)}]" if pd.notna(record["low"]) else ""
    told = beside and pd.notna(record["study"])
    study = _study_text(record["study"], record["comparable"]) if told else ""
    return Cell(number(record["value"], digits) + spread, bounds, study, record["value"])


def _study_text(value: float, compared: bool) -> str:
    """The study's number as it prints it; in brackets where it is not comparable."""
    return f"{value:.2f}" if compared else f"({value:.2f})"


def difference_cell(value: float | None) -> Cell:
    """A difference with its sign; its depth says how large it is."""
    if value is None:
        return Cell("–")
    depth = sum(abs(value) >= step for step in STEPS)
    return Cell(signed(value), sort=value, depth=-depth if value < 0 else depth)


def experiment_tables(description: Description, rows: pd.DataFrame) -> list[Table]:
    """The tables of an experiment's prepared rows, the main one first, those of classes last. Several models side by
    side, or values of another factor, make a table per metric; else metrics are the columns."""
    overall, of_classes = rows[rows["class"] == ""], rows[(rows["class"] != "") & (rows["subset"] == "all")]
    if description["columns"] != "metric" and overall[description["columns"]].nunique() > 1:
        parts: dict[Any, pd.DataFrame] = dict(list(overall.groupby(["metric", "subset"], sort=False)))
        found = [_side_by_side(parts[pair], description, pair) for pair in sorted(parts, key=metrics.column_order)]
    else:
        took = overall["metric"].isin(metrics.SEARCH)
        halves = (("Overall", overall[~took]), ("What the attacks took", overall[took]))
        found = [_by_metric(part, description, caption) for caption, part in halves if len(part)]
    if "class" in description["row_key"] and len(of_classes):
        found.append(_by_metric(of_classes, description, "By class", folded=bool(found)))
    return found


def print_experiment(description: Description, table: pd.DataFrame, console: Console) -> None:
    """Print the main numbers of an experiment's tidy rows: measured, with intervals where there is room · study."""
    rows = prepare(table, description)
    found = experiment_tables(description, rows[rows["subset"] == "all"])
    own = [each for each in found if not each.folded and (len(each.metrics) > 1 or each.metrics[0][0] in MAIN)]
    if found:
        studied = any(cell.study for each in own for row in each.rows for cell in row)
        heading = description["title"] + (": measured · study" if studied else "")
        console.print(Text(heading, style="bold"), highlight=False)
    for each in own or found[:1]:
        print_table(each, console)


def comparisons(description: Description, rows: pd.DataFrame) -> list[Comparison]:
    """Every number of the study in an experiment's prepared rows beside ours, in table order."""
    rows = rows[rows["subset"] == "all"]
    if (studied := rows[rows["paper"].notna()]).empty:
        return []
    own = [name for name in description["row_key"] if name != "class"]
    # Rows are matched by how the study prints them; in its tables that have but one row, by the row's own key.
    keys = ["model", *(["printed"] if studied["printed"].any() else own), "class", "metric"]
    rows = rows[rows.groupby(keys, sort=False)["paper"].transform("count") > 0]
    found = pd.DataFrame(measured(rows, [*keys, "protocol"]))
    found = found.merge(rows.groupby(keys)["label"].first().reset_index(), on=keys)
    sizes = "printed" in keys and "epsilon" in own  # which the study prints in a unit of its own
    named = ["label" if sizes and name == "printed" else name for name in keys]
    numbers = []
    for _, part in found.groupby(keys, sort=False):
        labels = {_head(name): _label(name, part[name].iloc[0]) for name in named}
        ours = {record["protocol"]: record for record in part.to_dict("records")}
        study, printed = part["study"].dropna().iloc[0], part["printed"].iloc[0] if sizes else ""
        numbers.append(Comparison(labels, printed, study, bool(part["comparable"].all()), ours))
    return numbers


def comparison_table(found: list[Comparison], folded: bool = False) -> Table | None:
    """One row per number of the study, with ours under either protocol that was run; None where it printed none."""
    if not found:
        return None
    rows, every = [], "all classes" if any(each.labels["class"] for each in found) else ""
    for each in found:
        paper, sound = each.value("paper"), each.value("sound")
        labels = [
            Cell(text or (every if head == "class" else ""), _printed(each.printed if head == "attack" else ""))
            for head, text in each.labels.items()
        ]
        study = Cell(_study_text(each.study, each.comparable), sort=each.study)
        moved = difference_cell(None if paper is None or sound is None else sound - paper)
        ours = [measured_cell(each.ours.get(name)) for name in ("paper", "sound")]
        rows.append((*labels, study, ours[0], difference_cell(each.gap), ours[1], moved))
    heads = [*found[0].labels, "study", "paper", "paper − study", "sound", "sound − paper"]
    # Without protocol `paper` the other tables may hold as much.
    folded = folded and not any("paper" in each.ours for each in found)
    return labelled_table("The study beside ours", heads, rows, len(found[0].labels), folded=folded)


def pairs_table(description: Description, table: pd.DataFrame) -> Table | None:
    """One row per pair of models on the same images, at the usual epsilon or the nearest; None where there is none."""
    rows = with_factors(table, ["experiment", "protocol", "metric", *SIZES])
    rows = rows[(rows["experiment"] == description["name"]) & (rows["metric"] == "accuracy")]
    rows = rows[rows["attack"] != "none"]
    away = (pd.to_numeric(rows["epsilon"], errors="coerce") - rows["norm"].map(usual)).abs()
    if (rows := rows[away <= away.groupby(rows["norm"]).transform("min") + 1e-9]).empty:
        return None
    pairs = [" and ".join(map(model_title, pair)) for pair in _values(rows, "model", "other")]
    lines = []
    for row, *labels in zip(rows.to_dict("records"), pairs, _attacks(rows), rows["protocol"], strict=True):
        gap, low, high = (signed(row[name]) for name in ("difference", "ci_low", "ci_high"))
        p_value = "–" if pd.isna(row["p_mcnemar"]) else f"{row['p_mcnemar']:.1g}"
        numbers = (str(row["only_model"]), str(row["only_other"]), p_value)
        lines.append((*map(Cell, labels), Cell(gap, f"[{low}, {high}]", sort=row["difference"]), *map(Cell, numbers)))
    heads = ["models", "attack", "protocol", "difference", "only the first", "only the other", "McNemar p"]
    return labelled_table("Pairs of models on the same images", heads, lines, 3, note=PAIRS, folded=True)


def _side_by_side(rows: pd.DataFrame, description: Description, pair: tuple[str, str]) -> Table:
    """A column per model, or per value of another factor, of one metric and subset; a row per model where the columns
    are none, and per row of the study or of the experiment."""
    across: str = description["columns"]
    digits = metrics.metric(pair[0]).digits
    first, known = ([], description["models"]) if across == "model" else (["model"], [])
    names = [*first, *(name for name in description["row_key"] if name != across)]
    key = [(not first and printed) or tuple(key) for printed, *key in _values(rows, "printed", *names)]
    rows = rows.assign(column=rows[across], line=pd.factorize(pd.Series(key, dtype=object))[0])
    heads = {value: (_label(across, value), digits) for value in ordered(map(str, rows[across]), known)}
    more: dict[str, Any] = {"across": across, "caption": metrics.column_heading(*pair), "metrics": (pair,)}
    return _grid(rows, description, heads, *first, **more)


def _by_metric(rows: pd.DataFrame, description: Description, caption: str, folded: bool = False) -> Table:
    """A column per metric and subset, a row per model and row of the experiment."""
    pairs = _values(rows, "metric", "subset")
    line = rows.groupby(["model", *description["row_key"]], sort=False).ngroup()
    rows = rows.assign(column=pd.Series(pairs, rows.index, dtype=object), line=line)
    heads = {
        pair: (metrics.column_heading(*pair), metrics.metric(pair[0]).digits)
        for pair in sorted(set(pairs), key=metrics.column_order)
    }
    return _grid(rows, description, heads, "model", caption=caption, metrics=tuple(heads), folded=folded)


def _grid(
    rows: pd.DataFrame,
    description: Description,
    columns: Mapping[Any, tuple[str, int]],
    *first: str,
    across: str = "metric",
    **more: Any,
) -> Table:
    """A row per `line` and protocol, named by `first` and the row_key without `across`, what the columns are of;
    `columns`: `column` -> (heading, digits)."""
    names = [*first, *(name for name in _naming(description) if name != across), "protocol"]
    by = ["line", "protocol", "column"]
    found = {tuple(each[name] for name in by): each for each in measured(rows, by)}
    rows = rows.assign(block=pd.Categorical(rows["protocol"], rows["protocol"].unique()))
    lines = []
    for (line, protocol), part in rows.groupby(["line", "block"], observed=True):
        labels: list[Cell] = []
        for name in names:
            words = [_label(name, value) for value in part[name].unique()]
            value = part["epsilon" if name == "label" else name].iloc[0]
            # The study attacked its models differently in some lines that it prints as one.
            said = words[0] + (" (models differ)" if len(words) > 1 else "")
            printed = "" if labels else _printed(part["printed"].iloc[0])
            labels.append(Cell(said, printed, sort=value if isinstance(value, int | float) else None))
        entries = [(found.get((line, protocol, column)), digits) for column, (_, digits) in columns.items()]
        lines.append((*labels, *(measured_cell(entry, digits, beside=True) for entry, digits in entries)))
    heads = [*map(_head, names), *(head for head, _ in columns.values())]
    return labelled_table(heads=heads, rows=lines, texts=len(names), **more)


def _naming(description: Description) -> list[str]:
    """The columns that name a row of an experiment, beside the model: of an attack with an epsilon its label."""
    sizes, key = "epsilon" in description["row_key"], description["row_key"]
    return [*(["label"] if sizes else []), *(name for name in key if not sizes or name not in SIZES)]


def numbers_of(description: Description, rows: pd.DataFrame) -> list[Record]:
    """Every number in an experiment's prepared rows over the seeds: `measured`, and `place`, what it is of in words,
    without the model and the metric."""
    names = list(dict.fromkeys([*_naming(description), "class"]))
    key = dict.fromkeys(["protocol", "model", "metric", "subset", *names, *description["row_key"]])
    found = measured(rows, list(key))
    for record in found:
        said = [(_head(name), _label(name, record[name])) for name in names if record[name] != ""]
        words = (text if head in ("attack", "class") else f"{head} {text}" for head, text in said)
        record["place"] = ", ".join(filter(None, words))
    return found


def _printed(row: str) -> str:
    return f"printed {row}" if row else ""


def _head(name: str) -> str:
    return {"label": "attack", "printed": "the study's row"}.get(name, name.replace("_", " "))


def _label(name: str, value: Any) -> str:
    if name in ("model", "start"):
        return model_title(value)
    return metrics.metric(value).heading if name == "metric" else plain_text(value)


def _values(rows: pd.DataFrame, *names: str) -> list[tuple[Any, ...]]:
    return list(zip(*(rows[name] for name in names), strict=True))
