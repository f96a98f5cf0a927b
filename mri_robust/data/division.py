"""Images that nobody divided, divided for training and testing: by patient where known, else by file."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mri_robust.core.errors import UserError, shown
from mri_robust.core.hashing import digest
from mri_robust.data.patients import Groups

_PATIENT = re.compile(r"sub-[0-9a-z]+|(?:subject|sub|patient|pat|case)[-_ ]?[0-9]+", re.IGNORECASE)


@dataclass(frozen=True)
class Division:
    """How a data set is divided."""

    share: float  # of the images that are for testing, above 0 and below 1
    seed: int = 0  # 0 or more
    groups: Groups | None = None  # who the images are of, where a table says so


@dataclass(frozen=True)
class Entry:
    """One image of a data set."""

    name: str
    label: str
    split: str = ""  # `Training`, `Testing` or `Validation`, or empty where nothing says it
    patient: str = ""
    folder: str = ""  # below that of the class


def divide(entries: Sequence[Entry], division: Division, where: str) -> tuple[list[str], list[str], str]:
    """Names for training, names for testing, and a note on how they were divided.

    Images of a patient stay together: of one that `groups` or the entries name, or that file names begin with, as in
    `sub-01`; else those of a folder below the class. Where this is not known of all, or a class has but one, every file
    is on its own. Each class is divided by itself. Raises `UserError` where a class cannot lie in both parts.
    """
    if division.groups:
        found = division.groups.find(entry.name for entry in entries)[0]
        entries = [replace(entry, patient=found.get(entry.name, "")) for entry in entries]
    together, kind = _together(entries)
    groups, strata = defaultdict[str, list[Entry]](list), defaultdict[str, list[list[Entry]]](list)
    for entry in sorted(entries, key=lambda entry: entry.name):
        groups[together[entry.name]].append(entry)
    for _, group in sorted(groups.items()):
        labels = [entry.label for entry in group]
        strata[max(sorted({*labels}), key=labels.count)].append(group)
    tested: set[str] = set()
    for label, members in sorted(strata.items()):
        generator = np.random.default_rng(int(digest([division.seed, "split", label], length=12), 16))
        wanted, taken = division.share * sum(map(len, members)), 0
        for place in generator.permutation(len(members))[: len(members) - 1]:
            if taken and taken + len(members[place]) / 2 > wanted:
                break
            tested.update(entry.name for entry in members[place])
            taken += len(members[place])
    train, test = ([entry.name for entry in entries if (entry.name in tested) == part] for part in (False, True))
    for label in sorted({entry.label for entry in entries}):
        held = {entry.name in tested for entry in entries if entry.label == label}
        if len(held) < 2:
            raise UserError(f"'{where}' cannot be divided: class '{shown(label)}' has too few {kind}s for two parts")
    caution = "" if kind == "patient" else "; slices of one patient may lie in both parts"
    drawn = f"{len(test)} of {len(entries)} images are for testing, drawn by {kind} (share {division.share:g}"
    return train, test, f"{drawn}, seed {division.seed}){caution}"


def _together(entries: Sequence[Entry]) -> tuple[dict[str, str], str]:
    """Name -> what of all images must stay together, and what that is."""
    begun = {entry.name: _PATIENT.match(entry.name.rpartition("/")[2]) for entry in entries}
    for kind, found in (
        ("patient", {entry.name: entry.patient for entry in entries}),
        ("patient", {name: match[0].casefold() if match else "" for name, match in begun.items()}),
        ("folder", {entry.name: entry.folder for entry in entries}),
    ):
        groups = Counter(label for label, _ in {(entry.label, found[entry.name]) for entry in entries})
        if all(found.values()) and min(groups.values()) > 1:
            return found, kind
    return {name: str(number) for number, name in enumerate(sorted(begun))}, "file"
