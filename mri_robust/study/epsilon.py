"""Epsilon: the norms that it is measured in, the sizes that are usual there, its bounds, and how it is written.

Pixels lie in [0, 1]. In L-inf epsilon is the greatest change of a pixel, in L2 the L2 norm of the change of an image.
"""

from typing import Literal

Norm = Literal["linf", "l2"]
EPSILONS: dict[Norm, tuple[float, ...]] = {"linf": (1 / 255, 2 / 255, 4 / 255, 8 / 255), "l2": (0.125, 0.25, 0.5, 1.0)}
"""Norm -> the sizes that models are asked at."""
IN_L2 = "the L2 norm of the change of an image whose pixels lie in [0, 1]"
LARGEST = {
    "linf": (1.0, "4/255 is a usual one in L-inf"),
    "l2": (100.0, "pixels lie in [0, 1], where .1 to 5 are usual: divide an L2 radius for pixels of 0..255 by 255"),
}
"""Norm -> the largest epsilon, and what to know where one is larger."""


def usual(norm: str) -> float:
    """The size at which models are compared, or that nearest to it."""
    return 0.5 if norm == "l2" else 4 / 255


def parts_of_1(norm: str) -> int:
    """In how many parts a size of 1 is counted: 255 in L-inf, which no norm also is, and 1 in any other."""
    return 255 if norm in ("linf", "") else 1


def size_text(size: float, norm: str = "linf") -> str:
    """A size to three digits: `4/255`, in L2 `0.5`."""
    parts = parts_of_1(norm)
    return f"{parts * size:.3g}" + ("/255" if parts > 1 else "")


def epsilon_text(epsilon: float, norm: str = "linf") -> str:
    """A size with its norm where that is not L-inf: `4/255`, `0.5 (L2)`."""
    return size_text(epsilon, norm) + ("" if parts_of_1(norm) > 1 else f" ({norm.upper()})")
