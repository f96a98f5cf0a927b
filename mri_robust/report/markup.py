"""Markdown out of plain text."""

from __future__ import annotations

import re
from collections.abc import Sequence


def escape(text: str) -> str:
    """Text of the user's in one line of Markdown."""
    return " ".join(text.split()).replace("`", "'").replace("|", "\\|").replace("<", "&lt;")


def table_markdown(heads: Sequence[str], lines: Sequence[Sequence[str]], *, align: str) -> str:
    """A Markdown table whose cells are plain text; `align` has a letter a column, `l` for texts, `r` for numbers."""
    ruler = "|" + "".join({"l": "---|", "r": "---:|"}[letter] for letter in align)
    return "\n".join([_row(heads), ruler, *(_row(line) for line in lines)])


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(text: str) -> str:
    """No emphasis, link or image begins in a cell; an interval keeps its brackets, which are no link by themselves."""
    return re.sub(r"([*!]|\](?=[(\[:])|\b_\B|\B_\b)", r"\\\1", escape(text.replace("\\", "&#92;")))
