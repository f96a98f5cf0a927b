"""Tables that a user writes: which images there are, or of whom they are."""

import csv
from collections.abc import Iterator
from pathlib import Path

from mri_robust.core.errors import UserError, shown
from mri_robust.core.registry import did_you_mean

_MAX_BYTES = 2**26


def read_table(
    path: Path, needed: tuple[str, ...], known: tuple[str, ...], holds: str
) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, column -> cell) of every row that is not empty, separated by commas, semicolons or tabs.

    The columns `needed` are there and have a cell in every row, those `known` may be there, others do not matter. A
    path, in the first column needed, has slashes and no `./` before it. Raises `UserError`, which says that the table
    must be one of `holds`, where it cannot be read, and which names the line of a wrong row.
    """
    where, text = shown(path), _text(path, needed, holds)
    header = text.partition("\n")[0]
    rows = csv.reader(text.splitlines(), delimiter=max(",;\t", key=header.count))
    try:
        columns = [cell.strip().casefold() for cell in next(rows, [])]
        for name in needed:
            if name not in columns:
                near = did_you_mean(name, [column for column in columns if column]) if any(columns) else ""
                named = " and ".join(needed)
                raise UserError(f"'{where}' has no column '{name}': its first line must name {named}{near}")
        if twice := [name for name in (*needed, *known) if columns.count(name) > 1]:
            raise UserError(f"'{where}' has two columns '{twice[0]}': keep one")
        for cells in rows:
            if not any(cell.strip() for cell in cells):
                continue
            row = dict.fromkeys(columns, "") | dict(zip(columns, map(str.strip, cells), strict=False))
            row[needed[0]] = row[needed[0]].replace("\\", "/").removeprefix("./")
            if empty := [name for name in needed if not row[name]]:
                raise UserError(f"'{where}' line {rows.line_num} has no {empty[0]}")
            yield rows.line_num, row
    except csv.Error as error:
        raise UserError(f"'{where}' is no table that can be read ({error}): save it as CSV") from error


def _text(path: Path, needed: tuple[str, ...], holds: str) -> str:
    where = shown(path)
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"'{where}' is no file: give a table with the columns {' and '.join(needed)}")
        with open(path, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read '{where}': {getattr(error, 'strerror', None) or error}") from error
    if len(data) > _MAX_BYTES:
        raise UserError(f"'{where}' is larger than {_MAX_BYTES // 2**20} MB: give a table of {holds}")
    try:
        return data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"'{where}' is no text in UTF-8: save the table as 'CSV UTF-8'") from error
