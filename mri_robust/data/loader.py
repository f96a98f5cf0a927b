"""Image files in `Training/<class>/`, `Testing/<class>/` to a `Dataset`, whatever they lie in."""

import hashlib
import os
import warnings
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import PIL

from mri_robust.core.errors import UserError, shown
from mri_robust.core.hashing import digest
from mri_robust.data.cache import Facts, cached
from mri_robust.data.dataset import Channels, Dataset, Source, Split
from mri_robust.data.decode import MAGIC_END, Unreadable, decode, decoders, greatest_grey, patient_id, white_of
from mri_robust.data.division import Division
from mri_robust.data.layout import Layout, arrange, check_classes
from mri_robust.data.patients import counted, listed, numbered

Decoded = tuple[np.ndarray, list[float], str, list[str]]
"""Of a file: pixels uint8 [C, S, S]; its own width, height and kilobytes; its SHA-256; and notes on how it was read."""

WORDS = ("", "phantom", "kaggle")  # what is never taken for the path of a folder or file
TABLES = (".csv", ".npz")  # suffixes of files that have a source of their own
_BATCH, _FORMAT = 64, 2


class Files(ABC):
    """The files of a folder or an archive."""

    path: Path
    listing: Sequence[str]  # slash-separated names below `path`; those of folders end in a slash
    skipped: dict[str, int]  # reason -> number of files that are not in the listing
    by_patient = False  # whether to read off DICOM files of whom they are

    @abstractmethod
    def read(self, name: str, most: int = -1) -> bytes:
        """The bytes of a listed file, or its first `most`; raises `Unreadable`."""

    @abstractmethod
    def key(self, names: list[str]) -> str:
        """A digest that changes whenever the bytes or the names of these files do."""

    def first_bytes(self, name: str) -> bytes:
        """What `is_image` asks of a file; nothing where it cannot be read."""
        try:
            return self.read(name, MAGIC_END)
        except Unreadable:
            return b""

    def layout(self, where: str, division: Division | None) -> Layout:
        """Which files are the images of which split and class; messages call the folder or archive `where`."""
        return arrange(self.listing, where, self.first_bytes, division, self.patient)

    def patient(self, name: str) -> str:
        """The PatientID in a DICOM file; empty where it has none or nobody asked for it."""
        if not self.by_patient:
            return ""
        try:
            return patient_id(self.read(name))
        except Unreadable:
            return ""

    def close(self) -> None:  # noqa: B027
        """Let go of the archive; nothing holds a folder."""


def file_source(accepts: Callable[[str], bool], files: Callable[[str, bool], Files], name: str | None = None) -> Source:
    """A source of image files, cached by their content; `name` is the data set's, if not the folder's or archive's.

    `files` opens what a text names; it is also told whether all files are wanted, however deep they lie.
    """

    def load(text: str, division: Division | None = None, by_patient: bool = False, **options: Any) -> Dataset:
        with closing(files(text, division is not None)) as opened:
            opened.by_patient, where = by_patient, shown(opened.path)
            layout = opened.layout(where, division)
            unknown = [each for each in (*layout.train, *layout.test) if by_patient and not layout.patients[each]]
            if unknown:
                said = f"{counted(unknown, 'image')} of '{where}' without a DICOM header that names a patient"
                raise UserError(f"--groups dicom: {said}: {listed(unknown)}; give a table of files and patients")
            return _read(opened, layout, name or opened.path.name, **options)

    return Source(accepts, load, divides=True, dicom=True)


def decoded(
    files: Files, names: Sequence[str], *, size: int, channels: Channels, root: str = ""
) -> Iterator[tuple[str, Decoded | Unreadable]]:
    """Each name below `root`, in order, and its image, decoded by all cores, or why not; few in memory at a time."""

    def one(name: str) -> Decoded | Unreadable:
        try:
            data, notes = files.read(root + name), list[str]()
            pixels, (width, height) = decode(data, size, channels, name, white=white, notes=notes)
            return pixels, [width, height, len(data) / 1000], hashlib.sha256(data).hexdigest(), notes
        except Unreadable as reason:
            return reason

    def greatest(name: str) -> int:
        return greatest_grey(root + name, files.first_bytes, files.read)

    # The warnings are on oddities inside single files (EXIF, palettes, sizes), which a reader of 7000 cannot act on.
    with ThreadPoolExecutor(os.cpu_count()) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # One white for all: a dark picture of a set in 16 bits is not one in 12.
        white = white_of(max(pool.map(greatest, names), default=0))
        for start in range(0, len(names), _BATCH):
            batch = names[start : start + _BATCH]
            yield from zip(batch, pool.map(one, batch), strict=True)


def _read(files: Files, layout: Layout, name: str, *, size: int, channels: Channels, skip_unreadable: bool) -> Dataset:
    """The images of a layout, from the cache if they were read before, as the data set called `name`."""
    names, where = (*layout.train, *layout.test), shown(files.path)

    def readable(facts: Facts) -> list[list[str]]:
        if facts.unreadable and not skip_unreadable:
            raise unreadable_error(facts.unreadable, where)
        train, test = ([file for file in part if file not in facts.unreadable] for part in (layout.train, layout.test))
        check_classes(layout, train if layout.train else None, test, "readable image", where)
        return [train, test]

    def images(facts: Facts) -> Iterator[np.ndarray]:
        shas = dict[str, str]()
        for file, result in decoded(files, names, size=size, channels=channels, root=layout.root):
            if isinstance(result, Unreadable):
                facts.unreadable[file] = str(result)
            else:
                pixels, facts.files[file], shas[file] = result[:3]
                facts.notes += result[3]
                yield pixels
        readable(facts)
        facts.content = digest([*shas.items()])

    paths = [layout.root + file for file in names]
    order = [] if layout.named else [paths]
    key = digest([_FORMAT, PIL.__version__, files.key(paths), size, channels, *order, *decoders(paths)])
    pixels, facts = cached(key, images)
    train, test = readable(facts)
    patients = numbered(layout.patients, train, test)
    said = [] if layout.named else [[layout.labels[name] for name in train + test], len(train)]
    repeated = (f"{count} image{'s' * (count > 1)}: {note}" for note, count in Counter(facts.notes).items())
    return Dataset(
        name=name,
        train=Split(pixels[: len(train)], layout.numbers(train), tuple(train), next(patients)),
        test=Split(pixels[len(train) :], layout.numbers(test), tuple(test), next(patients)),
        classes=layout.classes,
        digest=digest([facts.content, size, pixels.shape[1], *said]),
        skipped=dict(Counter(files.skipped) + Counter(layout.skipped) + Counter(unreadable=len(facts.unreadable))),
        files=facts.files,
        unreadable=tuple(facts.unreadable),
        reading=(*layout.notes, *repeated),
        others=layout.others,
    )


def unreadable_error(unreadable: dict[str, str], where: str, way_out: bool = True) -> UserError:
    """What to raise for files that cannot be read, name -> reason; with a `way_out` where one can go on without."""
    named = [f"{shown(name)} ({reason})" for name, reason in [*unreadable.items()][:3]]
    listed = ", ".join([*named, "..."] if len(unreadable) > 3 else named)
    files = f"{len(unreadable)} image file{'s' * (len(unreadable) > 1)} in '{where}' cannot be read: {listed}"
    return UserError(f"{files}; replace or remove them{', or go on without them with --skip-unreadable' * way_out}")
