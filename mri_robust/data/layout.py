"""Which files of a folder or archive are the images of which split and class, judged by their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mri_robust.core.errors import UserError
from mri_robust.data.decode import FirstBytes, is_image

SPLITS = ("Training", "Testing")
_HIDDEN = frozenset(("__macosx", "thumbs.db", "desktop.ini"))


@dataclass(frozen=True)
class Layout:
    """The image files of a data set, in the order in which they are loaded."""

    root: str  # what stands before every name in the folder or archive: empty, or one folder with its slash
    classes: tuple[str, ...]  # sorted
    train: tuple[str, ...]  # names below `root`, sorted by class, then by name
    test: tuple[str, ...]
    skipped: dict[str, int]  # reason -> number of files left out


def class_of(name: str) -> str:
    """The class folder in `Training/<class>/<file>`."""
    return name.split("/")[1]


def split_of(folder: str) -> str:
    """The split that a folder of this name holds, `Training` or `Testing`, in any case; else empty."""
    return folder.capitalize() if folder.capitalize() in SPLITS else ""


def is_hidden(parts: Sequence[str]) -> bool:
    """Whether a folder or file on the way is hidden, or one that file managers leave behind."""
    return any(part.startswith(".") or part.casefold() in _HIDDEN for part in parts)


def shown(text: object) -> str:
    """`text` fit for a one-line message: what a terminal cannot show becomes `?`, the middle of a long text `…`."""
    whole = "".join(character if character.isprintable() else "?" for character in str(text))
    return whole if len(whole) <= 300 else f"{whole[:200]}…{whole[-60:]}"


def arrange(listing: Iterable[str], where: str, first_bytes: FirstBytes = lambda name: b"") -> Layout:
    """Find splits, classes and images in a listing: slash-separated relative names, those of folders end in a slash.

    Messages call the folder or archive `where`; `first_bytes` is asked of a file whose name does not say what it is.
    Raises `UserError` where it is empty, lacks a split, or has fewer than two classes or one without images in a split.
    """
    listing = sorted(listing)
    root = _root(listing, where)
    skipped, found = Counter[str](), {split: dict[str, list[str]]() for split in SPLITS}
    for path in listing:
        inside, folder = path.startswith(root), path.endswith("/")
        name = path[len(root) :] if inside else path
        parts = name.rstrip("/").split("/")
        split = split_of(parts[0]) if inside and len(parts) >= (2 if folder else 3) else ""
        reason = "" if split else "outside the classes"
        if is_hidden(parts):
            split, reason = "", "hidden"
        elif not folder and not is_image(path, first_bytes):
            reason = "not an image"
        if split:  # one of nothing but other files is a class too, and one that must be complained of
            found[split].setdefault(parts[1], []).extend([] if folder or reason else [name])
        if reason and not folder:
            skipped[reason] += 1
    classes = _classes(found, where)
    train, test = (tuple(name for label in classes for name in sorted(found[split][label])) for split in SPLITS)
    return Layout(root, classes, train, test, dict(skipped))


def _root(listing: list[str], where: str) -> str:
    """The prefix below which both splits lie."""
    if all(name.endswith("/") for name in listing):
        raise UserError(f"'{where}' is empty: it must hold Training/<class>/ and Testing/<class>/ with images")
    splits: dict[str, set[str]] = {}
    for name in listing:
        folders = name.split("/")[:-1][:2]
        for depth, folder in enumerate(folders):
            if split_of(folder) and not is_hidden(folders[:depth]):
                splits.setdefault("".join(f"{part}/" for part in folders[:depth]), set()).add(folder)
                break
    roots = [""] if "" in splits else sorted(splits)
    if len(roots) > 1:
        raise UserError(f"'{where}' holds several data sets ({shown(', '.join(roots))}): give one of these folders")
    for split in SPLITS:
        matches = sorted(folder for root in roots for folder in splits[root] if split_of(folder) == split)
        if len(matches) > 1:
            raise UserError(f"'{where}' holds both '{matches[0]}' and '{matches[1]}': keep one of them")
        if not matches:
            raise UserError(
                f"'{where}' has no folder '{split}': "
                "it must hold Training/<class>/ and Testing/<class>/, as folders and not as links"
            )
    return roots[0]


def _classes(found: dict[str, dict[str, list[str]]], where: str) -> tuple[str, ...]:
    classes = tuple(sorted({name for images in found.values() for name in images}))
    for name in classes:
        for split, images in found.items():
            if not images.get(name):
                raise UserError(
                    f"class '{shown(name)}' has no images in {split} of '{where}': "
                    "every class needs some in Training and in Testing"
                )
    if len(classes) < 2:
        had = f"only the class '{shown(classes[0])}'" if classes else "no class folders"
        raise UserError(f"'{where}' has {had} in Training: a classifier needs two classes or more")
    return classes
