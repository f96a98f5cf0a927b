"""One file per source of data; each defines `SOURCE`, a `mri_robust.data.dataset.Source`."""

from mri_robust.data.registry import SOURCES

__all__ = ["SOURCES", "WORDS"]
WORDS = ("", "phantom", "kaggle")  # what is never taken for the path of a folder or file
