"""The whole audit: what stands twice, what is mislabelled, what gives a class or a split away."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix, eye
from scipy.sparse.csgraph import connected_components
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier

from mri_robust.core.intervals import rate_interval
from mri_robust.core.progress import OnStep, silent
from mri_robust.data.audit import fingerprint
from mri_robust.data.audit.near import FLIPS, near_pairs, thumbnail
from mri_robust.data.dataset import Dataset
from mri_robust.data.patients import in_both_said, slices_said

AUDIT_SIZE = 224  # pixels that the command reads images at: the study's size
DEGREES = ("pixel for pixel", "near, upright", "near, flips too")
"""How alike two images must be to count as one picture; each takes in those before it."""
GIVEAWAYS = ("colour", "frame", "border", "border_spread", "corners", "width", "height")
"""Features that say nothing of a tumour: a model that reads the class off them cheats. The others depend on anatomy."""
TOGETHER = "together"
COLUMNS = ("kind", "split", "file", "other_split", "other_file", "class", "other_class", "distance", "flip")

_BRIGHT, _BLACK, _EVEN = 128, 16, 8
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_FOLDS, _TREE = 5, {"max_depth": 6, "min_samples_leaf": 5, "random_state": 0}


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    `images` has one row per image, training first: `split` (`train`, `test`), `file`, `class`, `group` (equal for
    images of the same picture), where known `patient` (equal for images of one), `copy` (of a test image how alike its
    copy in training is, one of `DEGREES`, or empty), and its features. `images.query("split == 'test' and copy == ''")`
    are the test images without a copy.
    """

    name: str  # of the data set, as the next two
    classes: tuple[str, ...]
    skipped: dict[str, int]
    images: pd.DataFrame
    duplicates: pd.DataFrame  # see `count_duplicates`
    by_class: pd.DataFrame  # mean of every feature over all images of a class
    by_split: pd.DataFrame  # the same of `train` and of `test`
    class_accuracy: pd.DataFrame  # of training images; see `class_accuracies`
    split_auc: pd.Series  # see `split_aucs`
    findings: pd.DataFrame  # see `list_findings`

    @property
    def majority(self) -> float:
        """Share of the largest class among the training images: the accuracy of always naming it."""
        return float(self.images.query("split == 'train'")["class"].value_counts(normalize=True).iloc[0])

    @property
    def patients(self) -> str:
        """How many patients there are, and how many of them in both splits; empty where nobody says."""
        if "patient" not in self.images:
            return ""
        train, test = (self.images.query(f"split == '{split}'")["patient"].tolist() for split in ("train", "test"))
        return f"{slices_said([*train, *test])}; {in_both_said(train, test) or 'none of them in both splits'}"

    @property
    def counts(self) -> pd.DataFrame:
        """Images by class, in the data set's order, and split."""
        return pd.crosstab(self.images["class"], self.images["split"]).reindex(self.classes)[["train", "test"]]


def audit(dataset: Dataset, *, on_step: OnStep = silent) -> Audit:
    """Audit a data set that was read as RGB; deterministic.

    Of image files there are the features `width`, `height` and `kilobytes` (of 1000 bytes) too.
    """
    names = [*dataset.train.names, *dataset.test.names]
    labels = np.concatenate([dataset.train.labels, dataset.test.labels])
    is_test = np.arange(len(names)) >= len(dataset.train)
    picture, thumbnails, features = _survey(dataset, on_step)
    if dataset.files:
        features[["width", "height", "kilobytes"]] = [dataset.files[name] for name in names]
    pairs = near_pairs(thumbnails, lambda done, total: on_step("compare images", done, total))
    duplicates, group, copy = count_duplicates(picture, is_test, pairs)
    patients = np.array([*dataset.train.patients, *dataset.test.patients])
    apart = patients if len(patients) else group  # what stays in one fold: a patient is more than a picture
    split = np.where(is_test, "test", "train")
    named = pd.DataFrame({"split": split, "file": names, "class": np.array(dataset.classes)[labels]})
    images = named.assign(group=group, copy=copy, **({"patient": patients} if len(patients) else {})).join(features)
    giveaways = [name for name in features.columns if name in GIVEAWAYS]
    return Audit(
        name=dataset.name,
        classes=dataset.classes,
        skipped=dict(dataset.skipped),
        images=images,
        duplicates=duplicates,
        by_class=features.groupby(named["class"]).mean().reindex(dataset.classes),
        by_split=features.groupby(named["split"]).mean().reindex(["train", "test"]),
        class_accuracy=class_accuracies(
            *(features[~is_test], giveaways, labels[~is_test], apart[~is_test]),
            patients=patients[~is_test] if len(patients) else None,
        ),
        split_auc=split_aucs(features, giveaways, is_test, apart),
        findings=list_findings(images, picture, pairs, sorted(dataset.unreadable)),
    )


def _survey(dataset: Dataset, on_step: OnStep) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """The picture of every image, int64 [N] from 0; the pictures' thumbnails; the features in the pixels, [N, F]."""
    known, picture = dict[bytes, int](), list[int]()
    thumbnails, features = list[np.ndarray](), list[dict[str, float]]()
    for split in (dataset.train, dataset.test):
        for image in split.images:
            features.append(measure(image))
            picture.append(known.setdefault(fingerprint(image), len(known)))
            if len(known) > len(thumbnails):
                thumbnails.append(thumbnail(grey(image)))
            on_step("measure images", len(picture), len(dataset.train) + len(dataset.test))
    return np.array(picture), np.stack(thumbnails), pd.DataFrame(features)


def grey(image: np.ndarray) -> np.ndarray:
    """float32 [H, W] of 0-255 of a uint8 image [C, H, W], C 1 or 3, by the weights of ITU-R BT.601."""
    return np.tensordot(_LUMA, image.astype(np.float32), 1) if has_colour(image) else image[0].astype(np.float32)


def has_colour(image: np.ndarray) -> bool:
    """Whether the channels of a uint8 image [C, H, W] differ anywhere."""
    return any(not np.array_equal(image[0], channel) for channel in image[1:])


def measure(image: np.ndarray) -> dict[str, float]:
    """The features that lie in the pixels of an image, uint8 [C, H, W]: of its `grey`, in levels 0-255, but for colour.

    `colour`: 1 if the channels differ, else 0. `frame`: 1 if an edge (outermost row or column) is bright, of mean above
    128, or one even grey that is not black, of mean above 16 and all within 8 levels; else 0. `border`,
    `border_spread`: mean and standard deviation of the outermost pixels. `corners`: mean of the four corners, squares
    of a 28th of the side. `brightness`, `contrast`: mean and standard deviation of all pixels.
    """
    levels = grey(image)
    edges = (levels[0], levels[-1], levels[:, 0], levels[:, -1])
    framed = any(each.mean() > (_BLACK if np.ptp(each) <= _EVEN else _BRIGHT) for each in edges)
    ring = np.concatenate(edges)
    side = max(1, len(levels) // 28)
    ends = (slice(None, side), slice(-side, None))
    return {
        "colour": float(has_colour(image)),
        "frame": float(framed),
        "border": float(ring.mean()),
        "border_spread": float(ring.std()),
        "corners": float(np.mean([levels[rows, columns].mean() for rows in ends for columns in ends])),
        "brightness": float(levels.mean()),
        "contrast": float(levels.std()),
    }


def count_duplicates(
    picture: np.ndarray, is_test: np.ndarray, pairs: pd.DataFrame
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Count what stands twice among N images, of which `is_test` are in the test split.

    `picture`, int64 [N], is equal where two images are equal pixel for pixel, 0..P-1 in order of appearance; `pairs`
    are the `near_pairs` of the P pictures.

    Returns:
        A table, one row for each of `DEGREES`: `pairs_train`, `pairs_test`, `pairs_between` (of images),
        `repeats_train`, `repeats_test` (images that follow another of their group in the same split), `seen` (test
        images with a copy in training), `groups` (of two images or more), `largest` (its images). Then [N], the group
        of every image at the last degree, and of a test image the first degree at which it has a copy in training.
    """
    pictures = int(picture.max()) + 1
    train, test = (np.bincount(picture[part], minlength=pictures) for part in (~is_test, is_test))
    copy = np.full(len(picture), "", dtype=object)
    rows = []
    for degree, kept in zip(DEGREES, (pairs["flip"] < 0, pairs["flip"] == 0, pairs["flip"] >= 0), strict=True):
        ends = tuple(pairs.loc[kept, ["first", "second"]].to_numpy().T)
        edges = coo_matrix((np.ones(len(ends[0]), dtype=np.int64), ends), shape=(pictures, pictures))
        alike = edges + edges.T + eye(pictures, dtype=np.int64)
        part = connected_components(edges, directed=False)[1]
        group = np.unique(part, return_index=True)[1][part][picture]  # the number of its first picture
        seen = is_test & (alike @ train > 0)[picture]
        copy[seen & (copy == "")] = degree
        within = [(part @ (alike @ part) - part.sum()) // 2 for part in (train, test)]
        repeats = [part.sum() - len(np.unique(group[part])) for part in (~is_test, is_test)]
        sizes = np.bincount(group)
        several = sizes[sizes > 1]
        rows.append([*within, train @ (alike @ test), *repeats, seen.sum(), len(several), several.max(initial=0)])
    names = ["pairs_train", "pairs_test", "pairs_between", "repeats_train", "repeats_test", "seen", "groups", "largest"]
    return pd.DataFrame(rows, index=list(DEGREES), columns=names), group, copy


def list_findings(images: pd.DataFrame, picture: np.ndarray, pairs: pd.DataFrame, lost: list[str]) -> pd.DataFrame:
    """Everything found on single images and pairs: columns `COLUMNS`, in which what does not apply is empty.

    Kinds, in this order: `label conflict`, two images of the same picture, exact or near, in two classes; `exact`, an
    image and an earlier one that it repeats pixel for pixel; `near`, two images of near pictures, each the first of
    those that are equal to it, with their `distance` and the `flip` that makes them near, the nearest first; `patient`,
    a test image and the first training image of the same patient, where patients are known; `colour`, `frame`, an image
    with such a feature (see `measure`); `unreadable`, a file that was left out.
    """
    first = np.unique(picture, return_index=True)[1]
    copies = np.setdiff1d(np.arange(len(picture)), first)
    ends = images[["split", "file", "class"]]

    def rows(kind: str, one: np.ndarray, other: np.ndarray) -> pd.DataFrame:
        left, right = (ends.iloc[each].reset_index(drop=True) for each in (one, other))
        return left.join(right.add_prefix("other_")).assign(kind=kind)

    exact = rows("exact", first[picture[copies]], copies).assign(distance=0.0, flip="")
    near = rows("near", first[pairs["first"]], first[pairs["second"]])
    near = near.assign(distance=pairs["distance"], flip=np.array(FLIPS)[pairs["flip"]])
    alike = pd.concat([exact, near.sort_values("distance", kind="stable")])
    conflicts = alike[alike["class"] != alike["other_class"]].assign(kind="label conflict")
    split = images["split"].to_numpy()
    people = images["patient"].to_numpy() if "patient" in images else np.arange(len(images))
    earliest = np.unique(people, return_index=True)[1][people]  # patients are numbered from 0
    parted = np.flatnonzero((split == "test") & (split[earliest] == "train"))
    marked = [ends[images[kind] > 0].assign(kind=kind) for kind in ("colour", "frame")]
    unreadable = pd.DataFrame({"kind": "unreadable", "file": lost}, dtype=object)
    found = [conflicts, alike, rows("patient", parted, earliest[parted]), *marked, unreadable]
    return pd.concat(found, ignore_index=True).reindex(columns=list(COLUMNS))


def class_accuracies(
    features: pd.DataFrame,
    joint: list[str],
    labels: np.ndarray,
    group: np.ndarray,
    *,
    patients: np.ndarray | None = None,
) -> pd.DataFrame:
    """Accuracy of a small decision tree that is shown these features only.

    Cross-validated in five folds of near equal shares of the `labels`; images of one `group` stay in one fold, so that
    copies cannot be remembered. One row per column of `features`, and `TOGETHER` for the `joint` ones: `accuracy`, and
    `low` and `high` of its 95 % interval, see `rate_interval`; NaN where a class has fewer than two groups. To be
    compared with the share of the largest class.
    """
    folds, rows = _folds(labels, group), {}
    for name, columns in (*((name, [name]) for name in features.columns), (TOGETHER, joint)):
        rows[name] = (np.nan, np.nan, np.nan)
        if folds and columns:
            tree = DecisionTreeClassifier(**_TREE)
            right = cross_val_predict(tree, features[columns].to_numpy(), labels, cv=folds) == labels
            rows[name] = (right.mean(), *rate_interval(right, patients))
    return pd.DataFrame.from_dict(rows, orient="index", columns=["accuracy", "low", "high"])


def split_aucs(features: pd.DataFrame, joint: list[str], is_test: np.ndarray, group: np.ndarray) -> pd.Series:
    """How well the features tell test images from training images: area under the ROC curve, .5 when not at all.

    Of a single feature by its rank, whichever way round, so at least .5; of the `joint` ones by the tree and the folds
    of `class_accuracies`: it can be below .5, and NaN where a split has fewer than two groups.
    """
    areas = {name: float(roc_auc_score(is_test, features[name])) for name in features.columns}
    aucs = {name: max(area, 1 - area) for name, area in areas.items()} | {TOGETHER: float("nan")}
    if (folds := _folds(is_test.astype(np.int64), group)) and joint:
        tree, inputs = DecisionTreeClassifier(**_TREE), features[joint].to_numpy()
        shares = cross_val_predict(tree, inputs, is_test, cv=folds, method="predict_proba")
        aucs[TOGETHER] = float(roc_auc_score(is_test, shares[:, 1]))
    return pd.Series(aucs)


def _folds(labels: np.ndarray, group: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """(train, validation) indices of every fold; none where some label has too few groups."""
    fewest = min(len(np.unique(group[labels == label])) for label in np.unique(labels))
    if fewest < 2:
        return []
    splitter = StratifiedGroupKFold(min(_FOLDS, fewest), shuffle=True, random_state=0)
    return list(splitter.split(labels, labels, group))
