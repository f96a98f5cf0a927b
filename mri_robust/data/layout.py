"""Which files of a folder or archive are the images of which split and class, judged by their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from mri_robust.core.errors import UserError
from mri_robust.data.formats.names import FirstBytes, is_image

SPLITS = ("training", "testing")
_HIDDEN = frozenset(("__macosx", "thumbs.db", "desktop.ini"))


@dataclass(frozen=True)
class Layout:
    """The image files of a data set, in the order in which they are loaded.

    Attributes:
        root: what stands before every name in the folder or archive: empty, or one folder with its slash.
        classes: sorted class names.
        train, test: names below `root`, sorted by class, then by name.
        skipped: reason -> number of files left out.
    """

    root: str
    classes: tuple[str, ...]
    train: tuple[str, ...]
    test: tuple[str, ...]
    skipped: dict[str, int]


def class_of(name: str) -> str:
    """The class folder in `Training/<class>/<file>`."""
    return name.split("/")[1]


def is_split(folder: str) -> bool:
    """Whether a folder name is `Training` or `Testing`, in any case."""
    return folder.casefold() in SPLITS


def shown(text: object) -> str:
    """`text` fit for a one-line message: what a terminal cannot show becomes `?`, the middle of a long text `…`."""
    whole = "".join(character if character.isprintable() else "?" for character in str(text))
    return whole if len(whole) <= 300 else f"{whole[:200]}…{whole[-60:]}"


def arrange(listing: Iterable[str], where: str, first_bytes: FirstBytes = lambda name: b"") -> Layout:
    """Find splits, classes and images in a listing.

    Args:
        listing: slash-separated relative names; the name of a folder ends in a slash.
        where: what the messages call the folder or archive.
        first_bytes: what is asked of a file whose name does not say whether it is an image.

    Raises:
        UserError: it is empty, lacks a split, has fewer than two classes, or a class without images in a split.
    """
    listing = sorted(listing)
    root = _root(listing, where)
    skipped: Counter[str] = Counter()
    found: dict[str, dict[str, list[str]]] = {split: {} for split in SPLITS}
    for path in listing:
        inside = path.startswith(root)
        name = path[len(root) :] if inside else path
        parts = name.rstrip("/").split("/")
        reason = _reason_to_skip(path, parts, inside, first_bytes)
        if reason is None:
            images = found[parts[0].casefold()].setdefault(parts[1], [])
            if not name.endswith("/"):
                images.append(name)
        elif not name.endswith("/"):
            skipped[reason] += 1
        # A class folder of nothing but other files is still a class, and one that must be complained of.
        if reason == "not an image" and inside and len(parts) > 2 and is_split(parts[0]):
            found[parts[0].casefold()].setdefault(parts[1], [])
    train, test = (found[split] for split in SPLITS)
    classes = _classes(train, test, where)
    return Layout(root, classes, _flat(train, classes), _flat(test, classes), dict(skipped))


def _reason_to_skip(path: str, parts: list[str], inside: bool, first_bytes: FirstBytes) -> str | None:
    if any(part.startswith(".") or part.casefold() in _HIDDEN for part in parts):
        return "hidden"
    folder = path.endswith("/")
    if not folder and not is_image(path, first_bytes):
        return "not an image"
    if not inside or not is_split(parts[0]) or len(parts) < (2 if folder else 3):
        return "outside the classes"
    return None


def _root(listing: list[str], where: str) -> str:
    """The prefix below which both splits lie."""
    if all(name.endswith("/") for name in listing):
        raise UserError(f"'{where}' is empty: it must hold Training/<class>/ and Testing/<class>/ with images")
    splits: dict[str, set[str]] = {}
    for name in listing:
        parts = name.split("/")
        for depth, folder in enumerate(parts[:-1][:2]):
            if is_split(folder) and not any(
                part.startswith(".") or part.casefold() in _HIDDEN for part in parts[:depth]
            ):
                splits.setdefault("".join(f"{part}/" for part in parts[:depth]), set()).add(folder)
                break
    roots = [""] if "" in splits else sorted(splits)
    if len(roots) > 1:
        raise UserError(f"'{where}' holds several data sets ({shown(', '.join(roots))}): give one of these folders")
    folders = splits[roots[0]] if roots else set()
    for split in SPLITS:
        matches = sorted(folder for folder in folders if folder.casefold() == split)
        if len(matches) > 1:
            raise UserError(f"'{where}' holds both '{matches[0]}' and '{matches[1]}': keep one of them")
        if not matches:
            raise UserError(
                f"'{where}' has no folder '{split.capitalize()}': "
                "it must hold Training/<class>/ and Testing/<class>/, as folders and not as links"
            )
    return roots[0]


def _classes(train: dict[str, list[str]], test: dict[str, list[str]], where: str) -> tuple[str, ...]:
    classes = tuple(sorted(set(train) | set(test)))
    for name in classes:
        for split, images in (("Training", train), ("Testing", test)):
            if not images.get(name):
                raise UserError(
                    f"class '{shown(name)}' has no images in {split} of '{where}': "
                    "every class needs some in Training and in Testing"
                )
    if len(classes) < 2:
        had = f"only the class '{shown(classes[0])}'" if classes else "no class folders"
        raise UserError(f"'{where}' has {had} in Training: a classifier needs two classes or more")
    return classes


def _flat(images: dict[str, list[str]], classes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for label in classes for name in sorted(images[label]))
