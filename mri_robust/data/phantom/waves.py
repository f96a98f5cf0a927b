"""Smooth random fields: sums of a few waves, drawn once and then evaluated anywhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TURN = 2 * np.pi


@dataclass(frozen=True)
class Waves:
    """The field sum_i cos(a_i u + b_i v + phase_i), scaled to mean square 1.

    Attributes:
        along: (a_i, b_i) in radians per unit of the coordinates u and v.
        phases: phase_i in radians.
    """

    along: tuple[tuple[float, float], ...]
    phases: tuple[float, ...]

    def at(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """The field at the points (u, v); any shape, roughly in [-2, 2]."""
        total = np.zeros_like(u)
        for (a, b), phase in zip(self.along, self.phases, strict=True):
            total += np.cos(np.float32(a) * u + (np.float32(b) * v + np.float32(phase)))
        return total * np.float32(np.sqrt(2 / len(self.phases)))


def plane_waves(rng: np.random.Generator, count: int, low: float, high: float) -> Waves:
    """Draw `count` plane waves in all directions; wave numbers `low` to `high` radians per unit."""
    angles = rng.uniform(0, TURN, count)
    numbers = rng.uniform(low, high, count)
    pairs = zip(numbers * np.cos(angles), numbers * np.sin(angles), strict=True)
    return Waves(tuple((float(a), float(b)) for a, b in pairs), _phases(rng, count))


def fold_waves(rng: np.random.Generator, count: int, low: int, high: int) -> Waves:
    """Draw waves over (angle, depth) whose zero lines run inwards from the rim like sulci.

    `low` to `high` are whole waves around the circle, so that the field closes on itself.
    """
    around = rng.integers(low, high + 1, count)
    inwards = rng.uniform(-14, 14, count)
    return Waves(tuple((float(a), float(b)) for a, b in zip(around, inwards, strict=True)), _phases(rng, count))


def rim_waves(rng: np.random.Generator, strength: float, orders: int = 5) -> tuple[tuple[float, float], ...]:
    """Draw (amplitude, phase) of the harmonics 2, 3, … that make a round outline irregular."""
    amplitudes = strength * rng.uniform(0.3, 1, orders) / np.sqrt(np.arange(1, orders + 1))
    return tuple(zip(amplitudes.tolist(), _phases(rng, orders), strict=True))


def _phases(rng: np.random.Generator, count: int) -> tuple[float, ...]:
    return tuple(rng.uniform(0, TURN, count).tolist())
