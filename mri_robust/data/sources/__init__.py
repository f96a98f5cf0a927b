"""One file per source of data; each defines `SOURCE`, a `mri_robust.data.dataset.Source`."""

from __future__ import annotations

from mri_robust.core.registry import Registry

SOURCES = Registry("mri_robust.data.sources", attribute="SOURCE", kind="data source", group="mri_robust.datasets")
WORDS = ("", "phantom", "kaggle")  # what is never taken for the path of a folder or file
