"""Which files of a folder or archive are the images of which split and class, judged by their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mri_robust.core.errors import UserError
from mri_robust.data.decode import FirstBytes, is_image

SPLITS = ("training", "testing")
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


def is_split(folder: str) -> bool:
    """Whether a folder name is `Training` or `Testing`, in any case."""
    return folder.casefold() in SPLITS


def is_hidden(parts: Sequence[str]) -> bool:
    """Whether a folder or file on the way is hidden, or one that file managers leave behind."""
    return any(part.startswith(".") or part.casefold() in _HIDDEN for part in parts)


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
        inside, folder = path.startswith(root), path.endswith("/")
        name = path[len(root) :] if inside else path
        parts = name.rstrip("/").split("/")
        in_class = inside and is_split(parts[0]) and len(parts) >= (2 if folder else 3)
        reason = ""
        if is_hidden(parts):
            in_class, reason = False, "hidden"
        elif not folder and not is_image(path, first_bytes):
            reason = "not an image"
        elif not in_class:
            reason = "outside the classes"
        if in_class:  # one of nothing but other files is a class too, and one that must be complained of
            images = found[parts[0].casefold()].setdefault(parts[1], [])
            images += [] if folder or reason else [name]
        if reason and not folder:
            skipped[reason] += 1
    train, test = (found[split] for split in SPLITS)
    classes = _classes(train, test, where)
    names = (tuple(name for label in classes for name in sorted(images[label])) for images in (train, test))
    return Layout(root, classes, *names, skipped=dict(skipped))


def _root(listing: list[str], where: str) -> str:
    """The prefix below which both splits lie."""
    if all(name.endswith("/") for name in listing):
        raise UserError(f"'{where}' is empty: it must hold Training/<class>/ and Testing/<class>/ with images")
    splits: dict[str, set[str]] = {}
    for name in listing:
        folders = name.split("/")[:-1][:2]
        for depth, folder in enumerate(folders):
            if is_split(folder) and not is_hidden(folders[:depth]):
                splits.setdefault("".join(f"{part}/" for part in folders[:depth]), set()).add(folder)
                break
    roots = [""] if "" in splits else sorted(splits)
    if len(roots) > 1:
        raise UserError(f"'{where}' holds several data sets ({shown(', '.join(roots))}): give one of these folders")
    for split in SPLITS:
        matches = sorted(folder for root in roots for folder in splits[root] if folder.casefold() == split)
        if len(matches) > 1:
            raise UserError(f"'{where}' holds both '{matches[0]}' and '{matches[1]}': keep one of them")
        if not matches:
            raise UserError(
                f"'{where}' has no folder '{split.capitalize()}': "
                "it must hold Training/<class>/ and Testing/<class>/, as folders and not as links"
            )
    return roots[0]


def _classes(train: dict[str, list[str]], test: dict[str, list[str]], where: str) -> tuple[str, ...]:
    classes = tuple(sorted(train.keys() | test.keys()))
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
