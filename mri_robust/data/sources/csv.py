"""Image files listed in a table: `csv:labels.csv` with the columns path, label, and where known split and patient.

Paths are relative to the table. A split is `train`, `test` or `val` in any of the spellings of folders; a table without
that column is divided by `--split`, and images of a patient stay together.
"""

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from mri_robust.core.errors import UserError, shown
from mri_robust.core.registry import did_you_mean
from mri_robust.data.dataset import Channels, Dataset
from mri_robust.data.decode import Unreadable
from mri_robust.data.division import Division, Entry
from mri_robust.data.layout import class_name, lay_out, split_of
from mri_robust.data.loader import read_dataset
from mri_robust.data.sources.folder import FolderFiles

COLUMNS = ("path", "label", "split", "patient")
_MAX_BYTES, _PREFIX = 2**26, "csv:"


class _Listed(FolderFiles):
    """The files that a table names."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self.path, self.listing, self.skipped = folder, names, Counter()

    def read(self, name: str, most: int = -1) -> bytes:
        """See `FolderFiles`; opens no pipe, which could wait for ever."""
        if (self.path / name).exists() and not (self.path / name).is_file():
            raise Unreadable("not a file")
        return super().read(name, most)


class Table:
    """The source of images that a table lists."""

    divides: ClassVar[bool] = True

    def accepts(self, text: str) -> bool:
        """Whether `text` is `csv:` and a path, or a path that ends in `.csv`."""
        return text.startswith(_PREFIX) or text.casefold().endswith(".csv")

    def load(
        self, text: str, *, size: int, channels: Channels, skip_unreadable: bool, division: Division | None = None
    ) -> Dataset:
        """Read the table, and its images as those of a folder; see `load_dataset`."""
        path, where = Path(text.removeprefix(_PREFIX)), shown(text.removeprefix(_PREFIX))
        entries = list(_entries(_text(path, where), where))
        layout = lay_out(entries, where, division, named=False)
        if parted := _parted(entries):
            said = f"{len(parted)} patients have images both for training and for testing: {', '.join(parted[:3])}"
            layout = replace(layout, notes=(*layout.notes, shown(said)))
        files = _Listed(path.absolute().parent, [entry.name for entry in entries])
        dataset = read_dataset(files, layout, where, size=size, channels=channels, skip_unreadable=skip_unreadable)
        return replace(dataset, name=path.name)


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
        twice = next((name for name in COLUMNS if columns.count(name) > 1), None)
        if twice:
            raise UserError(f"'{where}' has two columns '{twice}': keep one")
        places = {name: columns.index(name) for name in COLUMNS if name in columns}
        for cells in rows:
            if not any(cell.strip() for cell in cells):
                continue
            line = f"'{where}' line {rows.line_num}"
            row = {name: cells[place].strip() if place < len(cells) else "" for name, place in places.items()}
            path = row["path"].replace("\\", "/").removeprefix("./")
            split = split_of(row.get("split", ""))
            for name in ("path", "label"):
                if not row[name]:
                    raise UserError(f"{line} has no {name}")
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


def _parted(entries: list[Entry]) -> list[str]:
    train, test = (
        {entry.patient for entry in entries if entry.patient and entry.split == split}
        for split in ("Training", "Testing")
    )
    return sorted(train & test)


SOURCE = Table()
