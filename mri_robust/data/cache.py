"""Decoded images kept on disk, so that a data set is decoded or drawn once.

Of the data set called `key`, `<key>.u8` holds the pixels and `<key>.json` the record, which is written last: without
it there is nothing. Two processes may write the same one at once.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from mri_robust.core.errors import UserError
from mri_robust.core.files import cache_folder, checksum, write_text, written_aside


@dataclass
class Facts:
    """What is known of the files behind the images; filled while they are made."""

    content: str = ""  # digest of their names and bytes
    unreadable: dict[str, str] = field(default_factory=dict)  # name -> reason, of those that were left out
    files: dict[str, list[float]] = field(default_factory=dict)  # see `Dataset`
    notes: list[str] = field(default_factory=list)  # on how single files were read, once for each


def cached(key: str, make: Callable[[Facts], Iterable[np.ndarray]]) -> tuple[np.ndarray, Facts]:
    """Read-only memory map uint8 [N, C, H, W] of the images called `key`, made where they are absent or damaged.

    `make` gives at least one contiguous uint8 [C, H, W] after the other, so that a large data set never lies in memory.
    Raises `UserError` where the disk is full or the folder cannot be written.
    """
    folder = cache_folder("datasets")
    pixels, record = folder / f"{key}.u8", folder / f"{key}.json"
    if found := _load(pixels, record):
        return found
    try:
        _store(pixels, record, make)
    except OSError as error:
        raise UserError(
            f"cannot write the image cache in '{folder}': {error.strerror or error}; "
            "free some space or set MRI_ROBUST_CACHE to another folder"
        ) from error
    if found := _load(pixels, record):
        return found
    raise UserError(f"the image cache '{pixels}' does not read back as written: try again")


def _load(pixels: Path, record: Path) -> tuple[np.ndarray, Facts] | None:
    try:
        said = json.loads(record.read_bytes())
        shape, sha256, facts = tuple(said["shape"]), said["sha256"], Facts(**said["facts"])
        images = np.memmap(pixels, dtype=np.uint8, mode="r", shape=shape)
        whole = pixels.stat().st_size == images.size and checksum(pixels) == sha256
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return (images, facts) if whole else None


def _store(pixels: Path, record: Path, make: Callable[[Facts], Iterable[np.ndarray]]) -> None:
    sha, shapes, facts = hashlib.sha256(), [], Facts()
    with written_aside(pixels) as aside:
        with open(aside, "wb") as file:
            for image in make(facts):
                sha.update(image.data)
                file.write(image.data)
                shapes.append(image.shape)
        record.unlink(missing_ok=True)
    said = {"shape": [len(shapes), *shapes[0]], "sha256": sha.hexdigest(), "facts": asdict(facts)}
    write_text(record, json.dumps(said))
