"""Of whom an image is: by a user's table (`--groups FILE.csv`), by the data's own, or by the DICOM files.

Who somebody is leaves this module as a number; names and IDs of patients are never printed, and stand in no file.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mri_robust.core.errors import UserError, shown
from mri_robust.data.table import read_table

DICOM = "dicom"  # in place of a table: the PatientID in the header of every file
_NAMED = 3  # most files that a message names
_INTERVALS = (
    "95 % intervals over test images draw patients with replacement, not images (cluster bootstrap; the test set has "
    "{}), and are never shorter than Wilson's over images; where all patients have one rate, they are Wilson's with "
    "patients in place of images; those of what is no patient's test image (queries, members of a training set, "
    "reconstructions) count images"
)


@dataclass(frozen=True)
class Groups:
    """A table of images and patients; read it by `read_groups`."""

    where: str  # the table, as messages call it
    lines: tuple[tuple[int, str, str], ...]  # (line, file, patient)

    def find(self, names: Iterable[str]) -> tuple[dict[str, str], list[str]]:
        """Image -> patient of those `names` that the table has, and the files of the table that are none of them.

        A file may be called by the end of its name, down to the bare one, where that is one image's alone. Raises
        `UserError` where it is not, or where an image has two patients.
        """
        known, endings = set(names), defaultdict[str, list[str]](list)
        for name in sorted(known):
            for start, letter in enumerate(name):
                if letter == "/":
                    endings[name[start + 1 :]].append(name)
        found, first, strange = dict[str, str](), dict[str, int](), list[str]()
        for number, file, patient in self.lines:
            line, meant = f"'{self.where}' line {number}", [file] if file in known else endings[file]
            if len(meant) > 1:
                called = f"{len(meant)} images are called '{shown(file)}'"
                raise UserError(f"{line}: {called}: give the folders too, as in '{shown(meant[0])}'")
            if not meant:
                strange.append(file)
            elif found.setdefault(meant[0], patient) != patient:
                said = f"'{shown(file)}' has another patient in line {first[meant[0]]}"
                raise UserError(f"{line}: {said}: keep one of them")
            else:
                first.setdefault(meant[0], number)
        return found, strange

    def complete(self, names: Sequence[str], others: Iterable[str] = ()) -> dict[str, str]:
        """Image -> patient of all `names`; it may also have `others`. Raises `UserError` where it lacks any, or has
        files that are none of these."""
        found, strange = self.find([*names, *others])
        missing = [name for name in names if name not in found]
        wrong = []
        if strange:
            wrong.append(f"names {counted(strange, 'file')} that the data lack: {listed(strange)}")
        if missing:
            wrong.append(f"leaves out {counted(missing, 'image')} of the data: {listed(missing)}")
        if wrong:
            raise UserError(f"'{self.where}' {' and '.join(wrong)}; files are called as in '{shown(names[0])}'")
        return {name: found[name] for name in names}


def read_groups(path: Path) -> Groups:
    """A table with the columns `file` and `patient`; `UserError` where it cannot be read or a row lacks one."""
    rows = read_table(path, ("file", "patient"), (), "files and patients")
    lines = tuple((number, row["file"], row["patient"]) for number, row in rows)
    if not lines:
        raise UserError(f"'{shown(path)}' is empty: it must name a file and its patient in each line below the first")
    return Groups(shown(path), lines)


def numbered(patient: Mapping[str, str], *parts: Sequence[str]) -> Iterator[tuple[int, ...]]:
    """Of each image of the parts a number, equal for those of one patient, from 0 in the order in which they come.

    Empty tuples where `patient`, image -> patient, does not know all.
    """
    known = all(patient.get(name) for part in parts for name in part)
    numbers: dict[str, int] = {}
    for part in parts:
        yield tuple(numbers.setdefault(patient[name], len(numbers)) for name in part) if known else ()


def intervals_said(test: Sequence[int]) -> str:
    """How intervals are made where the patients of the test images are known, by their numbers; else empty."""
    return _INTERVALS.format(slices_said(test)) if test else ""


def in_both_said(train: Sequence[int], test: Sequence[int]) -> str:
    """How many patients have training and test images, by their numbers; empty for none."""
    both = {*train} & {*test}
    people = f"{counted([*both], 'patient')} {'has' if len(both) == 1 else 'have'}"
    tested = sum(number in both for number in test)
    return f"{people} training images and {tested} of the {len(test)} test images" if both else ""


def slices_said(numbers: Sequence[int]) -> str:
    """`12 patients, 1 to 9 slices each`."""
    slices = sorted(Counter(numbers).values())
    each = f"{slices[0]} to {slices[-1]}" if slices[0] < slices[-1] else f"{slices[0]}"
    return f"{counted(slices, 'patient')}, {each} slice{'s' * (slices[-1] > 1)} each"


def counted(things: Sequence[object], noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{len(things)} {noun}{'s' * (len(things) != 1)}"


def listed(names: Sequence[str]) -> str:
    """The first few names."""
    return ", ".join([*map(shown, names[:_NAMED]), *(["..."] if len(names) > _NAMED else [])])
