"""Which files of a folder or archive are the images of which split and class, judged by their names."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mri_robust.core.errors import UserError, shown
from mri_robust.data.decode import FirstBytes, is_image

SPLITS = ("Training", "Testing")
_HIDDEN = frozenset(("__macosx", "thumbs.db", "desktop.ini"))
_MUST = "it must hold Training/<class>/ and Testing/<class>/"


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


def why_left_out(path: str, first_bytes: FirstBytes) -> str:
    """`hidden` or `not an image`; empty for an image, and for a folder, which ends in a slash."""
    if is_hidden(path.split("/")):
        return "hidden"
    return "" if path.endswith("/") or is_image(path, first_bytes) else "not an image"


def arrange(listing: Iterable[str], where: str, first_bytes: FirstBytes = lambda name: b"") -> Layout:
    """Find splits, classes and images in a listing: slash-separated relative names, those of folders end in a slash.

    Messages call the folder or archive `where`; `first_bytes` is asked of a file whose name does not say what it is.
    Raises `UserError` where it is empty, lacks a split, or has fewer than two classes or one without images in a split.
    """
    listing = sorted(listing)
    root = _root(listing, where)
    skipped, found, images = Counter[str](), set[str](), {split: list[str]() for split in SPLITS}
    for path in listing:
        inside, folder = path.startswith(root), path.endswith("/")
        name = path[len(root) :] if inside else path
        parts = name.rstrip("/").split("/")
        split = split_of(parts[0]) if inside and len(parts) >= (2 if folder else 3) else ""
        reason = why_left_out(path, first_bytes) or ("" if split else "outside the classes")
        if split and reason != "hidden":  # a folder of other files alone is a class too, which must be complained of
            found.add(parts[1])
        if not folder and reason:
            skipped[reason] += 1
        elif not folder:
            images[split].append(name)
    classes = tuple(sorted(found))
    train, test = (tuple(sorted(names, key=lambda name: (class_of(name), name))) for names in images.values())
    check_classes(classes, train, test, "images", where)
    if len(classes) < 2:
        had = f"only the class '{shown(classes[0])}'" if classes else "no class folders"
        raise UserError(f"'{where}' has {had} in Training: a classifier needs two classes or more")
    return Layout(root, classes, train, test, dict(skipped))


def check_classes(classes: Iterable[str], train: Iterable[str], test: Iterable[str], kind: str, where: str) -> None:
    """Raise `UserError` where a class has no file among the names of a split; `kind` says what files these are."""
    for split, names in zip(SPLITS, (train, test), strict=True):
        if missing := sorted({*classes} - {*map(class_of, names)}):
            lacks = f"class '{shown(missing[0])}' has no {kind} in {split} of '{where}'"
            raise UserError(f"{lacks}: every class needs some in Training and in Testing")


def _root(listing: list[str], where: str) -> str:
    """The prefix below which both splits lie."""
    if all(name.endswith("/") for name in listing):
        raise UserError(f"'{where}' is empty: {_MUST} with images")
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
            raise UserError(f"'{where}' has no folder '{split}': {_MUST}, as folders and not as links")
    return roots[0]
