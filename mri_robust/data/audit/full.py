"""The whole audit: what stands twice, what is mislabelled, what gives a class or a split away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mri_robust.core.progress import OnStep, silent
from mri_robust.data.audit.duplicates import count_duplicates
from mri_robust.data.audit.exact import fingerprint
from mri_robust.data.audit.features import GIVEAWAYS, grey, measure
from mri_robust.data.audit.giveaways import class_accuracies, split_aucs
from mri_robust.data.audit.listing import list_findings
from mri_robust.data.audit.near import near_pairs, thumbnail
from mri_robust.data.dataset import Dataset

AUDIT_SIZE = 224
"""Pixels that the command reads images at: the study's size."""

_EVERY = 256


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        name, classes: of the data set.
        skipped: as in `Dataset`.
        images: a row an image, training first: `split` (`train`, `test`), `file`, `class`, `group` (equal for images of
            the same picture), `twin` (of a test image how alike its twin in training is, one of `DEGREES`, or empty),
            and its features. `images.query("split == 'test' and twin == ''")` are the test images without a twin.
        duplicates: see `Duplicates.table`.
        by_class: mean of every feature, a row a class; of all images.
        by_split: the same, rows `train` and `test`.
        class_accuracy: see `class_accuracies`; of training images.
        split_auc: see `split_aucs`.
        findings: a row a finding; see `list_findings`.
    """

    name: str
    classes: tuple[str, ...]
    skipped: dict[str, int]
    images: pd.DataFrame
    duplicates: pd.DataFrame
    by_class: pd.DataFrame
    by_split: pd.DataFrame
    class_accuracy: pd.DataFrame
    split_auc: pd.Series
    findings: pd.DataFrame

    @property
    def majority(self) -> float:
        """Share of the largest class among the training images: the accuracy of always naming it."""
        return float(self.images.query("split == 'train'")["class"].value_counts(normalize=True).iloc[0])

    @property
    def counts(self) -> pd.DataFrame:
        """Images by class, in the data set's order, and split."""
        return pd.crosstab(self.images["class"], self.images["split"]).reindex(self.classes)[["train", "test"]]


def audit(dataset: Dataset, *, files: pd.DataFrame | None = None, on_step: OnStep = silent) -> Audit:
    """Audit a data set; deterministic.

    Args:
        dataset: read as RGB, or coloured images cannot be told from grey ones.
        files: `file_facts` of its source, which add the features `width`, `height` and `kilobytes` and the names of
            files that could not be read.
        on_step: called with what is being done.

    Raises:
        ValueError: `files` lacks an image of the data set.
    """
    names = [*dataset.train.names, *dataset.test.names]
    if files is not None and not set(names) <= set(files.index):
        raise ValueError("files must be file_facts of the data set's own source: some of its images are not in it")
    labels = np.concatenate([dataset.train.labels, dataset.test.labels])
    is_test = np.arange(len(names)) >= len(dataset.train)
    picture, thumbnails, features = _survey(dataset, on_step)
    if files is not None:
        features = features.join(files.loc[names].reset_index(drop=True))
    pairs = near_pairs(thumbnails, lambda done, total: on_step("compare images", done, total))
    duplicates = count_duplicates(picture, is_test, pairs)
    named = pd.DataFrame(
        {
            "split": np.where(is_test, "test", "train"),
            "file": names,
            "class": np.array(dataset.classes)[labels],
            "group": duplicates.group,
            "twin": duplicates.twin,
        }
    )
    giveaways = [name for name in features.columns if name in GIVEAWAYS]
    return Audit(
        name=dataset.name,
        classes=dataset.classes,
        skipped=dict(dataset.skipped),
        images=named.join(features),
        duplicates=duplicates.table,
        by_class=features.groupby(named["class"]).mean().reindex(dataset.classes),
        by_split=features.groupby(named["split"]).mean().reindex(["train", "test"]),
        class_accuracy=class_accuracies(features[~is_test], giveaways, labels[~is_test], duplicates.group[~is_test]),
        split_auc=split_aucs(features, giveaways, is_test, duplicates.group),
        findings=list_findings(named.join(features), picture, pairs, _unreadable(dataset, files)),
    )


def _survey(dataset: Dataset, on_step: OnStep) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """The picture of every image, int64 [N] from 0; the pictures' thumbnails; the features in the pixels, [N, F]."""
    known: dict[bytes, int] = {}
    picture: list[int] = []
    thumbnails: list[np.ndarray] = []
    features: list[dict[str, float]] = []
    total = len(dataset.train) + len(dataset.test)
    for split in (dataset.train, dataset.test):
        for image in split.images:
            luminance = grey(image)
            features.append(measure(image, luminance))
            picture.append(known.setdefault(fingerprint(image), len(known)))
            if len(known) > len(thumbnails):
                thumbnails.append(thumbnail(luminance))
            if len(picture) % _EVERY == 0 or len(picture) == total:
                on_step("measure images", len(picture), total)
    return np.array(picture), np.stack(thumbnails), pd.DataFrame(features)


def _unreadable(dataset: Dataset, files: pd.DataFrame | None) -> list[str]:
    """Names of the files that loading left out."""
    return [] if files is None else sorted(set(files.index) - {*dataset.train.names, *dataset.test.names})
