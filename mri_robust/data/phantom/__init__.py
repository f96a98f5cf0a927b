"""Synthetic brain MRI slices, drawn from a seed: nothing to download, and the truth about every pixel is known."""

from __future__ import annotations

from mri_robust.data.phantom.slices import CLASSES, VERSION, SplitName, draw, label_of, plan_slice, render

__all__ = ["CLASSES", "VERSION", "SplitName", "draw", "label_of", "plan_slice", "render"]
