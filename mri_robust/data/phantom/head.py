"""The head: what is drawn at random for it, and how a slice of it is recorded."""

from collections import namedtuple
from collections.abc import Callable

import numpy as np

from mri_robust.data.phantom.canvas import Canvas, Points, smooth_field, waves

Tissues = namedtuple("Tissues", "air bone csf grey muscle mucosa fat vessel white")
"""Brightness of each tissue in a T1 image after contrast agent, 0 to 1."""

Record = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""(brightness float32 [S, S], generator of the noise) to grey levels, uint8 [S, S]."""


class Head:
    """One head, drawn at random; lengths in head units. The order of the draws is part of the data set's version."""

    def __init__(self, rng: np.random.Generator) -> None:
        zoom, stretch = rng.uniform(0.88, 1.08), rng.uniform(0.94, 1.06)
        self.zoom = (zoom * stretch, zoom / stretch)  # picture units per head unit, for x and y
        self.turn = rng.normal(0, 0.05)  # radians
        self.shift = (rng.normal(0, 0.04), rng.normal(0, 0.04))  # (x, y) in the picture, which spans -1 to 1
        self.flip = rng.random() < 0.5  # mirrored left to right
        white = rng.uniform(0.34, 0.44)
        low, high = (0, 0.03, 0.2, 0.72, 0.6, 1.2, 0.5, 1.3), (0.02, 0.07, 0.45, 0.88, 0.95, 1.6, 0.74, 1.7)
        units = (1, 1, white, white, white, white, 1, white)
        self.tissues = Tissues._make([*(rng.uniform(low, high) * units).tolist(), white])
        self.scalp = rng.uniform(0.04, 0.07)  # its thickness
        self.skull = rng.uniform(0.03, 0.055)  # its thickness
        self.ventricles = rng.uniform(0.7, 1.5)  # their width, 1 is usual
        self.sulci = rng.uniform(0.7, 1.3)  # their width, 1 is usual
        self.sulcus_depth = rng.uniform(0.16, 0.24)
        self.midline = rng.uniform(-0.012, 0.012)  # how the fissure between the hemispheres sways
        # Displaces everything a little, for x and y, so that no head is an ellipse.
        self.bend = (smooth_field(rng, 4, 1.5, 5.0), smooth_field(rng, 4, 1.5, 5.0))
        # Over (angle, depth), with 9 to 21 whole waves around the circle: its zero lines are the sulci.
        self.folds = waves(rng, rng.integers(9, 22, 9), rng.uniform(-14, 14, 9))
        self.sway = smooth_field(rng, 4, 9, 16)  # bends the sulci sideways
        self.grain = smooth_field(rng, 7, 18, 60)  # fine variation of tissue

    def canvas(self, size: int) -> Canvas:
        """A black canvas of `size` x `size` pixels over this head."""
        right, down = _picture(size)
        right, down = right - self.shift[0], down - self.shift[1]
        cos, sin = float(np.cos(self.turn)), float(np.sin(self.turn))
        x = (right * cos + down * sin) * ((-1 if self.flip else 1) / self.zoom[0])
        y = (down * cos - right * sin) * (1 / self.zoom[1])
        points = Points(x + 0.012 * self.bend[0](x, y), y + 0.012 * self.bend[1](x, y))
        return Canvas(points, float(np.hypot(2 / size / self.zoom[0], 0.008)))


def draw_scan(rng: np.random.Generator) -> Record:
    """Draw how a slice is recorded: coil sensitivity, gain, grey scale, black margins and Rician noise."""
    left, top, right, bottom = np.where(rng.random(4) < 0.2, rng.uniform(0.02, 0.16, 4), 0).tolist()
    bias, bias_strength = smooth_field(rng, 3, 0.8, 2.4), rng.uniform(0.03, 0.1)
    gain, gamma, noise = rng.uniform(0.92, 1.12), rng.uniform(0.88, 1.1), rng.uniform(0.003, 0.01)

    def record(value: np.ndarray, noise_rng: np.random.Generator) -> np.ndarray:
        x, y = np.broadcast_arrays(*_picture(len(value)))
        signal = value * (gain * (1 + bias_strength * bias(x, y)))
        real, imaginary = noise_rng.standard_normal((2, *value.shape), dtype=np.float32) * noise
        magnitude = np.clip(np.hypot(signal + real, imaginary), 0, 1) ** gamma
        seen = (x > left - 1) & (x < 1 - right) & (y > top - 1) & (y < 1 - bottom)
        return np.where(seen, np.rint(255 * magnitude), 0).astype(np.uint8)

    return record


def _picture(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixel centres of a picture that spans -1 to 1: x as float32 [1, size], y as [size, 1]."""
    axis = ((np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1).astype(np.float32)
    return axis[None, :], axis[:, None]
