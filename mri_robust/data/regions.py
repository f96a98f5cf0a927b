"""Parts of a slice that an attack may be confined to: the head, the background, and a frame along the edges."""

import numpy as np
from scipy.ndimage import binary_fill_holes
from skimage.filters import threshold_otsu
from skimage.measure import label

from mri_robust.data import REGIONS

FRAME = 0.1
"""Width of the frame, as a share of the image's side."""


def head(grey: np.ndarray) -> np.ndarray:
    """The largest connected part that is brighter than Otsu's threshold (1979), its holes filled.

    Of the square roots of the grey levels: of the levels themselves a bright tumour is told from the rest of the head.
    """
    roots = np.sqrt(grey)
    if roots.min() == roots.max():
        return np.zeros(grey.shape, dtype=bool)
    parts = label(roots > threshold_otsu(roots))
    largest = np.bincount(parts[parts > 0]).argmax()
    return binary_fill_holes(parts == largest)


def background(grey: np.ndarray) -> np.ndarray:
    """All but the head; nothing where there is no head."""
    found = head(grey)
    return ~found & found.any()


def frame(grey: np.ndarray) -> np.ndarray:
    """A tenth of the side along each edge."""
    inner = tuple(slice(width := round(FRAME * side), side - width) for side in grey.shape)
    found = np.ones(grey.shape, dtype=bool)
    found[inner] = False
    return found


def whole(grey: np.ndarray) -> np.ndarray:
    """Everything."""
    return np.ones(grey.shape, dtype=bool)


FIND = dict(zip(REGIONS, (whole, head, background, frame), strict=True))
"""Region -> grey image [H, W] -> bool [H, W], where it is."""


def regions(images: np.ndarray, name: str) -> np.ndarray:
    """Where a region of `REGIONS` is in each image, bool [N, 1, H, W]; images are uint8 or floats, [N, C, H, W].

    An image of one grey level has neither head nor background.
    """
    return np.stack([FIND[name](image.mean(0)) for image in images])[:, None]
