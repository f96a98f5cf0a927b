"""Image files listed in a table: `csv:labels.csv` with the columns path, label, and where known split and patient.

Paths are relative to the table. A split is `train`, `test` or `val` in any of the spellings of folders; a table without
that column is divided by `--split`, and images of a patient stay together.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mri_robust.core.errors import UserError, shown
from mri_robust.data.division import Division, Entry
from mri_robust.data.layout import Layout, class_name, lay_out, split_of
from mri_robust.data.loader import file_source
from mri_robust.data.sources.folder import FolderFiles
from mri_robust.data.table import read_table

_PREFIX = "csv:"


class TableFiles(FolderFiles):
    """The files that a table lists; `path` is the table's."""

    def __init__(self, path: Path) -> None:
        self.path, self.skipped = path, Counter()
        self._entries = list(_entries(path))
        self.listing = [entry.name for entry in self._entries]

    def read(self, name: str, most: int = -1) -> bytes:
        """See `FolderFiles`."""
        return super().read(str(self.path.absolute().parent / name), most)

    def layout(self, where: str, division: Division | None) -> Layout:
        """What the table says of the images."""
        entries = self._entries
        if self.by_patient:
            entries = [replace(entry, patient=self.patient(entry.name)) for entry in entries]
        return lay_out(entries, where, division, named=False)


def _entries(path: Path) -> Iterator[Entry]:
    """The rows of a table; `UserError` names the line of a wrong one."""
    where, seen = shown(path), dict[str, int]()
    for number, row in read_table(path, ("path", "label"), ("split", "patient"), "paths and labels"):
        line, path_, split = f"'{where}' line {number}", row["path"], split_of(row.get("split", ""))
        if "split" in row and not split:
            raise UserError(f"{line}: split must be train, test or val; got '{shown(row['split'])}'")
        if path_ in seen:
            raise UserError(f"{line}: '{shown(path_)}' stands in line {seen[path_]} already")
        seen[path_] = number
        yield Entry(path_, class_name(row["label"]), split, row.get("patient", ""))
    if not seen:
        raise UserError(f"'{where}' is empty: it must list an image in each line below the first")


SOURCE = file_source(
    lambda text: text.startswith(_PREFIX) or text.casefold().endswith(".csv"),
    lambda text, whole: TableFiles(Path(text.removeprefix(_PREFIX))),
)
