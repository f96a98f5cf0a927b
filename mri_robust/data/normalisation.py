"""The study's normalisation, which lives inside every model."""

MEAN = 0.1855
"""Mean training pixel of the study's data, in [0, 1] (section 5.1)."""

STD = 0.1813
"""Standard deviation that the study normalises with, in [0, 1] (section 5.1)."""
