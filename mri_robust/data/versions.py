"""Which version of the study's data set on Kaggle a folder or archive is.

Source: https://www.kaggle.com/datasets/masoudnickparvar/brain-tumor-mri-dataset. Version 1 has 7023 images and is the
study's; version 2 has 7200, of other names and numbers, among them augmented meningiomas (`Tr-aug-me_`, `Te-aug-me_`).
No copy of version 2 was at hand: its counts are as several public projects print them, and are all that it is known by.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mri_robust.core.hashing import digest

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")


@dataclass(frozen=True)
class Version:
    """What a version is known by."""

    said: str
    train: tuple[int, ...]  # images of each of `CLASSES`
    test: tuple[int, ...]
    names: str = ""  # digest of the names of its test images, in order, which copies in other sizes share


VERSIONS = (
    Version("version 1, the study's", (1321, 1339, 1595, 1457), (300, 306, 405, 300), "45197ccd45dd80c7"),
    Version("version 2, not the study's, which is version 1", (1400,) * 4, (400,) * 4),
)


def version_said(classes: Sequence[str], counts: Sequence[Sequence[int]], names: Sequence[str]) -> str:
    """Which version has these counts of training and of test images by class, or these names of test images, or none.

    Copies that are known by their names may lack training images.
    """
    for each in VERSIONS:
        named = each.names == digest([*names])
        counted = [*map(tuple, counts)] == [each.train, each.test]
        if tuple(classes) == CLASSES and (counted or named):
            known = " and ".join(["counts"] * counted + ["names"] * named)
            missing = sum(each.train) - sum(counts[0])
            lacks = f"; {missing} of its {sum(each.train)} training images are missing" if missing else ""
            return f"Kaggle's Brain Tumor MRI Dataset, {each.said}, by the {known} of its images{lacks}"
    return ""
