"""What a data set is, `load_dataset`, the one door to all sources, and what a study needs to know of its data."""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mri_robust.core.errors import UserError, shown
from mri_robust.core.registry import did_you_mean
from mri_robust.data import SOURCES
from mri_robust.data.division import Division
from mri_robust.data.patients import DICOM, Groups, in_both_said, intervals_said, numbered, read_groups
from mri_robust.data.versions import version_said

Channels = Literal["grey", "rgb"]
SMALLEST, LARGEST = 8, 1024  # sides in pixels that images can be read at
MEAN, STD = 0.1855, 0.1813
"""Mean and standard deviation that the study normalises pixels in [0, 1] with (section 5.1), inside every model."""
NO_TUMOUR = re.compile(
    r"(?:class|brain|mri|mr)?"
    r"(?:no|non|(?:no|non|not|without)(?:a|any|brain)*(?:tumou?rs?|tumou?rous|tumou?ral|cancer(?:ous)?|lesions?|masse?s?)"
    r"|(?:tumou?r|cancer|lesion)(?:free|negative|no)|normals?|healthy|controls?|negatives?|neg)"
    r"(?:brains?|mri|mr|scans?|images?|slices?|subjects?|patients?|controls?|tissue|cases?|class|t[12]w?|flair)*"
    r"(?:present|found)?"
)
"""Names of a class without a tumour, where nobody says which classes have one: without case, blanks, `_`, `-`, digits
before them."""


@dataclass(frozen=True)
class Split:
    """The training or the test part of a data set."""

    images: np.ndarray  # uint8 [N, C, H, W], C = 1 (grey) or 3 (RGB); may be a read-only memory map
    labels: np.ndarray  # int64 [N], indices into `Dataset.classes`
    names: tuple[str, ...]  # N file names, relative to the data set (`Training/glioma/Tr-gl_0010.jpg`)
    patients: tuple[int, ...] = ()  # N numbers, equal for images, of either split, of one patient; empty where unknown

    def __len__(self) -> int:
        return len(self.labels)

    def whose(self, places: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Numbers of the patients of the images at `places`; where nobody knows them, each image has its own."""
        return np.array(self.patients or range(len(self)))[places]


@dataclass(frozen=True)
class Dataset:
    """A labelled set of slices in two splits.

    What was left out while reading is in `skipped`, reason -> count: `hidden`, `not an image`, `outside the classes`,
    `link` (out of the data folder), `not a file`, `unreadable`, `validation`. `notes` say what was taken for what.
    """

    name: str  # `phantom`, or the file name of the folder or archive
    train: Split
    test: Split
    classes: tuple[str, ...]  # a label is an index into them
    digest: str  # names everything that decides the pixels and labels: the content, the size and the channels
    skipped: dict[str, int] = field(default_factory=dict)
    tumour_classes: tuple[str, ...] = ()  # the classes with a tumour, where somebody said so; see `healthy_classes`
    files: Mapping[str, Sequence[float]] = field(default_factory=dict)  # name -> own width, height, kilobytes of 1000
    unreadable: tuple[str, ...] = ()  # names of the image files that were left out
    reading: tuple[str, ...] = ()  # notes on how the images were found and read, one line each
    others: tuple[str, ...] = ()  # names of the images in neither split: of a validation set, or unreadable

    @property
    def notes(self) -> tuple[str, ...]:
        """One line for each thing that the data did not say plainly: how it was read, which class has no tumour, which
        version it is, and whose images these are."""
        parts = (self.train.patients, self.test.patients)
        counts = [np.bincount(each.labels, minlength=len(self.classes)).tolist() for each in (self.train, self.test)]
        said = (version_said(self.classes, counts, self.test.names), in_both_said(*parts))
        return (*self.reading, *self._healthy_said, *filter(None, said))

    @property
    def intervals(self) -> str:
        """How the intervals are made where patients are known; else empty."""
        return intervals_said(self.test.patients)

    @property
    def _healthy_said(self) -> tuple[str, ...]:
        if self.tumour_classes:
            return ()
        named = ", ".join(shown(self.classes[place]) for place in self.healthy)
        said = f"taken as without a tumour: {named} (--tumour-classes names the others)"
        if not self.healthy:
            said = f"no class of {shown(', '.join(self.classes))} is known to be without a tumour"
            said += ": name those with one by --tumour-classes"
        return (said,)

    @property
    def healthy(self) -> tuple[int, ...]:
        """The classes without a tumour: those that are no `tumour_classes`, or whose name says so."""
        return healthy_classes(self.classes, self.tumour_classes)

    @property
    def size(self) -> int:
        """Image height and width in pixels."""
        return int(self.train.images.shape[-1])

    @property
    def channels(self) -> Channels:
        """`grey` or `rgb`."""
        return "grey" if self.train.images.shape[1] == 1 else "rgb"


@dataclass(frozen=True)
class Source:
    """A place that data sets come from; a module in `data/sources` holds one as `SOURCE`. Another package's may be any
    object with these attributes; `divides` may be missing.

    `load(text, *, size, channels, skip_unreadable)` gives what `text` names; see `load_dataset`.
    """

    accepts: Callable[[str], bool]  # whether a `--data` text is meant for this source; reads nothing
    load: Callable[..., Dataset]
    divides: bool = False  # whether `load` takes `division` too, a `mri_robust.data.division.Division` or None
    dicom: bool = False  # whether `load` takes `by_patient` too: read off DICOM files of whom they are


def load_dataset(
    source: str | Path = "phantom",
    *,
    size: int,
    channels: Channels = "grey",
    skip_unreadable: bool = False,
    split: float | None = None,
    groups: str | Path | None = None,
    seed: int = 0,
    need_training: bool = True,
) -> Dataset:
    """Load a data set from any source: `phantom`, `kaggle`, a folder or `.zip`, `csv:FILE` or `npz:FILE`.

    The folder or `.zip` holds `Training/<class>/` and `Testing/<class>/` (or `train` and `test`), or class folders
    alone: of these, `split` (above 0, below 1) draws a share for testing with `seed`, by patient where known. One that
    is called `phantom` is given as `./phantom`. `groups` says of whom images are, so that intervals are over patients:
    a table with the columns `file` and `patient`, or `dicom` for the PatientID in DICOM files. Where no
    `need_training`, test images alone will do, and the training split may be empty. Images are resized to `size`
    pixels, 8 to 1024, of height and width, in one channel (`grey`) or three (`rgb`). With `skip_unreadable`, files that
    cannot be read are left out and counted in `Dataset.skipped`.
    Raises `UserError` where the source does not exist or cannot be used, ValueError where `size`, `channels` or `split`
    is out of range.
    """
    if isinstance(size, bool) or not isinstance(size, int) or not SMALLEST <= size <= LARGEST:
        raise ValueError(f"size must be a whole number of pixels from {SMALLEST} to {LARGEST}, got {size!r}")
    if channels not in ("grey", "rgb"):
        raise ValueError(f"channels must be 'grey' or 'rgb', got {channels!r}")
    if split is not None and not 0 < split < 1:
        raise ValueError(f"split must be a share above 0 and below 1, got {split!r}")
    text = str(source)
    found: Source | None = next((each for each in map(SOURCES.load, SOURCES.names()) if each.accepts(text)), None)
    if found is None:
        added = "".join(f", or what the source '{name}' takes" for name in SOURCES.added())
        known = "a folder, a .zip file, csv:FILE, npz:FILE, 'phantom' or 'kaggle'"
        raise UserError(f"data '{text}' does not exist: give {known}{added}")
    how: dict[str, Any] = {"size": size, "channels": channels, "skip_unreadable": skip_unreadable}
    table = read_groups(Path(groups)) if groups and groups != DICOM else None
    if groups == DICOM:
        if not getattr(found, "dicom", False):
            raise UserError(f"data '{text}' are no DICOM files: give --groups a table of files and patients")
        how["by_patient"] = True
    if split is not None:
        if not getattr(found, "divides", False):
            raise UserError(f"data '{text}' is divided already for training and testing: leave out --split")
        how["division"] = Division(split, seed, table)
    dataset: Dataset = found.load(text, **how)
    if table:
        dataset = with_patients(dataset, table)
    if groups and len({*dataset.test.patients}) < 2:
        raise UserError("--groups: all test images are of one patient, intervals over patients need two or more")
    if need_training and not len(dataset.train):
        raise UserError(f"data '{text}' has test images alone: add images to train on, in Training/<class>/")
    return dataset


def with_patients(dataset: Dataset, groups: Groups) -> Dataset:
    """The same data with the patients that a table names; `UserError` where it lacks an image or names another."""
    parts = (dataset.train.names, dataset.test.names)
    patients = numbered(groups.complete([*parts[1], *parts[0]], dataset.others), *parts)
    train, test = (replace(each, patients=next(patients)) for each in (dataset.train, dataset.test))
    return replace(dataset, train=train, test=test)


def with_tumours(dataset: Dataset, tumour_classes: tuple[str, ...]) -> Dataset:
    """The same data, told which classes show a tumour; as it was for none, or for those that the names say."""
    known = healthy_classes(dataset.classes, tumour_classes) == dataset.healthy
    return dataset if known else replace(dataset, tumour_classes=tumour_classes)


def healthy_classes(classes: Sequence[str], tumour_classes: Sequence[str] = ()) -> tuple[int, ...]:
    """Indices of the classes that are no `tumour_classes`, or where none are given, whose names say `NO_TUMOUR`.

    Names are compared in one Unicode form.
    """
    if not tumour_classes:
        spelled = (unicodedata.normalize("NFKC", name).casefold() for name in classes)
        bare = (re.sub(r"^[\W_0-9]+|[\W_]+", "", name) for name in spelled)
        return tuple(index for index, name in enumerate(bare) if NO_TUMOUR.fullmatch(name))
    known, named = ([unicodedata.normalize("NFC", name) for name in each] for each in (classes, tumour_classes))
    for name in named:
        if name not in known:
            raise UserError(f"--tumour-classes: the data have no class '{name}'{did_you_mean(name, list(classes))}")
    healthy = tuple(index for index, name in enumerate(known) if name not in named)
    if not healthy:
        raise UserError(f"--tumour-classes names all of {', '.join(classes)}: leave out those without a tumour")
    return healthy


def content_digest(*arrays: np.ndarray, names: tuple[str, ...] = ()) -> str:
    """16 hex digits of the SHA-256 over the arrays' shapes, types and bytes, and `names`."""
    sha = hashlib.sha256("\0".join(names).encode())
    for array in arrays:
        sha.update(f"{array.dtype}{array.shape}".encode())
        sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()[:16]
