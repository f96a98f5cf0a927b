"""Datasets of MRI slices: where they come from, how they are kept, and what is wrong with them."""

from mri_robust.core.registry import Registry

SOURCES = Registry("mri_robust.data.sources", attribute="SOURCE", kind="data source", group="mri_robust.datasets")
"""What `load_dataset` asks for data."""
REGIONS = ("all", "head", "background", "frame")
"""Parts of an image that an attack may be confined to, see `data/regions.py`."""
