"""Exact duplicates, leaks and pixel statistics against plain counting."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mri_robust.data.audit import duplicate_counts, exact, leaked_test_images
from mri_robust.data.dataset import Dataset, Split, content_digest
from mri_robust.data.summary import pixel_statistics, summarise


def split_of(images: np.ndarray) -> Split:
    return Split(images, np.arange(len(images), dtype=np.int64) % 2, tuple(f"{i}.png" for i in range(len(images))))


def dataset_of(train: list[int], test: list[int]) -> Dataset:
    """A data set whose images are flat, so that equal numbers are equal images."""
    splits = [split_of(np.full((len(v), 1, 8, 8), np.array(v)[:, None, None, None], np.uint8)) for v in (train, test)]
    return Dataset("flat", *splits, classes=("a", "b"), digest=content_digest(*(split.images for split in splits)))


def test_twins_are_found_whatever_their_label() -> None:
    dataset = dataset_of([1, 2, 2, 3, 3, 3], [2, 9, 3, 9, 4])
    assert leaked_test_images(dataset).tolist() == [True, False, True, False, False]
    assert duplicate_counts(dataset) == {"train": 3, "test": 1}


def test_one_pixel_makes_no_twin() -> None:
    dataset = replace(dataset_of([1], [1]), digest="one pixel")
    dataset.test.images[0, 0, 3, 3] = 2
    assert not leaked_test_images(dataset).any()


def test_the_answer_is_remembered_for_the_same_data_set_only(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    monkeypatch.setattr(exact, "fingerprint", lambda image: taken.append(0) or image.tobytes())
    dataset = dataset_of([101, 102], [102, 103])
    first = leaked_test_images(dataset)
    assert first.tolist() == [True, False]
    assert len(taken) == 4
    assert leaked_test_images(dataset_of([101, 102], [102, 103])) is first
    assert len(taken) == 4
    part = Split(dataset.test.images[1:], dataset.test.labels[1:], dataset.test.names[1:])
    assert leaked_test_images(replace(dataset, test=part)).tolist() == [False]
    with pytest.raises(ValueError, match="read-only"):
        first[0] = False


@given(st.lists(st.integers(0, 5), min_size=1, max_size=20), st.lists(st.integers(0, 5), min_size=1, max_size=20))
def test_counts_agree_with_sets(train: list[int], test: list[int]) -> None:
    dataset = dataset_of(train, test)
    assert leaked_test_images(dataset).tolist() == [value in train for value in test]
    assert duplicate_counts(dataset) == {"train": len(train) - len(set(train)), "test": len(test) - len(set(test))}


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 5), st.sampled_from([1, 3]), st.just(4), st.just(4))))
def test_statistics_agree_with_numpy(images: np.ndarray) -> None:
    mean, std = pixel_statistics(images)
    np.testing.assert_allclose(mean, (images / 255).mean(axis=(0, 2, 3)), atol=1e-12)
    np.testing.assert_allclose(std, (images / 255).std(axis=(0, 2, 3)), atol=1e-7)


def test_statistics_do_not_depend_on_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(0).integers(0, 256, (30, 3, 8, 8), dtype=np.uint8)
    whole = pixel_statistics(images)
    monkeypatch.setattr("mri_robust.data.summary._CHUNK", 7)
    assert pixel_statistics(images) == whole


def test_the_std_of_flat_images_is_exactly_zero() -> None:
    assert pixel_statistics(np.full((3, 1, 8, 8), 201, np.uint8)) == ((201 / 255,), (0.0,))


def test_summary_counts_classes() -> None:
    summary = summarise(dataset_of([1, 2, 3], [3, 4]))
    assert (summary.train, summary.test) == ((2, 1), (1, 1))
    assert summary.leaked == 1
    assert summary.original_sizes == {}
