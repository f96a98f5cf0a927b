"""From tissue to picture: coil sensitivity, gain, noise, field of view and grey levels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mri_robust.data.phantom.waves import Waves, plane_waves


@dataclass(frozen=True)
class Scan:
    """How one slice was recorded.

    Attributes:
        bias: uneven sensitivity of the receive coil, over the picture.
        bias_strength: its relative size.
        gain: factor on all brightness.
        gamma: exponent of the grey scale.
        noise: standard deviation of the noise in each of the two receive channels, relative to white = 1.
        margins: black borders left, top, right and bottom, in picture units (the picture is 2 wide).
    """

    bias: Waves
    bias_strength: float
    gain: float
    gamma: float
    noise: float
    margins: tuple[float, float, float, float]

    def record(self, value: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Grey levels uint8 [H, W] of tissue brightness `value` float32 [H, W]; `rng` makes the noise alone.

        The noise is Rician, as in the magnitude of a complex signal (Gudbjartsson and Patz 1995).
        """
        size = value.shape[0]
        axis = ((np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1).astype(np.float32)
        x, y = np.broadcast_arrays(axis[None, :], axis[:, None])
        signal = value * (np.float32(self.gain) * (1 + np.float32(self.bias_strength) * self.bias.at(x, y)))
        real, imaginary = rng.standard_normal((2, size, size), dtype=np.float32) * np.float32(self.noise)
        magnitude = np.clip(np.hypot(signal + real, imaginary), 0, 1) ** np.float32(self.gamma)
        left, top, right, bottom = self.margins
        seen = (x > left - 1) & (x < 1 - right) & (y > top - 1) & (y < 1 - bottom)
        return np.where(seen, np.rint(255 * magnitude), 0).astype(np.uint8)


def draw_scan(rng: np.random.Generator) -> Scan:
    """Draw the settings of a scan at random."""
    margins = np.where(rng.random(4) < 0.2, rng.uniform(0.02, 0.16, 4), 0)
    return Scan(
        bias=plane_waves(rng, 3, 0.8, 2.4),
        bias_strength=rng.uniform(0.03, 0.1),
        gain=rng.uniform(0.92, 1.12),
        gamma=rng.uniform(0.88, 1.1),
        noise=rng.uniform(0.003, 0.01),
        margins=(float(margins[0]), float(margins[1]), float(margins[2]), float(margins[3])),
    )
