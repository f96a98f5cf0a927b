"""What the figures share: colours, axes, images and labels."""

from __future__ import annotations

import base64
import io
import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F", "#000000")
"""Okabe and Ito's palette, which colour-blind readers can tell apart."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
INK = "#222222"
FAINT = "#8A8A8A"


def decode(text: str) -> np.ndarray:
    """A base64 PNG as uint8 [H, W, 3]; what is transparent shows mid-grey."""
    image = Image.open(io.BytesIO(base64.b64decode(text))).convert("RGBA")
    ground = Image.new("RGBA", image.size, (128, 128, 128, 255))
    return np.asarray(Image.alpha_composite(ground, image).convert("RGB"))


def show(axes: Axes, image: np.ndarray) -> None:
    """An image [H, W] or [H, W, 3] of 0-255, its pixels square and sharp, without ticks and frame."""
    axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def amplified(change: np.ndarray) -> np.ndarray:
    """A signed change of pixels as an image of 0-255: mid-grey is none, black and white are its greatest size."""
    reach = np.abs(change).max()
    return 127.5 + 127.5 * change / reach if reach else np.full(change.shape, 127.5)


def headline(figure: Figure, text: str) -> None:
    """A title over the whole figure, in as many lines as its width needs."""
    characters = max(int(figure.get_figwidth() * 11), 20)
    figure.suptitle(textwrap.fill(text, characters), fontsize=11, color=INK)


def plain_axes(axes: Axes) -> None:
    """Axes of a curve: a faint grid, no box."""
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def shortened(text: str, length: int) -> str:
    """One line of at most `length` characters."""
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"


def spread_out(places: list[float], gap: float, low: float, high: float) -> list[float]:
    """Places at least `gap` apart, each as near as can be to its own in the sense of least squares, within [low, high].

    Places keep their order. Where `gap` leaves no room for all, it shrinks. Source: pool adjacent violators, on
    the places less their share of the gaps.
    """
    if not places:
        return []
    gap = min(gap, (high - low) / max(len(places) - 1, 1))
    order = sorted(range(len(places)), key=lambda index: places[index])
    pools: list[list[float]] = []
    for rank, index in enumerate(order):
        pools.append([places[index] - rank * gap])
        while len(pools) > 1 and np.mean(pools[-2]) > np.mean(pools[-1]):
            last = pools.pop()
            pools[-1] += last
    levels = [float(np.mean(pool)) for pool in pools for _ in pool]
    top = high - (len(places) - 1) * gap
    apart = [min(max(level, low), top) + rank * gap for rank, level in enumerate(levels)]
    return [apart[order.index(index)] for index in range(len(places))]


def levelled(places: list[float], near: float) -> list[float]:
    """Places of which neighbours at most `near` apart are moved to their common mean, so that they count as equal."""
    order = sorted(range(len(places)), key=lambda index: places[index])
    groups: list[list[int]] = []
    for index in order:
        if groups and places[index] - places[groups[-1][-1]] <= near:
            groups[-1].append(index)
        else:
            groups.append([index])
    levels = {index: float(np.mean([places[each] for each in group])) for group in groups for index in group}
    return [levels[index] for index in range(len(places))]
