"""Points with shapes measured on them, and a canvas that tissue is painted on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Pair = tuple[float, float]
Distance = np.ndarray
"""Signed distance in head units, float32, negative inside."""


@dataclass(frozen=True)
class Points:
    """Places in head coordinates: x to the right, y down, the head about 1.6 units long.

    Attributes:
        x, y: float32, one shape.
    """

    x: np.ndarray
    y: np.ndarray

    @property
    def mirrored(self) -> Points:
        """The left half folded on the right one, so that a shape drawn at x > 0 appears on both sides."""
        return Points(np.abs(self.x), self.y)

    def ellipse(self, centre: Pair, radii: Pair, angle: float = 0.0) -> Distance:
        """Distance to an ellipse turned by `angle` radians, exact to first order at its rim."""
        dx, dy = self.x - np.float32(centre[0]), self.y - np.float32(centre[1])
        if angle:
            cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
            dx, dy = dx * cos + dy * sin, dy * cos - dx * sin
        dx *= np.float32(1 / radii[0])
        dy *= np.float32(1 / radii[1])
        level = np.sqrt(dx * dx + dy * dy)
        dx *= np.float32(1 / radii[0])
        dy *= np.float32(1 / radii[1])
        slope = np.sqrt(dx * dx + dy * dy) + np.float32(1e-6)
        return level * (level - 1) / slope

    def arc(self, centre: Pair, radii: Pair, width: float, angle: float = 0.0) -> Distance:
        """Distance to the rim of an ellipse, drawn `width` wide."""
        return np.abs(self.ellipse(centre, radii, angle)) - np.float32(width / 2)

    def stroke(self, start: Pair, stop: Pair, width: float) -> Distance:
        """Distance to a straight line with round ends, drawn `width` wide."""
        ax, ay = stop[0] - start[0], stop[1] - start[1]
        dx, dy = self.x - np.float32(start[0]), self.y - np.float32(start[1])
        along = np.clip((dx * np.float32(ax) + dy * np.float32(ay)) * np.float32(1 / (ax * ax + ay * ay)), 0, 1)
        return np.hypot(dx - along * np.float32(ax), dy - along * np.float32(ay)) - np.float32(width / 2)

    def blob(self, centre: Pair, radius: float, rim: tuple[Pair, ...]) -> Distance:
        """Distance to a circle whose radius wavers by the harmonics `rim` = (amplitude, phase), …"""
        dx, dy = self.x - np.float32(centre[0]), self.y - np.float32(centre[1])
        angle = np.arctan2(dy, dx)
        waver = np.ones_like(angle)
        for order, (amplitude, phase) in enumerate(rim, start=2):
            waver += np.float32(amplitude) * np.cos(np.float32(order) * angle + np.float32(phase))
        return np.hypot(dx, dy) - np.float32(radius) * waver


Shape = Callable[[Points], Distance]
"""A shape that can be measured at any points."""


def joined(first: Distance, second: Distance, round_off: float) -> Distance:
    """Union of two shapes with the corner between them filled over about `round_off`."""
    blend = np.maximum(np.float32(round_off) - np.abs(first - second), 0)
    return np.minimum(first, second) - blend * blend * np.float32(0.25 / round_off)


def cut(shape: Distance, other: Distance) -> Distance:
    """The part of `shape` that also lies in `other`."""
    return np.maximum(shape, other)


@dataclass
class Canvas:
    """The slice being drawn.

    Attributes:
        points: where the pixels lie, [H, W].
        edge: width in head units over which a border fades: about one pixel.
        value: brightness so far, float32 [H, W], 0 to about 1.
    """

    points: Points
    edge: float
    value: np.ndarray

    def cover(self, shape: Distance, soft: float = 0.0) -> np.ndarray:
        """How much of each pixel `shape` covers, 0 to 1; `soft` widens its border."""
        return np.clip(np.float32(0.5) - shape * np.float32(1 / (self.edge + soft)), 0, 1)

    def paint(self, shape: Distance, value: float | np.ndarray, *, soft: float = 0.0, opacity: float = 1.0) -> None:
        """Lay tissue of brightness `value` over what is there."""
        self.blend(self.cover(shape, soft) * np.float32(opacity), value)

    def line(self, shape: Distance, value: float, width: float) -> None:
        """Like `paint`, for a shape thinner than a pixel: it fades instead of growing."""
        self.paint(shape, value, opacity=min(1.0, 1.6 * width / self.edge))

    def blend(self, share: np.ndarray, value: float | np.ndarray) -> None:
        """Replace the share `share` (0 to 1, [H, W]) of every pixel by `value`."""
        tissue = value if isinstance(value, np.ndarray) else np.float32(value)
        self.value += share * (tissue - self.value)
