"""Decoded images kept on disk, so that a data set is decoded once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mri_robust.core.errors import UserError
from mri_robust.core.files import cache_folder, write_text, written_aside
from mri_robust.core.json_text import check_shape, parse_json

_CHUNK = 2**22
_RECORD = {"shape": [int], "content": str, "sha256": str, "unreadable": {str: str}, "original_sizes": {str: int}}


@dataclass(frozen=True)
class Record:
    """What the cache tells of the images beside it.

    Attributes:
        shape: (N, C, H, W) of the images; the training images come first.
        content: digest of the files' names and bytes.
        sha256: checksum of the pixels, by which a damaged cache is noticed.
        unreadable: name -> reason, of the files that were left out.
        original_sizes: `width x height` of the files before resizing -> how many.
    """

    shape: tuple[int, int, int, int]
    content: str
    sha256: str
    unreadable: dict[str, str]
    original_sizes: dict[str, int]


class Slot:
    """The place in the cache of the data set called `key`: `<key>.u8` holds its pixels, `<key>.json` its record.

    The record is written last: without it there is nothing. Two processes may fill the same slot at once.
    """

    def __init__(self, key: str) -> None:
        folder = cache_folder("datasets")
        self.pixels = folder / f"{key}.u8"
        self.record = folder / f"{key}.json"

    def load(self) -> tuple[np.ndarray, Record] | None:
        """Read-only memory map uint8 [N, C, H, W] and its record; None when absent, cut short or damaged."""
        try:
            said = parse_json(self.record.read_bytes())
            check_shape(said, _RECORD)
            record = Record(**said)
            images = np.memmap(self.pixels, dtype=np.uint8, mode="r", shape=tuple(record.shape))
            whole = self.pixels.stat().st_size == images.size and checksum(self.pixels) == record.sha256
        except (OSError, ValueError, TypeError, OverflowError):
            return None
        return (images, record) if whole else None

    @contextmanager
    def filled(self) -> Iterator[Writer]:
        """Write the slot anew: give a `Writer`, and keep what it was given if the block ends without an error.

        Raises:
            UserError: the disk is full, or the folder cannot be written.
        """
        try:
            with written_aside(self.pixels) as aside:
                with open(aside, "wb") as file:
                    writer = Writer(file)
                    yield writer
                record = writer.record
                self.record.unlink(missing_ok=True)
            write_text(self.record, json.dumps(asdict(record)))
        except OSError as error:
            raise UserError(
                f"cannot write the image cache in '{self.pixels.parent}': {error.strerror or error}; "
                "free some space or set MRI_ROBUST_CACHE to another folder"
            ) from error


class Writer:
    """Takes images one after the other, so that a large data set never lies in memory whole.

    Attributes:
        record: what the images are; to be set before the block of `Slot.filled` ends.
    """

    record: Record

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._sha = hashlib.sha256()

    def add(self, image: np.ndarray) -> None:
        """Append one contiguous uint8 image [C, H, W]."""
        self._sha.update(image.data)
        self._file.write(image.data)

    @property
    def sha256(self) -> str:
        """Checksum of the images added so far."""
        return self._sha.hexdigest()


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hex digits."""
    sha = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            sha.update(chunk)
    return sha.hexdigest()
