"""The output of `mri-robust curve`: files, figure, and tables on the terminal."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from mri_robust.core.files import write_text, written_aside
from mri_robust.core.hashing import canonical_json
from mri_robust.data.layout import shown
from mri_robust.report.drawing import COLOURS, MARKERS, plain_axes
from mri_robust.report.layout import in_255ths
from mri_robust.study.curve_results import CurveResults


def write_curves(results: CurveResults, out: Path) -> None:
    """Write `curve.csv`, `images.csv`, `comparisons.csv` where models were compared, `curve.png` and `curve.json`."""
    write_text(out / "curve.csv", results.table.to_csv(index=False, lineterminator="\n"))
    write_text(out / "images.csv", results.images.to_csv(index=False, lineterminator="\n"))
    if len(results.comparisons):
        write_text(out / "comparisons.csv", results.comparisons.to_csv(index=False, lineterminator="\n"))
    write_text(
        out / "curve.json", canonical_json({**results.about, "sanity_checks": results.findings}, indent=2) + "\n"
    )
    with written_aside(out / "curve.png") as aside:
        draw_curve(results.table).savefig(aside, format="png", metadata={"Software": None})


def draw_curve(table: pd.DataFrame) -> Figure:
    """Accuracy over epsilon in 255ths, a line a model, with 95 % intervals."""
    figure = Figure(figsize=(6.4, 4.2), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    for index, (model, rows) in enumerate(table.groupby("model", sort=False)):
        places, colour = rows["epsilon"] * 255, COLOURS[index % len(COLOURS)]
        axes.fill_between(places, rows["ci_low"], rows["ci_high"], color=colour, alpha=0.15, lw=0)
        marker = MARKERS[index % len(MARKERS)]
        axes.plot(places, rows["accuracy"], color=colour, marker=marker, markersize=5, label=_plain(str(model)))
    axes.set(ylim=(-0.02, 1.02), xlabel="ε in 255ths of the pixel range", ylabel="accuracy")
    axes.set_title(
        f"Accuracy under {table['attack'].iloc[0]}, {table['n'].iloc[0]} images, 95 % intervals", fontsize=10
    )
    plain_axes(axes)
    axes.legend(frameon=False, fontsize=8)
    return figure


def print_curves(results: CurveResults, console: Console) -> None:
    """Print the curve of each model, comparisons, and a warning for each sanity check that tripped."""
    first = results.table.iloc[0]
    title = f"Accuracy under {first['attack']} on {first['n']} images, with 95 % intervals"
    console.print(_by_epsilon(results.table, title, "accuracy", "ci"))
    if "missed_tumour_rate" in results.table:
        names = shown(" or ".join(results.about["classes_without_tumour"]))
        title = f"Missed tumours: share of the {first['tumours']} tumour images that are called {names}"
        console.print(_by_epsilon(results.table, title, "missed_tumour_rate", "missed_ci"))
    for model in results.about["random_weights"]:
        console.print(f"[bold yellow]warning[/] {escape(model)}: random weights; give trained ones with --weights FILE")
    for row in results.comparisons.itertuples():
        console.print(
            f"at {in_255ths(row.epsilon)}: {escape(row.model)} minus {escape(row.other)} "  # type: ignore[arg-type]
            f"{row.difference:+.3f} [{row.ci_low:+.3f}, {row.ci_high:+.3f}], McNemar p = {row.p_value:.2g}",
            highlight=False,
        )
    for model, findings in results.findings.items():
        for message in (finding["message"] for finding in findings if finding["tripped"]):
            console.print(f"[bold yellow]warning[/] {escape(model)}: {escape(message)}", highlight=False)
    tripped = sum(finding["tripped"] for findings in results.findings.values() for finding in findings)
    checks = sum(len(findings) for findings in results.findings.values())
    console.print(f"{checks - tripped} of {checks} sanity checks passed", highlight=False)


def _by_epsilon(table: pd.DataFrame, title: str, value: str, interval: str) -> Table:
    """A line an epsilon, a column a model: a rate with its interval, accuracy also with its spread over seeds."""
    page = Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    models = list(dict.fromkeys(table["model"]))
    for header in ("ε", *models):
        page.add_column(escape(header), justify="left" if header == "ε" else "right", overflow="fold")
    for eps, rows in table.groupby("epsilon"):
        cells = []
        for _, row in rows.set_index("model").loc[models].iterrows():
            spread = f" ± {row['spread']:.3f}" if value == "accuracy" and pd.notna(row["spread"]) else ""
            cells.append(f"{row[value]:.3f}{spread} \\[{row[f'{interval}_low']:.3f}, {row[f'{interval}_high']:.3f}]")
        page.add_row("clean" if eps == 0 else in_255ths(float(eps)), *cells)  # type: ignore[arg-type]
    return page


def _plain(text: str) -> str:
    """A label that matplotlib takes as it is: no formulas, and not hidden by a leading underscore."""
    return text.replace("$", r"\$").lstrip("_") or "model"
