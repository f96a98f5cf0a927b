"""Arrays in one NumPy file: `npz:scans.npz`.

Either `images` and `labels`, with `split` and `patient` where known, one entry per image; or `train_images`,
`train_labels`, `test_images` and `test_labels` as MedMNIST has them, or `x_train`, `y_train`, `x_test` and `y_test`.
Images are [N, H, W], [N, H, W, C] or [N, C, H, W] with 1, 3 or 4 channels: whole numbers from 0 to 255, to 4095 or to
65535, or floats in [0, 1]. Labels are [N] or [N, 1], numbers or texts; of numbers, `classes` may hold the names.
"""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mri_robust.core.errors import UserError, shown
from mri_robust.data.dataset import Channels, Dataset, Source, Split, content_digest
from mri_robust.data.decode import resized, white_of
from mri_robust.data.division import Division, Entry
from mri_robust.data.layout import class_name, lay_out, split_of
from mri_robust.data.patients import numbered

_PREFIX, _MOST_UNPACKED, _MOST_RATIO = "npz:", 2**30, 200
_PARTS = {"train": "Training", "test": "Testing", "val": "Validation"}
_PAIRS = {("images", "labels"): ""} | {
    pair: part for part in _PARTS for pair in ((f"x_{part}", f"y_{part}"), (f"{part}_images", f"{part}_labels"))
}
"""Names of images and labels -> their part; the later ones count where both are there."""
_Arrays = dict[str, np.ndarray]


def _load(
    text: str, *, size: int, channels: Channels, skip_unreadable: bool, division: Division | None = None
) -> Dataset:
    """Read the file; `skip_unreadable` has nothing to skip."""
    path, where = Path(text.removeprefix(_PREFIX)), shown(text.removeprefix(_PREFIX))
    try:
        arrays = _read(path, where)
        images, labels, splits, patients = _joined(arrays, where)
        pictures, note = _eight_bits(images, where)
        names = [f"{split}/{place:06d}".removeprefix("/") for place, split in enumerate(splits)]
        entries = [Entry(*each) for each in zip(names, labels, splits, patients, strict=True)]
        layout = lay_out(entries, where, division, named=False)
        places = {name: place for place, name in enumerate(names)}

        patient = numbered(layout.patients, layout.train, layout.test)

        def split_of_names(chosen: tuple[str, ...]) -> Split:
            made = np.empty((len(chosen), 1 if channels == "grey" else 3, size, size), np.uint8)
            for image, name in zip(made, chosen, strict=True):
                image[:] = resized(Image.fromarray(pictures[places[name]]), size, channels)
            return Split(made, layout.numbers(chosen), chosen, next(patient))

        train, test = split_of_names(layout.train), split_of_names(layout.test)
    except MemoryError as error:
        raise UserError(f"'{where}' does not fit in memory: give fewer images, or a smaller size") from error
    parts = (train.images, train.labels, test.images, test.labels)
    digest = content_digest(*parts, names=(*layout.classes, *layout.train, *layout.test))
    notes = (*layout.notes, *([note] if note else []))
    return Dataset(path.name, train, test, layout.classes, digest, layout.skipped, reading=notes, others=layout.others)


def _read(path: Path, where: str) -> _Arrays:
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"'{where}' is no file: give an .npz file")
        packed = path.stat().st_size
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > max(_MOST_UNPACKED, _MOST_RATIO * packed):
            raise UserError(f"'{where}' is unsafe: its {packed / 1e6:.1f} MB unpack to {unpacked / 1e6:.0f} MB")
        with np.load(path, allow_pickle=False) as file:
            return {name.casefold(): file[name] for name in file.files}
    except OSError as error:
        raise UserError(f"cannot read '{where}': {error.strerror or error}") from error
    except (UserError, MemoryError):
        raise
    except Exception as error:  # zipfile and numpy raise nearly anything on damaged bytes
        pickled = "it holds pickled objects: save plain arrays" if "allow_pickle" in str(error) else ""
        raise UserError(f"'{where}' cannot be read: {pickled or 'it is not a whole .npz file of arrays'}") from error


def _joined(arrays: _Arrays, where: str) -> tuple[np.ndarray, list[str], list[str], list[str]]:
    """Images, and of each its class, split and patient, whatever the arrays are called."""
    found = {part: pair for pair, part in _PAIRS.items() if arrays.keys() >= {*pair}}
    if not found or ("" in found and len(found) > 1):
        names = "images and labels (and split), or train_images, train_labels, test_images and test_labels"
        raise UserError(f"'{where}' holds {shown(', '.join(sorted(arrays)) or 'nothing')}: name the arrays {names}")
    images, labels, splits = list[np.ndarray](), list[Any](), list[str]()
    for part, (pictures, numbers) in found.items():
        values = arrays[numbers].reshape(-1) if arrays[numbers].ndim < 3 else arrays[numbers]
        if len(values) != len(arrays[pictures]) or values.ndim != 1:
            shapes = f"{pictures} {arrays[pictures].shape} and {numbers} {arrays[numbers].shape}"
            raise UserError(f"'{where}': {shapes} do not go together, give one label per image")
        images.append(_channels_last(arrays[pictures], pictures, where))
        labels += values.tolist()
        splits += [_PARTS.get(part, "")] * len(values)
    if len({(each.shape[1:], each.dtype) for each in images}) > 1:
        raise UserError(f"'{where}': the images of its parts differ in shape or type")
    if "" in found and "split" in arrays:
        splits = [split_of(each) for each in _texts(arrays["split"], len(labels), "split", where)]
        if not all(splits):
            raise UserError(f"'{where}': every split must be train, test or val")
    patient = next((arrays[name] for name in ("patient", "patients") if name in arrays), None)
    patients = [""] * len(labels) if patient is None else _texts(patient, len(labels), "patient", where)
    return np.concatenate(images), _classes(labels, arrays, where), splits, patients


def _texts(values: np.ndarray, count: int, name: str, where: str) -> list[str]:
    if values.shape != (count,):
        raise UserError(f"'{where}': {name} {values.shape} must have one entry for each of {count} images")
    return [each.decode("utf-8", "replace") if isinstance(each, bytes) else str(each) for each in values.tolist()]


def _classes(labels: list[Any], arrays: _Arrays, where: str) -> list[str]:
    """The class of each image, by name."""
    if all(isinstance(each, str | bytes) for each in labels):
        return [class_name(each) for each in _texts(np.array(labels), len(labels), "labels", where)]
    if not all(isinstance(each, int | float) and each == int(each) and each >= 0 for each in labels):
        raise UserError(f"'{where}': labels must be whole numbers from 0, or texts")
    numbers = [int(each) for each in labels]
    if "classes" not in arrays:
        width = len(str(max(numbers, default=0)))
        return [f"{number:0{width}d}" for number in numbers]
    named = _texts(arrays["classes"], arrays["classes"].size, "classes", where)
    if max(numbers, default=0) >= len(named) or len({*named}) < len(named):
        raise UserError(f"'{where}': classes must be {max(numbers) + 1} different names, one for each label from 0")
    return [class_name(named[number]) for number in numbers]


def _channels_last(images: np.ndarray, name: str, where: str) -> np.ndarray:
    """[N, H, W] or [N, H, W, C] of the accepted shapes."""
    if images.ndim == 4 and images.shape[-1] not in (1, 3, 4) and images.shape[1] in (1, 3, 4):
        images = images.transpose(0, 2, 3, 1)
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[-1] not in (3, 4)) or 0 in images.shape:
        raise UserError(f"'{where}': {name} {images.shape} must be [N, H, W], [N, H, W, C] or [N, C, H, W]")
    return images


def _eight_bits(images: np.ndarray, where: str) -> tuple[np.ndarray, str]:
    """The same images in uint8, and what they were taken for, where that is not plain."""
    if images.dtype == np.uint8:
        return images, ""
    if images.dtype.kind not in "buif":
        raise UserError(f"'{where}': images must be numbers, not {images.dtype}")
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        raise UserError(f"'{where}' has images with NaN or infinite values: set them to 0")
    least, most = float(images.min()), float(images.max())
    unit = images.dtype.kind == "b" or (images.dtype.kind == "f" and most <= 1)
    fractions = images.dtype.kind == "f" and (unit or bool((images != np.rint(images)).any()))
    if least < 0 or most > (255 if fractions else 65535):
        kinds = "whole numbers from 0 to 65535 or floats in [0, 1]"
        raise UserError(f"'{where}' has images from {least:g} to {most:g}, which have no fixed white: give {kinds}")
    white = 1 if unit else 255 if most <= 255 else white_of(int(most))
    if white == 255:
        return np.rint(images).astype(np.uint8), f"images of {images.dtype} are taken as 0 to 255" if fractions else ""
    scaled = np.rint(images * np.float64(255 / white)).astype(np.uint8)
    return scaled, "" if white == 65535 else f"images are stretched from 0-{white} to all greys"


SOURCE = Source(lambda text: text.startswith(_PREFIX) or text.casefold().endswith(".npz"), _load, divides=True)
