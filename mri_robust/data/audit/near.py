"""Pictures that stand twice though their pixels differ: re-encoded, brightened, shifted by a pixel, or mirrored.

1. Candidates: thumbnails of 28 x 28 pixels, each less its mean and over its norm, so that brightness and contrast
   do not count; one matrix product gives the correlation of all with all, once for every flip.
2. Confirmation, at 112 x 112 pixels: the second picture is regressed on the first and its two derivatives, which
   takes up any change of brightness and contrast and, to first order, a shift of about a pixel (B. Lucas and
   T. Kanade, IJCAI 1981). The distance is 1 - R, R the multiple correlation; a pair is near at `NEAR` or less.

`NEAR` comes from looking at pairs of the study's pictures: in the tumour classes, which hold neighbouring slices of the
same patients, no different slices are nearer than .028, and but for one no copy is farther than .015. Copies of other
contrast in the `notumor` class are missed, up to .06 apart. Most copies are mirrored, none is turned by a quarter.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from PIL import Image

from mri_robust.core.progress import OnImages, silent

SIDE, COARSE = 112, 28
CANDIDATE, NEAR = 0.97, 0.025
FLIPS = ("", "left-right", "upside down", "half turn")
"""How the second picture of a pair is turned before it is compared; `flip` is an index into it."""

_BLOCK, _CHUNK, _RIDGE = 2**24, 128, 1e-6


def thumbnail(grey: np.ndarray) -> np.ndarray:
    """The means over equal areas of a grey image, float32 [S, S] of 0-255, as float16 [SIDE, SIDE]."""
    return np.asarray(Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.BOX), dtype=np.float16)


def near_pairs(thumbnails: np.ndarray, on_images: OnImages = silent) -> pd.DataFrame:
    """All pairs of near pictures, float16 [N, SIDE, SIDE], no two of them equal. An even picture is near to none.

    One row per pair, by `first`, then `second`: indices of two pictures, first < second; the `flip` that makes them
    near, 0 where they are so without, else the nearest; and their `distance` in [0, NEAR].
    """
    found = [np.empty((4, 0))]
    coarse = thumbnails.astype(np.float32).reshape(len(thumbnails), COARSE, SIDE // COARSE, COARSE, -1).mean((2, 4))
    for flip in range(len(FLIPS)):
        for first, second in _candidates(_unit(coarse), _unit(turned(coarse, flip))):
            for start in range(0, len(first), _CHUNK):
                one, other = first[start : start + _CHUNK], second[start : start + _CHUNK]
                distances = distance(thumbnails[one], turned(thumbnails[other], flip))
                found.append(np.stack([one, other, np.full(len(one), flip), distances])[:, distances <= NEAR])
        on_images((flip + 1) * len(thumbnails), len(FLIPS) * len(thumbnails))
    pairs = pd.DataFrame(np.concatenate(found, axis=1).T, columns=["first", "second", "flip", "distance"])
    pairs = pairs.astype({"first": np.int64, "second": np.int64, "flip": np.int64})
    pairs = pairs.assign(turned=pairs["flip"] > 0).sort_values(["first", "second", "turned", "distance"])
    return pairs.drop_duplicates(["first", "second"], ignore_index=True).drop(columns="turned")


def turned(images: np.ndarray, flip: int) -> np.ndarray:
    """Images [..., H, W] under a flip, an index into `FLIPS`; the same flip again undoes it."""
    return images[..., :: -1 if flip >= 2 else 1, :: -1 if flip % 2 else 1]


def distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """1 - R of the regression of each second image on the first and its derivatives; images [K, H, W], neither even.

    float64 [K] in [0, 1]; 0 for a copy of other brightness or contrast. A photographic negative counts as a copy.
    """
    parts = np.zeros((len(first), 4, *first.shape[1:]), dtype=np.float32)
    parts[:, 0], parts[:, 3] = first, second
    parts[:, 1, :, 1:-1] = parts[:, 0, :, 2:] - parts[:, 0, :, :-2]
    parts[:, 2, 1:-1] = parts[:, 0, 2:] - parts[:, 0, :-2]
    flat = parts.reshape(len(first), 4, -1)
    flat -= flat.mean(axis=2, keepdims=True)
    products = (flat @ flat.transpose(0, 2, 1)).astype(np.float64)
    terms, target = products[:, :3, :3], products[:, :3, 3:]
    # In stripes the two derivatives say the same: without the ridge there would be no solution.
    ridge = _RIDGE * np.trace(terms, axis1=1, axis2=2)[:, None, None] * np.eye(3)
    explained = (target * np.linalg.solve(terms + ridge, target)).sum(axis=(1, 2)) / products[:, 3, 3]
    return 1 - np.sqrt(np.clip(explained, 0, 1))


def _unit(images: np.ndarray) -> np.ndarray:
    """float32 [N, H * W], each of mean 0 and norm 1; zeros for an even image."""
    flat = images.reshape(len(images), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.divide(flat, norm, out=np.zeros_like(flat), where=norm > 0)


def _candidates(signatures: np.ndarray, others: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs i < j of which signature i correlates with other signature j, block by block of i."""
    step = max(1, _BLOCK // max(1, len(signatures)))
    for start in range(0, len(signatures), step):
        # Every flip undoes itself, so that (i, j) and (j, i) correlate alike and half of the products will do.
        alike = signatures[start : start + step] @ others[start:].T >= CANDIDATE
        first, second = np.nonzero(np.triu(alike, 1))
        yield first + start, second + start
