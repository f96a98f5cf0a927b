"""Synthetic brain MRI slices, drawn from a seed: nothing to download, and the truth about every pixel is known.

`draw` gives one slice, `stream` many, `render(plan_slice(...), size)` one with the masks of its tissues.
"""

from mri_robust.data.phantom.slices import CLASSES, VERSION, Slice, draw, label_of, plan_slice, render, stream

__all__ = ["CLASSES", "VERSION", "Slice", "draw", "label_of", "plan_slice", "render", "stream"]
