"""The sources that `load_dataset` asks; apart from the sources themselves, which know what a data set is."""

from __future__ import annotations

from mri_robust.core.registry import Registry

SOURCES = Registry("mri_robust.data.sources", attribute="SOURCE", kind="data source", group="mri_robust.datasets")
