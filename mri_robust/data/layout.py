"""Which files of a folder or archive are the images of which split and class, judged by their names."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from mri_robust.core.errors import UserError, shown
from mri_robust.data.decode import FirstBytes, is_image
from mri_robust.data.division import Division, Entry, divide

SPLITS = ("Training", "Testing", "Validation")
_SPLIT = re.compile(r"(?:(train)|(test)|(val))(?:ing|id|idation)?[ _-]?(?:set|data|dataset|images?|split)?")
_HIDDEN = "__macosx", "__pycache__", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "$recycle.bin", "@eadir"
_FOLDERS = "Training/<class>/ and Testing/<class>/"
_MUST = f"it must hold {_FOLDERS}"
_AROUND = 2  # folders that may lie around the splits or classes


@dataclass(frozen=True)
class Layout:
    """The image files of a data set, in the order in which they are loaded."""

    root: str  # what stands before every name in the folder or archive: empty, or folders with their slashes
    classes: tuple[str, ...]  # sorted, in the Unicode form NFC
    train: tuple[str, ...]  # names below `root`, sorted by class, then by name; empty where there is a test set alone
    test: tuple[str, ...]
    skipped: dict[str, int]  # reason -> number of files left out
    labels: dict[str, str]  # name -> class
    notes: tuple[str, ...] = ()  # what was taken for what, where names do not say it plainly
    named: bool = True  # whether the names alone say split and class
    tested: str = "Testing"  # what the data call the test set
    patients: dict[str, str] = field(default_factory=dict)  # name -> patient, empty where the data do not say

    @property
    def others(self) -> tuple[str, ...]:
        """Images in neither split."""
        return tuple(sorted(self.labels.keys() - {*self.train, *self.test}))

    def numbers(self, names: Iterable[str]) -> np.ndarray:
        """The labels of these images, int64 [N], indices into `classes`."""
        return np.array([self.classes.index(self.labels[name]) for name in names], dtype=np.int64)


def split_of(folder: str) -> str:
    """The split that a folder of this name holds, one of `SPLITS`, as in `train`, `Test set`, `valid`; else empty."""
    match = _SPLIT.fullmatch(folder.casefold().strip())
    return SPLITS[match.lastindex - 1] if match and match.lastindex else ""


def class_name(text: str) -> str:
    """A class as it is compared: in one Unicode form, which file systems differ in, without blanks around it."""
    return unicodedata.normalize("NFC", text).strip() or text


def is_hidden(parts: Sequence[str]) -> bool:
    """Whether a folder or file on the way is hidden, or one that file managers leave behind."""
    return any(part.startswith(".") or part.casefold() in _HIDDEN for part in parts)


def why_left_out(path: str, first_bytes: FirstBytes) -> str:
    """`hidden` or `not an image`; empty for an image, and for a folder, which ends in a slash."""
    if is_hidden(path.split("/")):
        return "hidden"
    return "" if path.endswith("/") or is_image(path, first_bytes) else "not an image"


def arrange(
    listing: Iterable[str],
    where: str,
    first_bytes: FirstBytes = lambda name: b"",
    division: Division | None = None,
    patient_of: Callable[[str], str] = lambda name: "",
) -> Layout:
    """Find splits, classes and images in a listing: slash-separated relative names, those of folders end in a slash.

    Messages call the folder or archive `where`; `first_bytes` is asked of a file whose name does not say what it is,
    `patient_of` of every image, of whom it is.
    Raises `UserError` where it is empty, has fewer than two classes or one without images in a split, is not divided
    and no `division` is given, or is divided already and one is given.
    """
    listing = sorted(listing)
    if all(name.endswith("/") for name in listing):
        raise UserError(f"'{where}' is empty: {_MUST} with images")
    roots = _roots(listing)
    plain = _one_root(roots, listing, where)
    root, split_at, class_at = plain if plain else (_undivided(listing, first_bytes), -1, 0)
    if division and plain and {split_of(name) for name in roots.get(root, ())} == {"Training"}:
        root, split_at, class_at = f"{root}{next(iter(roots[root]))}/", -1, 0
    entries, skipped, folders = list[Entry](), Counter[str](), set[tuple[str, str]]()
    copies = _copies(listing, root) if split_at < 0 else set()
    for path in listing:
        inside, folder = path.startswith(root), path.endswith("/")
        name = path[len(root) :] if inside else path
        parts = name.rstrip("/").split("/")
        deep = inside and len(parts) > max(split_at, class_at) + (not folder) and parts[0] not in copies
        split = split_of(parts[split_at]) if deep and split_at >= 0 else ""
        reason = why_left_out(path, first_bytes) or ("" if deep and (split or split_at < 0) else "outside the classes")
        if not reason and not folder:
            below = parts[1] if split_at < 0 and len(parts) > 2 else ""
            entries.append(Entry(name, class_name(parts[class_at]), split, patient_of(path), below))
        elif not folder:
            skipped[reason] += 1
        if split and reason != "hidden":  # a folder of other files alone is a class too, which must be complained of
            folders.add((split, class_name(parts[class_at])))
    if split_at < 0 and len({entry.label for entry in entries}) < 2:
        raise UserError(f"'{where}' has no folder 'Training' or 'Testing': {_MUST}, as folders and not as links")
    notes = [f"{shown(copy)}/ repeats the classes beside it and is left out" for copy in sorted(copies)]
    return lay_out(entries, where, division, root=root, skipped=skipped, expected=folders, notes=notes)


def lay_out(
    entries: Sequence[Entry],
    where: str,
    division: Division | None,
    *,
    root: str = "",
    skipped: Counter[str] | None = None,
    expected: Iterable[tuple[str, str]] = (),
    notes: Iterable[str] = (),
    named: bool = True,
) -> Layout:
    """The layout of these images, divided where they are not; `expected` are further (split, class); see `arrange`."""
    skipped, notes, labels = Counter(skipped), [*notes], {entry.name: entry.label for entry in entries}
    pairs = {(entry.split, entry.label) for entry in entries} | {*expected}
    there = {split for split, _ in pairs}
    if not pairs:
        raise UserError(f"'{where}' has no class folders with images: {_MUST}")
    if there == {""}:
        if division is None:
            classes = sorted({*labels.values()})
            listed = shown(", ".join([*classes[:4], "..."] if len(classes) > 4 else classes))
            move = f"move its images into {_FOLDERS}" if named else "say which are which in 'split'"
            raise UserError(
                f"'{where}' is not divided for training and testing, it has the classes {listed}: "
                f"divide it with --split 0.2, or {move}"
            )
        train, test, note = divide(entries, division, where)
        notes, named, tested = [*notes, note], False, "Testing"
    else:
        if division is not None:
            held = " and ".join(shown(each) for each in SPLITS if each in there)
            raise UserError(f"'{where}' is divided already, it has {held}: leave out --split")
        tested = next((split for split in ("Testing", "Validation") if split in there), "")
        if not tested:
            if not named:
                raise UserError(f"'{where}' has training images alone: call some of them test in 'split'")
            raise UserError(f"'{where}' has no folder 'Testing': {_MUST}; or divide what it has with --split 0.2")
        if tested == "Validation":
            notes.append("the validation images are taken as the test set: there is no other")
        elif left := sum(entry.split == "Validation" for entry in entries):
            notes.append(f"{left} validation images are left out")
            skipped["validation"] += left
        train, test = ([entry.name for entry in entries if entry.split == split] for split in ("Training", tested))
        pairs = {pair for pair in pairs if pair[0] in ("Training", tested)}
    found = tuple(sorted({label for _, label in pairs}))
    train, test = (sorted(names, key=lambda name: (labels[name], name)) for names in (train, test))
    patients = {entry.name: entry.patient for entry in entries}
    layout = Layout(
        root, found, tuple(train), tuple(test), dict(skipped), labels, tuple(notes), named, tested, patients
    )
    check_classes(layout, train if there - {"Testing", "Validation"} else None, test, "images", where)
    if len(found) < 2:
        raise UserError(f"'{where}' has only the class '{shown(found[0])}': a classifier needs two classes or more")
    return layout


def check_classes(layout: Layout, train: Iterable[str] | None, test: Iterable[str], kind: str, where: str) -> None:
    """Raise `UserError` where a class has no file among the names of a split; `kind` says what files these are."""
    for split, names in (("Training", train), (layout.tested, test)):
        have = {layout.labels[name] for name in names or ()}
        missing = sorted({*layout.classes} - have)
        if names is not None and missing:
            lacks = f"class '{shown(missing[0])}' has no {kind} in {split} of '{where}'"
            lacks += f", which has {shown(', '.join(sorted(have)))}" if have else ""
            raise UserError(f"{lacks}: every class needs some in Training and in {layout.tested}, under one name")


def _roots(listing: Iterable[str]) -> dict[str, set[str]]:
    """What stands before folders that are called like splits -> their names."""
    found: dict[str, set[str]] = {}
    for name in listing:
        folders = name.split("/")[:-1][: _AROUND + 1]
        for depth, folder in enumerate(folders):
            if split_of(folder) and not is_hidden(folders[:depth]):
                found.setdefault("".join(f"{part}/" for part in folders[:depth]), set()).add(folder)
                break
    return found


def _one_root(found: dict[str, set[str]], listing: list[str], where: str) -> tuple[str, int, int] | None:
    """The root below which the splits lie, and the places of split and class in a name; None where nothing is split."""
    roots = sorted(found, key=len)
    if not roots:
        return None
    parents = {root[: root.rstrip("/").rfind("/") + 1] for root in roots}
    splits = [f"{root}{folder}/" for root in roots for folder in found[root]]
    deeper = any(path.startswith(split) and "/" in path[len(split) :] for path in listing for split in splits)
    if len(roots) > 1 and len(parents) == 1 and not deeper:  # <class>/Training/, <class>/Testing/
        return parents.pop(), 1, 0
    if not all(root.startswith(roots[0]) for root in roots):
        raise UserError(f"'{where}' holds several data sets ({shown(', '.join(roots))}): give one of these folders")
    for split in SPLITS:
        matches = sorted(folder for folder in found[roots[0]] if split_of(folder) == split)
        if len(matches) > 1:
            raise UserError(f"'{where}' holds both '{shown(matches[0])}' and '{shown(matches[1])}': keep one of them")
    return roots[0], 0, 1


def _undivided(listing: list[str], first_bytes: FirstBytes) -> str:
    """The root below which class folders lie where nothing is split: what all images have in common, to a depth."""
    root, images = "", [path for path in listing if not path.endswith("/") and not why_left_out(path, first_bytes)]
    for _ in range(_AROUND):
        tops = {path[len(root) :].partition("/")[0] for path in images if "/" in path[len(root) :]}
        if len(tops) == 1 and any(path[len(root) :].count("/") > 1 for path in images):
            root += f"{tops.pop()}/"
    return root


def _copies(listing: list[str], root: str) -> set[str]:
    """Folders below `root` that hold the folders beside them once more, as Kaggle's yes/no archive does."""
    within = defaultdict[str, set[str]](set)
    for path in listing:
        if path.startswith(root) and "/" in path[len(root) :]:
            top, inside, *_ = path[len(root) :].split("/")
            within[top].add(inside)
    return {top for top, names in within.items() if len(names & (within.keys() - {top})) > 1}
