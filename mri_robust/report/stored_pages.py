"""One cell or model of a results folder on the terminal, with everything that its file says."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console, JustifyMethod
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from mri_robust.data.layout import shown
from mri_robust.report.any_content import Content, as_mapping, as_number
from mri_robust.report.conditions import in_words
from mri_robust.report.number_words import attack_words
from mri_robust.report.stored import Entry, Stored, model_key, nested_recipes
from mri_robust.report.stored_files import StoredCell, StoredModel
from mri_robust.report.stored_tables import count_text, fact_table, new_table, seconds_text, state_text
from mri_robust.report.tidy_rows import Row, number_of, read_rows

_COLUMNS = ("images", "class", "metric", "value", "95 % interval", "n")
_COUNTED = ("epoch", "loss", "accuracy")
"""Columns of a training's record that come first, `seconds` last."""


def print_entry(stored: Stored, entry: Entry, console: Console) -> None:
    """Print a cell with its words, numbers or traceback, or a model with its recipe and training history."""
    name = entry.digest if isinstance(entry, StoredCell) else entry.name
    what = "cell" if isinstance(entry, StoredCell) else "model"
    console.print(Text.assemble((f"{what} {shown(name)}", "bold"), "  ", state_text(entry.state)))
    page = _cell_page(stored, entry) if isinstance(entry, StoredCell) else _model_page(stored, entry)
    for part in page:
        console.print(part, soft_wrap=isinstance(part, Text))


def _cell_page(stored: Stored, cell: StoredCell) -> list[Table | Text]:
    whole = [each for each in stored.models if each.state == "whole" and each.name == cell.about.get("model_file")]
    facts = [*_file_facts(stored, cell), ("used by", ", ".join(map(shown, stored.experiments_of(cell))))]
    words = [(word, _text(value)) for word, value in cell.about.items() if word not in ("seconds", "model_file")]
    facts += [*words, ("model file", _text(cell.about.get("model_file", "")))]
    facts += [("measured in", f"{seconds_text(cell.seconds)} s" if cell.seconds is not None else "")]
    parts = {name: f" ({len(value)})" if isinstance(value, list) else "" for name, value in cell.result.items()}
    facts += [("also holds", ", ".join(f"{shown(name)}{count}" for name, count in parts.items() if name != "rows"))]
    for model in whole:
        recipe = [f"{shown(name).replace('_', ' ')} {text}" for name, text in _recipe_facts(stored, model) if text]
        facts.append(("model made by", "; ".join(recipe)))
    page: list[Table | Text] = [_facts(facts), *_row_tables(stored, cell)]
    if cell.state == "failed":
        page += [Text(f"\n{shown(cell.error)}", style="red")]
        page += [Text("\n".join(shown(line) for line in cell.traceback.splitlines()), style="dim")]
    return page


def _model_page(stored: Stored, model: StoredModel) -> list[Table | Text]:
    measured = [cell for cell in stored.cells if cell.about.get("model_file") == model.name]
    so_far = " so far" if model.state == "partial" else ""
    seconds = f" in {seconds_text(model.seconds)} s" if model.seconds is not None else ""
    facts = [
        *_file_facts(stored, model),
        ("trained", f"{count_text(model.epochs, 'epoch')}{so_far}{seconds}" if model.epochs else ""),
        ("measured in", ", ".join(f"{cell.digest[:8]} {_text(cell.about.get('experiment', ''))}" for cell in measured)),
    ]
    page: list[Table | Text] = [_facts(facts + _recipe_facts(stored, model))]
    return [*page, _history_table(model.history)] if model.history else page


def _file_facts(stored: Stored, entry: Entry) -> list[tuple[str, str]]:
    used = {True: ", used by the last run", False: ", not used by the last run", None: ""}[stored.uses(entry)]
    return [("file", f"{shown(entry.path)} ({decimal(entry.bytes)}{used})")]


def _recipe_facts(stored: Stored, model: StoredModel) -> list[tuple[str, str]]:
    """What decided the weights; the models it was made from by the names of their files."""
    keys = {model_key(each.recipe, each.notes): each.name for each in stored.models if each.state == "whole"}
    sources = [
        keys.get(model_key(part, model.notes), _text(part.get("model", ""))) for part in nested_recipes(model.recipe)
    ]
    plain = [(key, _text(value)) for key, value in model.recipe.items() if key not in ("start", "members")]
    others = [(key, _text(value)) for key, value in as_mapping(model.notes.get("environment")).items()]
    return [
        *plain,
        ("made from", ", ".join(sources)),
        ("data digest", _text(model.notes.get("data_digest", ""))),
        *others,
    ]


def _row_tables(stored: Stored, cell: StoredCell) -> list[Table | Text]:
    """A table a line of the cell, under what it was measured on; all columns of the same width."""
    texts = [[_number_texts(rate) for rate in line] for line in cell.rows]
    columns = zip(_COLUMNS, *(row for line in texts for row in line), strict=True)
    widths = [max(map(len, column)) for column in columns]
    tables: list[Table | Text] = []
    for number, (lines, told) in enumerate(zip(texts, _words_of_lines(stored, cell), strict=True), start=1):
        words = (attack_words(told), in_words(told.get("condition", ""))) if told else (f"line {number}",)
        tables.append(Text("\n" + shown(" · ".join(word for word in words if word)), style="bold"))
        table = new_table("")
        table.box, table.show_header = (table.box, True) if number == 1 else (box.SIMPLE, False)
        for head, width in zip(_COLUMNS, widths, strict=True):
            justify: JustifyMethod = "left" if head in ("images", "class", "metric") else "right"
            table.add_column(head, justify=justify, overflow="fold", min_width=width)
        above = ""
        for images, *others in lines:
            table.add_row(*(Text(text) for text in (images if images != above else "", *others)))
            above = images
        tables.append(table)
    return tables


def _number_texts(rate: Content) -> tuple[str, ...]:
    words = [_text(rate.get(key, "")).replace("_", " ") for key in ("subset", "class", "metric")]
    return (*words, _value(rate.get("value")), _interval(rate), _text(rate.get("n")))


def _words_of_lines(stored: Stored, cell: StoredCell) -> list[Row]:
    """Columns of the tidy table for each line of a cell, from the CSV of the last run; empty where it has others.

    The cell itself does not hold them: they stand beside its numbers, which the CSV has in the order of the run.
    """
    for name in stored.experiments_of(cell):
        numbers = {each.digest: each.numbers for each in stored.cells if each.state == "ok"}
        before = stored.run["cells"][name] if stored.run else []
        start = sum(numbers.get(str(digest), 0) for digest in before[: before.index(cell.digest)])
        try:
            rows = read_rows(stored.folder / f"{name}.csv")[start : start + cell.numbers]
            values = [number_of(row, "value") for row in rows]
        except ValueError:
            continue
        if values == [as_number(rate.get("value")) for line in cell.rows for rate in line]:
            starts = [sum(map(len, cell.rows[:place])) for place in range(len(cell.rows))]
            return [rows[start] if line else {} for start, line in zip(starts, cell.rows, strict=True)]
    return [{} for _ in cell.rows]


def _history_table(history: list[Content]) -> Table:
    table = new_table("Training")
    present = dict.fromkeys(key for entry in history for key in entry)
    first = [key for key in _COUNTED if key in present]
    others = [key for key in present if key not in (*_COUNTED, "seconds")]
    columns = [*first, *others, *(["seconds"] if "seconds" in present else [])]
    for column in columns:
        table.add_column(Text(shown(column)), justify="right", overflow="fold")
    for entry in history:
        table.add_row(*(Text(_value(entry.get(column))) for column in columns))
    return table


def _facts(facts: list[tuple[str, str]]) -> Table:
    return fact_table((name.replace("_", " "), Text(text)) for name, text in facts if text)


def _text(value: Any) -> str:
    """Plain data in a line; nothing for what is empty or off; a part with its parameters as a call."""
    if isinstance(value, dict) and set(value) == {"name", "parameters"}:
        inner = ", ".join(f"{shown(key)}={_text(each)}" for key, each in as_mapping(value["parameters"]).items())
        return f"{shown(value['name'])}({inner})"
    if isinstance(value, dict):
        return ", ".join(f"{shown(key)} {_text(each)}" for key, each in value.items())
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return "" if value is None or value is False else "yes" if value is True else shown(value)


def _value(value: object) -> str:
    """A number with four digits; `no` for what is off, a dash for what is not there."""
    number = as_number(value)
    if number is None or isinstance(value, int):
        return "no" if value is False else _text(value) or "–"
    return f"{number:.4f}" if abs(number) < 10 else f"{number:.5g}"


def _interval(rate: Content) -> str:
    low, high = as_number(rate.get("ci_low")), as_number(rate.get("ci_high"))
    return "" if low is None or high is None else f"{low:.3f} – {high:.3f}"
