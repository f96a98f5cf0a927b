"""Image files in `Training/<class>/`, `Testing/<class>/` to a `Dataset`, whatever they lie in."""

import hashlib
import os
import warnings
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL

from mri_robust.core.errors import UserError, shown
from mri_robust.core.hashing import digest
from mri_robust.data.cache import Facts, cached
from mri_robust.data.dataset import Channels, Dataset, Split
from mri_robust.data.decode import MAGIC_END, Unreadable, decode, decoders
from mri_robust.data.layout import arrange, check_classes, class_of

Decoded = tuple[np.ndarray, list[float], str]
"""Of a file: pixels uint8 [C, S, S]; its own width, height and kilobytes; and its SHA-256."""

WORDS = ("", "phantom", "kaggle")  # what is never taken for the path of a folder or file
_BATCH, _FORMAT = 64, 1


class Files(ABC):
    """The files of a folder or an archive."""

    path: Path
    listing: Sequence[str]  # slash-separated names below `path`; those of folders end in a slash
    skipped: dict[str, int]  # reason -> number of files that are not in the listing

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

    def close(self) -> None:  # noqa: B027
        """Let go of the archive; nothing holds a folder."""


@dataclass(frozen=True)
class FileSource:
    """A `mri_robust.data.dataset.Source` of image files, which `files` opens."""

    accepts: Callable[[str], bool]
    files: Callable[[str], Files]
    name: str | None = None  # of the data set, if not that of the folder or archive

    def load(self, text: str, *, size: int, channels: Channels, skip_unreadable: bool) -> Dataset:
        """Load what `text` names, from the cache if the same content was loaded before; see `load_dataset`."""
        with closing(self.files(text)) as files:
            return _read_dataset(files, self.name or files.path.name, size, channels, skip_unreadable)


def decoded(
    files: Files, names: Sequence[str], *, size: int, channels: Channels, root: str = ""
) -> Iterator[tuple[str, Decoded | Unreadable]]:
    """Each name below `root`, in order, and its image, decoded by all cores, or why not; few in memory at a time."""

    def one(name: str) -> Decoded | Unreadable:
        try:
            data = files.read(root + name)
            pixels, (width, height) = decode(data, size, channels, name)
            return pixels, [width, height, len(data) / 1000], hashlib.sha256(data).hexdigest()
        except Unreadable as reason:
            return reason

    # The warnings are on oddities inside single files (EXIF, palettes, sizes), which a reader of 7000 cannot act on.
    with ThreadPoolExecutor(os.cpu_count()) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for start in range(0, len(names), _BATCH):
            batch = names[start : start + _BATCH]
            yield from zip(batch, pool.map(one, batch), strict=True)


def _read_dataset(files: Files, name: str, size: int, channels: Channels, skip_unreadable: bool) -> Dataset:
    where = shown(files.path)
    layout = arrange(files.listing, where, files.first_bytes)
    names = (*layout.train, *layout.test)

    def readable(facts: Facts) -> list[list[str]]:
        if facts.unreadable and not skip_unreadable:
            raise unreadable_error(facts.unreadable, where)
        train, test = ([file for file in part if file not in facts.unreadable] for part in (layout.train, layout.test))
        check_classes(layout.classes, train, test, "readable image", where)
        return [train, test]

    def images(facts: Facts) -> Iterator[np.ndarray]:
        shas = dict[str, str]()
        for file, result in decoded(files, names, size=size, channels=channels, root=layout.root):
            if isinstance(result, Unreadable):
                facts.unreadable[file] = str(result)
            else:
                pixels, facts.files[file], shas[file] = result
                yield pixels
        readable(facts)
        facts.content = digest([*shas.items()])

    paths = [layout.root + file for file in names]
    key = digest([_FORMAT, PIL.__version__, files.key(paths), size, channels, *decoders(paths)])
    pixels, facts = cached(key, images)
    train, test = readable(facts)
    return Dataset(
        name=name,
        train=_split(train, pixels[: len(train)], layout.classes),
        test=_split(test, pixels[len(train) :], layout.classes),
        classes=layout.classes,
        digest=digest([facts.content, size, pixels.shape[1]]),
        skipped=dict(Counter(files.skipped) + Counter(layout.skipped) + Counter(unreadable=len(facts.unreadable))),
        files=facts.files,
        unreadable=tuple(facts.unreadable),
    )


def unreadable_error(unreadable: dict[str, str], where: str, way_out: bool = True) -> UserError:
    """What to raise for files that cannot be read, name -> reason; with a `way_out` where one can go on without."""
    named = [f"{shown(name)} ({reason})" for name, reason in [*unreadable.items()][:3]]
    listed = ", ".join([*named, "..."] if len(unreadable) > 3 else named)
    files = f"{len(unreadable)} image file{'s' * (len(unreadable) > 1)} in '{where}' cannot be read: {listed}"
    return UserError(f"{files}; replace or remove them{', or go on without them with --skip-unreadable' * way_out}")


def _split(names: list[str], pixels: np.ndarray, classes: tuple[str, ...]) -> Split:
    return Split(pixels, np.array([classes.index(class_of(name)) for name in names], dtype=np.int64), tuple(names))
