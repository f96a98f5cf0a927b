"""Synthetic brain MRI slices, drawn from a seed: nothing to download, and the truth about every pixel is known.

`draw` gives one slice, `render(plan_slice(...), size)` one with the masks of its tissues.
"""

from mri_robust.data.phantom.slices import CLASSES, VERSION, draw, label_of, plan_slice, render

__all__ = ["CLASSES", "VERSION", "draw", "label_of", "plan_slice", "render"]
