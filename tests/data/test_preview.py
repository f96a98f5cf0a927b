"""The sample of images that `mri-robust data preview` shows."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mri_robust.data.dataset import Dataset, Split
from mri_robust.data.preview import sample


def dataset_of(sizes: tuple[int, ...]) -> Dataset:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    images = np.arange(len(labels), dtype=np.uint8)[:, None, None, None].repeat(8, 2).repeat(8, 3)
    split = Split(images, labels, tuple(map(str, labels)))
    return Dataset("made", split, split, tuple(f"class {index}" for index in range(len(sizes))), "0")


@given(st.lists(st.integers(1, 9), min_size=2, max_size=5), st.integers(1, 60))
def test_the_asked_number_is_shared_evenly(sizes: list[int], images: int) -> None:
    dataset = dataset_of(tuple(sizes))
    strips = sample(dataset, dataset.train, images, seed=0)
    taken = [len(strip.images) for strip in strips]
    assert sum(taken) == min(images, sum(sizes))
    unfilled = [count for strip, count in zip(strips, taken, strict=True) if count < strip.total]
    assert not unfilled or max(taken) - min(unfilled) <= 1


def test_the_seed_decides_the_sample() -> None:
    dataset = dataset_of((50, 50))
    drawn = [sample(dataset, dataset.train, 8, seed)[0].images[:, 0, 0, 0].tolist() for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
