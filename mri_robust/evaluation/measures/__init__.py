"""One file a kind of measurement; each defines `MEASURE`: (parameters, subject, on_step) -> result."""

from mri_robust.core.registry import Registry

MEASURES = Registry("mri_robust.evaluation.measures", attribute="MEASURE", kind="measure")
