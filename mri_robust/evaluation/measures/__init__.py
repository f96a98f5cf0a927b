"""One file a kind of measurement; each defines `MEASURE`: (parameters, subject, on_step) -> result.

One whose work falls into parts of the images also defines `PART`: (parameters, subject, begin, end, on_step) -> plain
data, and hands its parts to `subject.spread`, so that workers can share them and a run that was cut short keeps them.
"""

from mri_robust.core.registry import Registry

MEASURES = Registry("mri_robust.evaluation.measures", attribute="MEASURE", kind="measure")
PARTS = Registry("mri_robust.evaluation.measures", attribute="PART", kind="measure in parts")
