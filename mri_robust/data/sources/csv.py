"""Image files listed in a table: `csv:labels.csv` with the columns path, label, and where known split and patient.

Paths are relative to the table. A split is `train`, `test` or `val` in any of the spellings of folders; a table without
that column is divided by `--split`, and images of a patient stay together.
"""

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mri_robust.core.errors import UserError, shown
from mri_robust.core.registry import did_you_mean
from mri_robust.data.division import Division, Entry
from mri_robust.data.layout import Layout, class_name, lay_out, split_of
from mri_robust.data.loader import file_source
from mri_robust.data.sources.folder import FolderFiles

COLUMNS = ("path", "label", "split", "patient")
_MAX_BYTES, _PREFIX = 2**26, "csv:"


class TableFiles(FolderFiles):
    """The files that a table lists; `path` is the table's."""

    def __init__(self, path: Path) -> None:
        self.path, self.skipped = path, Counter()
        self._entries = list(_entries(_text(path, shown(path)), shown(path)))
        self.listing = [entry.name for entry in self._entries]

    def read(self, name: str, most: int = -1) -> bytes:
        """See `FolderFiles`."""
        return super().read(str(self.path.absolute().parent / name), most)

    def layout(self, where: str, division: Division | None) -> Layout:
        """What the table says of the images, and which patients lie in both parts."""
        layout = lay_out(self._entries, where, division, named=False)
        train, test = (
            {entry.patient for entry in self._entries if entry.patient and entry.split == split}
            for split in ("Training", "Testing")
        )
        if parted := sorted(train & test):
            said = f"{len(parted)} patients have images both for training and for testing: {', '.join(parted[:3])}"
            layout = replace(layout, notes=(*layout.notes, shown(said)))
        return layout


def _text(path: Path, where: str) -> str:
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"'{where}' is no file: give a table with the columns path and label")
        with open(path, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read '{where}': {getattr(error, 'strerror', None) or error}") from error
    if len(data) > _MAX_BYTES:
        raise UserError(f"'{where}' is larger than {_MAX_BYTES // 2**20} MB: give a table of paths and labels")
    try:
        return data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"'{where}' is no text in UTF-8: save the table as 'CSV UTF-8'") from error


def _entries(text: str, where: str) -> Iterator[Entry]:
    """The rows of a table, separated by commas, semicolons or tabs; `UserError` names the line of a wrong one."""
    header = text.partition("\n")[0]
    rows = csv.reader(text.splitlines(), delimiter=max(",;\t", key=header.count))
    seen = dict[str, int]()
    try:
        columns = [cell.strip().casefold() for cell in next(rows, [])]
        for name in COLUMNS[:2]:
            if name not in columns:
                near = did_you_mean(name, [column for column in columns if column]) if any(columns) else ""
                raise UserError(f"'{where}' has no column '{name}': its first line must name path and label{near}")
        if twice := [name for name in COLUMNS if columns.count(name) > 1]:
            raise UserError(f"'{where}' has two columns '{twice[0]}': keep one")
        for cells in rows:
            if not any(cell.strip() for cell in cells):
                continue
            line = f"'{where}' line {rows.line_num}"
            row = dict.fromkeys(columns, "") | dict(zip(columns, map(str.strip, cells), strict=False))
            path = row["path"].replace("\\", "/").removeprefix("./")
            split = split_of(row.get("split", ""))
            if empty := [name for name in COLUMNS[:2] if not row[name]]:
                raise UserError(f"{line} has no {empty[0]}")
            if "split" in row and not split:
                raise UserError(f"{line}: split must be train, test or val; got '{shown(row['split'])}'")
            if path in seen:
                raise UserError(f"{line}: '{shown(path)}' stands in line {seen[path]} already")
            seen[path] = rows.line_num
            yield Entry(path, class_name(row["label"]), split, row.get("patient", ""))
    except csv.Error as error:
        raise UserError(f"'{where}' is no table that can be read ({error}): save it as CSV") from error
    if not seen:
        raise UserError(f"'{where}' is empty: it must list an image in each line below the first")


SOURCE = file_source(
    lambda text: text.startswith(_PREFIX) or text.casefold().endswith(".csv"),
    lambda text, whole: TableFiles(Path(text.removeprefix(_PREFIX))),
)
