"""How far features that a model should not need give away the class, or the split, of an image."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier

from mri_robust.core.intervals import wilson

TOGETHER = "together"
_FOLDS = 5
_TREE = {"max_depth": 6, "min_samples_leaf": 5, "random_state": 0}


def class_accuracies(
    features: pd.DataFrame, together: list[str], labels: np.ndarray, group: np.ndarray
) -> pd.DataFrame:
    """Accuracy of a small decision tree that is shown these features only.

    Cross-validated in five folds of near equal shares of the classes; images of one group stay in one fold, so that
    copies cannot be remembered. The tree has at most 64 leaves of at least 5 images each.

    Args:
        features: [N, F], finite.
        together: columns of the joint tree.
        labels: int64 [N].
        group: int64 [N], equal for images of the same picture.

    Returns:
        A row a feature, and `together`: `accuracy`, and `low` and `high` of its 95 % Wilson interval; NaN where a
        class has fewer than two groups. To be compared with the share of the largest class.
    """
    folds = _folds(labels, group)
    rows = {}
    for name, columns in (*((name, [name]) for name in features.columns), (TOGETHER, together)):
        if folds and columns:
            tree = DecisionTreeClassifier(**_TREE)
            right = int((cross_val_predict(tree, features[columns].to_numpy(), labels, cv=folds) == labels).sum())
            rows[name] = (right / len(labels), *wilson(right, len(labels)))
        else:
            rows[name] = (np.nan,) * 3
    return pd.DataFrame.from_dict(rows, orient="index", columns=["accuracy", "low", "high"])


def split_aucs(features: pd.DataFrame, together: list[str], is_test: np.ndarray, group: np.ndarray) -> pd.Series:
    """How well the features tell test images from training images: area under the ROC curve, .5 when not at all.

    Of a single feature by its rank, whichever way round, so at least .5; of all `together` by the tree and the folds of
    `class_accuracies`, so that it can fall under .5 by chance.

    Returns:
        AUC by feature, and of `together`; NaN there where a split has fewer than two groups.
    """
    aucs = {}
    for name in features.columns:
        auc = float(roc_auc_score(is_test, features[name]))
        aucs[name] = max(auc, 1 - auc)
    folds = _folds(is_test.astype(np.int64), group)
    aucs[TOGETHER] = float("nan")
    if folds and together:
        tree = DecisionTreeClassifier(**_TREE)
        inputs = features[together].to_numpy()
        chances = cross_val_predict(tree, inputs, is_test, cv=folds, method="predict_proba")
        aucs[TOGETHER] = float(roc_auc_score(is_test, chances[:, 1]))
    return pd.Series(aucs)


def _folds(labels: np.ndarray, group: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """(train, validation) indices of every fold; none where some label has too few groups."""
    fewest = min(len(np.unique(group[labels == label])) for label in np.unique(labels))
    if fewest < 2:
        return []
    splitter = StratifiedGroupKFold(min(_FOLDS, fewest), shuffle=True, random_state=0)
    return list(splitter.split(labels, labels, group))
