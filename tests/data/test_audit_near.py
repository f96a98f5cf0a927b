"""Near duplicates: copies made here are found, other slices are not, and the distance is scikit-learn's."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.linear_model import LinearRegression

from mri_robust.data.audit import near
from mri_robust.data.audit.duplicates import DEGREES, count_duplicates, groups
from mri_robust.data.audit.near import FLIPS, NEAR, SIDE, Pairs, near_pairs, thumbnail
from mri_robust.data.phantom import draw

SLICES = [draw(5, "train", index, SIDE * 2)[0] for index in range(10)]


def jpeg(image: np.ndarray, quality: int = 60) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, format="JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def shifted(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
    return np.roll(image, (rows, columns), (0, 1))


def brighter(image: np.ndarray, levels: int) -> np.ndarray:
    return np.clip(image.astype(int) + levels, 0, 255).astype(np.uint8)


def thumbnails(images: list[np.ndarray]) -> np.ndarray:
    return np.stack([thumbnail(image.astype(np.float32)) for image in images])


@pytest.mark.parametrize(
    ("change", "flip"),
    [
        (lambda image: brighter(image, 3), ""),
        (lambda image: brighter(image, -3), ""),
        (lambda image: (image * 0.6).astype(np.uint8), ""),
        (jpeg, ""),
        (lambda image: shifted(image, 0, 1), ""),
        (lambda image: shifted(image, -1, 0), ""),
        (np.fliplr, "left-right"),
        (np.flipud, "upside down"),
        (lambda image: jpeg(brighter(np.rot90(image, 2), 3)), "half turn"),
    ],
    ids=["brighter", "darker", "flat", "jpeg", "right", "up", "mirrored", "upside-down", "all-at-once"],
)
def test_a_changed_copy_is_near_its_original_and_to_nothing_else(change, flip) -> None:
    for number in (0, 4, 9):
        pairs = near_pairs(thumbnails([*SLICES, change(SLICES[number])]))
        assert list(zip(pairs.first, pairs.second, strict=True)) == [(number, len(SLICES))]
        assert FLIPS[pairs.flip[0]] == flip
        assert 0 <= pairs.distance[0] <= NEAR


def test_a_quarter_turn_is_another_picture() -> None:
    assert not len(near_pairs(thumbnails([SLICES[0], np.rot90(SLICES[0])])).first)


def test_even_pictures_and_stripes_do_no_harm() -> None:
    stripes = np.tile((np.arange(SIDE * 2) // 16 % 2 * 200).astype(np.uint8), (SIDE * 2, 1))
    diagonal = ((np.add.outer(np.arange(SIDE * 2), np.arange(SIDE * 2)) // 16) % 2 * 200).astype(np.uint8)
    even = [np.full((SIDE * 2, SIDE * 2), level, np.uint8) for level in (0, 0, 90)]
    with np.errstate(all="raise"):
        pairs = near_pairs(thumbnails([*even, stripes, brighter(stripes, 5), diagonal, brighter(diagonal, 5)]))
    assert list(zip(pairs.first, pairs.second, strict=True)) == [(3, 4), (5, 6)]
    assert np.isfinite(pairs.distance).all()


def test_a_symmetric_picture_makes_one_upright_pair() -> None:
    half = SLICES[0][:, :SIDE]
    symmetric = np.concatenate([half, half[:, ::-1]], axis=1)
    pairs = near_pairs(thumbnails([symmetric, jpeg(symmetric)]))
    assert (pairs.first.tolist(), pairs.second.tolist(), pairs.flip.tolist()) == ([0], [1], [0])


def test_a_pair_that_is_near_both_ways_counts_as_upright() -> None:
    half = SLICES[0][:, :SIDE]
    lopsided = np.concatenate([half, half[:, ::-1]], axis=1).copy()
    lopsided[80:100, 60:70] = 255
    mirrored = lopsided[:, ::-1]
    images = thumbnails([lopsided, mirrored])
    assert near.distance(images[:1], images[1:])[0] > near.distance(images[:1], images[1:, :, ::-1])[0]
    assert near_pairs(images).flip.tolist() == [0]


def test_pictures_that_agree_only_from_afar_are_not_near() -> None:
    noise = np.random.default_rng(0).normal(0, 60, SLICES[0].shape)
    noisy = np.clip(SLICES[0] + noise, 0, 255).astype(np.uint8)
    images = thumbnails([SLICES[0], noisy])
    afar = images.astype(float).reshape(2, 28, 4, 28, 4).mean((2, 4)).reshape(2, -1)
    assert np.corrcoef(afar)[0, 1] > near.CANDIDATE
    assert near.distance(images[:1], images[1:])[0] > NEAR
    assert not len(near_pairs(images).first)


def test_blocks_and_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    images = thumbnails([*SLICES, *map(jpeg, SLICES), *map(np.fliplr, SLICES)])
    whole = near_pairs(images)
    assert len(whole.first) == 30
    monkeypatch.setattr(near, "_BLOCK", 7 * len(images))
    monkeypatch.setattr(near, "_CHUNK", 4)
    for one, other in zip(whole, near_pairs(images), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_the_distance_is_that_of_a_linear_regression(seed: int, share: float) -> None:
    generator = np.random.default_rng(seed)
    first = generator.random((9, 12)) * 255
    second = share * first + (1 - share) * generator.random((9, 12)) * 255 + 10
    across, down = np.zeros_like(first), np.zeros_like(first)
    across[:, 1:-1] = first[:, 2:] - first[:, :-2]
    down[1:-1] = first[2:] - first[:-2]
    inputs = np.stack([first.ravel(), across.ravel(), down.ravel()], axis=1)
    explained = LinearRegression().fit(inputs, second.ravel()).score(inputs, second.ravel())
    assert near.distance(first[None], second[None])[0] == pytest.approx(1 - np.sqrt(explained), abs=2e-3)


EDGES = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=15)


@given(EDGES)
def test_groups_are_scipys_connected_components(edges: list[tuple[int, int]]) -> None:
    first, second = np.array(edges, dtype=np.int64).reshape(-1, 2).T
    mine = groups(12, first, second)
    _, theirs = connected_components(coo_matrix((np.ones(len(first)), (first, second)), shape=(12, 12)))
    assert mine.tolist() == [theirs.tolist().index(part) for part in theirs]


def pairs_of(edges: dict[tuple[int, int], int]) -> Pairs:
    ends = np.array(list(edges), dtype=np.int64).reshape(-1, 2).T
    return Pairs(ends[0], ends[1], np.array(list(edges.values()), dtype=np.int64), np.zeros(len(edges)))


@example([(0, True), (1, False), (2, True)], {(0, 1): 0, (0, 2): 0})
@example([(0, False), (1, True), (2, True)], {(0, 2): 1, (1, 2): 1})
@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=25),
    st.dictionaries(st.tuples(st.integers(0, 5), st.integers(0, 5)), st.integers(0, 3), max_size=8),
)
def test_counts_agree_with_a_look_at_every_pair(drawn: list[tuple[int, bool]], edges: dict) -> None:
    pictures = {number: place for place, number in enumerate(sorted({number for number, _ in drawn}))}
    picture = np.array([pictures[number] for number, _ in drawn])
    is_test = np.array([test for _, test in drawn])
    edges = {(a, b): flip for (a, b), flip in edges.items() if a < b < len(pictures)}
    counted = count_duplicates(picture, is_test, pairs_of(edges)).table
    for degree, most in zip(DEGREES, (-1, 0, 3), strict=True):
        alike = {edge for edge, flip in edges.items() if flip <= most}
        same = lambda i, j, alike=alike: picture[i] == picture[j] or tuple(sorted((picture[i], picture[j]))) in alike  # noqa: E731
        every = [(i, j) for i in range(len(drawn)) for j in range(i) if same(i, j)]
        row = counted.loc[degree]
        assert row["pairs_train"] == sum(not is_test[i] and not is_test[j] for i, j in every)
        assert row["pairs_test"] == sum(bool(is_test[i] and is_test[j]) for i, j in every)
        assert row["pairs_between"] == sum(bool(is_test[i] != is_test[j]) for i, j in every)
        assert row["seen"] == len({i if is_test[i] else j for i, j in every if is_test[i] != is_test[j]})


def test_ten_identical_images_are_one_group() -> None:
    table = count_duplicates(np.array([0] * 10 + [1]), np.array([False] * 6 + [True] * 5), pairs_of({})).table
    exact = table.loc[DEGREES[0]]
    assert (exact["groups"], exact["largest"]) == (1, 10)
    assert (exact["repeats_train"], exact["repeats_test"], exact["seen"]) == (5, 3, 4)
    assert (exact["pairs_train"], exact["pairs_test"], exact["pairs_between"]) == (15, 6, 24)
