"""The sample sheet."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mri_robust.data.dataset import Dataset, Split
from mri_robust.data.preview import Strip, sample, sheet


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


@pytest.mark.parametrize(("size", "tile"), [(8, 96), (64, 64), (128, 128), (512, 256)])
def test_tiles_show_the_pixels(size: int, tile: int) -> None:
    images = np.zeros((2, 1, size, size), np.uint8)
    images[0] = 200
    page = np.asarray(sheet([Strip("a", 9, images)], title="t", subtitle="s").convert("L"))
    assert (page == 200).sum() >= tile * tile
    assert (page == 200).sum() < tile * tile + 50


def test_long_titles_stay_on_the_page() -> None:
    strip = Strip("x" * 500, 9, np.zeros((1, 3, 32, 32), np.uint8))
    page = np.asarray(sheet([strip], title="y" * 500, subtitle="z" * 500))
    assert (page[:, -20:] == page[0, 0]).all()
