"""What no image file may exceed, and how one is refused."""

from __future__ import annotations

MAX_PIXELS = 100_000_000
"""Of a picture."""
MAX_SLICE = 2**24
"""Pixels of a DICOM or NIfTI slice, which is computed on in float64: 4096 x 4096."""
MAX_BYTES = 256 * 2**20
"""Of a file, and of what a compressed one unpacks to."""

VOLUME = "a volume of {} slices: export the slices that show what the label says"
DAMAGED = "cut short or damaged"


class Unreadable(Exception):
    """An image file cannot be used; the message is a short reason, to stand in brackets after its name."""
