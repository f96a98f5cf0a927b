"""Phantom slices: the same for the same seed, right in their anatomy, and not to be told apart without looking."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from sklearn.linear_model import LogisticRegression

from mri_robust.core.errors import UserError
from mri_robust.data.dataset import load_dataset
from mri_robust.data.phantom import CLASSES, draw, label_of, plan_slice, render, storage, stream
from mri_robust.data.sources.phantom import parse_extent

GLIOMA, MENINGIOMA, NOTUMOR, PITUITARY = range(4)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MRI_ROBUST_CACHE", str(tmp_path))
    return tmp_path / "phantom"


def plans(label: int, count: int, seed: int = 0):
    indices = (index for index in range(10_000) if label_of(seed, "train", index) == label)
    return [plan_slice(seed, "train", next(indices)) for _ in range(count)]


def slices(label: int, count: int, size: int = 128):
    return [render(plan, size) for plan in plans(label, count)]


def areas_averaged(images: np.ndarray, size: int) -> np.ndarray:
    step = images.shape[-1] // size
    return images.reshape(len(images), size, step, size, step).mean((2, 4))


# --- reproducible ---------------------------------------------------------------------------------


def test_a_slice_depends_on_seed_split_and_index_alone():
    first, label = draw(3, "train", 17, 64)
    list(stream(5, "test", 3, 48))
    again, same_label = draw(3, "train", 17, 64)
    assert first.dtype == np.uint8
    assert first.shape == (64, 64)
    assert first.tobytes() == again.tobytes()
    assert label == same_label
    others = [draw(4, "train", 17, 64), draw(3, "test", 17, 64), draw(3, "train", 18, 64)]
    assert all(first.tobytes() != image.tobytes() for image, _ in others)


def test_more_images_never_change_the_earlier_ones():
    few = load_dataset("phantom:train=12,test=8,seed=2", size=32)
    many = load_dataset("phantom:train=20,test=16,seed=2", size=32)
    assert np.array_equal(few.train.images, many.train.images[:12])
    assert np.array_equal(few.test.images, many.test.images[:8])
    assert few.train.names == many.train.names[:12]
    assert few.digest != many.digest


def test_stream_and_data_set_agree():
    data = load_dataset("phantom:train=8,test=8,seed=2", size=32)
    images, labels = zip(*stream(2, "test", 8, 32), strict=True)
    assert np.array_equal(data.test.images[:, 0], np.stack(images))
    assert data.test.labels.tolist() == list(labels)


def test_the_same_head_at_every_size():
    for index in range(12):
        fine, coarse = draw(0, "train", index, 128)[0], draw(0, "train", index, 64)[0]
        shrunk = areas_averaged(fine[None].astype(float), 64)[0]
        assert np.corrcoef(shrunk.ravel(), coarse.ravel())[0, 1] > 0.95


# --- the data set ---------------------------------------------------------------------------------


def test_layout_of_the_data_set():
    data = load_dataset("phantom:train=40,test=8", size=32)
    assert data.classes == CLASSES == ("glioma", "meningioma", "notumor", "pituitary")
    assert data.train.images.shape == (40, 1, 32, 32)
    assert data.train.images.dtype == np.uint8
    assert data.train.labels.dtype == np.int64
    assert np.bincount(data.train.labels).tolist() == [10] * 4
    assert np.bincount(data.test.labels).tolist() == [2] * 4
    assert data.train.names[12] == f"Training/{CLASSES[data.train.labels[12]]}/phantom-00012.png"
    assert data.test.names[0].startswith("Testing/")
    assert len(set(data.train.names + data.test.names)) == 48
    assert not data.train.images.flags.writeable


def test_labels_are_not_in_a_fixed_order():
    labels = np.array([label_of(0, "train", index) for index in range(400)]).reshape(-1, 4)
    assert (np.sort(labels) == range(4)).all()
    assert len({tuple(block) for block in labels.tolist()}) == 24


def test_rgb_repeats_the_grey_channel():
    grey = load_dataset("phantom:train=8,test=8", size=32)
    rgb = load_dataset("phantom:train=8,test=8", size=32, channels="rgb")
    assert rgb.train.images.shape == (8, 3, 32, 32)
    assert all(np.array_equal(rgb.train.images[:, [channel]], grey.train.images) for channel in range(3))
    assert rgb.digest != grey.digest


def test_the_digest_names_everything_that_decides_the_pixels():
    options = ["train=8,test=8", "train=9,test=8", "train=8,test=9", "train=8,test=8,seed=1"]
    digests = [load_dataset(f"phantom:{text}", size=16).digest for text in options]
    digests.append(load_dataset(f"phantom:{options[0]}", size=24).digest)
    assert len(set(digests)) == 5
    assert load_dataset("phantom:test=8,train=8,seed=0", size=16).digest == digests[0]


def test_options_keep_the_defaults_of_what_is_not_given():
    assert parse_extent("phantom") == storage.Extent(train=1600, test=400, seed=0)
    assert parse_extent("phantom:seed=3") == storage.Extent(seed=3)
    assert parse_extent("phantom: test=100 , train=400") == storage.Extent(train=400, test=100)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("trian=400", "did you mean 'train'"),
        ("train", "whole number"),
        ("train=4.5", "whole number"),
        ("train=-8", "whole number"),
        ("seed=²", "whole number"),
        ("train=7", "from 8 to 1000000"),
        ("test=7", "from 8 to 1000000"),
        ("train=1000001", "from 8 to 1000000"),
        ("seed=" + "9" * 30, "from 0 to"),
        ("seed=1,seed=2", "given twice"),
    ],
)
def test_bad_options_are_refused_in_one_line(options, says):
    with pytest.raises(UserError, match=says) as caught:
        load_dataset(f"phantom:{options}", size=32)
    assert "\n" not in str(caught.value)


# --- the cache ------------------------------------------------------------------------------------


def test_the_second_load_maps_what_the_first_has_drawn(cache, monkeypatch):
    first = load_dataset("phantom:train=16,test=8", size=32)
    monkeypatch.setattr(storage, "_fill", lambda *_: pytest.fail("drawn twice"))
    second = load_dataset("phantom:train=16,test=8", size=32)
    assert isinstance(second.train.images, np.memmap)
    assert np.array_equal(first.train.images, second.train.images)
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize("damage", ["empty", "short", "text", "shape", "pixels"])
def test_a_damaged_cache_is_drawn_again(cache, damage):
    good = np.array(load_dataset("phantom:train=16,test=8", size=32).train.images)
    (path,) = cache.iterdir()
    content = path.read_bytes()
    path.unlink()
    match damage:
        case "empty":
            path.write_bytes(b"")
        case "short":
            path.write_bytes(content[:-100])
        case "text":
            path.write_bytes(b"no array " * 100)
        case "shape":
            np.save(path, np.zeros((24, 1, 16, 16), np.uint8))
        case "pixels":
            np.save(path, np.zeros((24, 1, 32, 32), np.uint8))
    assert np.array_equal(load_dataset("phantom:train=16,test=8", size=32).train.images, good)
    assert path.read_bytes() == content


def test_without_a_writable_cache_the_set_is_drawn_into_memory(tmp_path, monkeypatch):
    expected = np.array(load_dataset("phantom:train=8,test=8", size=32).train.images)
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MRI_ROBUST_CACHE", str(tmp_path / "file"))
    assert np.array_equal(load_dataset("phantom:train=8,test=8", size=32).train.images, expected)


# --- anatomy --------------------------------------------------------------------------------------


def test_gliomas_lie_inside_the_brain_and_have_a_bright_ring_around_a_dark_core():
    for drawn in slices(GLIOMA, 24):
        assert drawn.tumour.sum() > 100
        assert not (drawn.tumour & ~drawn.brain).any()
        depth = ndimage.distance_transform_edt(drawn.tumour)
        level = drawn.image.astype(float)
        core, ring = level[depth > 0.75 * depth.max()].mean(), np.percentile(level[drawn.tumour], 75)
        assert ring > core + 20


def test_meningiomas_have_a_broad_base_on_the_inner_skull():
    for drawn in slices(MENINGIOMA, 24):
        assert drawn.tumour.sum() > 100
        assert not (drawn.tumour & ~drawn.cavity).any()
        skull = ndimage.binary_dilation(~drawn.cavity, iterations=2)
        base = (drawn.tumour & skull).sum()
        assert base > 0.5 * np.sqrt(drawn.tumour.sum())


def test_pituitary_tumours_lie_at_the_midline_and_low():
    for plan in plans(PITUITARY, 24):
        upright = replace(plan, head=replace(plan.head, pose=replace(plan.head.pose, turn=0.0)))
        drawn = render(upright, 128)
        y, x = ndimage.center_of_mass(drawn.tumour)
        middle_y, middle_x = ndimage.center_of_mass(drawn.cavity)
        if drawn.view.startswith("axial"):
            assert y < middle_y
        else:
            assert y > middle_y
        if not drawn.view.startswith("sagittal"):
            assert abs(x - middle_x) < 0.08 * drawn.skin.any(axis=0).sum()


@pytest.mark.parametrize("label", [GLIOMA, MENINGIOMA, PITUITARY])
def test_a_tumour_changes_nothing_outside_its_reach(label):
    for plan in plans(label, 8):
        ill, well = render(plan, 96), render(replace(plan, tumour=None), 96)
        changed = ill.image.astype(int) - well.image
        assert not changed[~ill.affected].any()
        assert ill.affected.sum() < 0.6 * ill.skin.sum()
        # Far above the 8/255 that an attack may change, over many pixels.
        assert (np.abs(changed) > 24).sum() > 40


def test_notumor_has_no_tumour():
    for drawn in slices(NOTUMOR, 6, size=48):
        assert not drawn.tumour.any()
        assert not drawn.affected.any()


def test_every_class_shows_the_planes_through_the_sella_and_all_views():
    for label in range(4):
        views = {plan.scene.name.split("-")[0] for plan in plans(label, 30)}
        assert views == {"axial", "coronal", "sagittal"}


# --- fit for its use ------------------------------------------------------------------------------


def test_the_class_cannot_be_read_off_thumbnails_or_brightness():
    data = load_dataset("phantom:train=600,test=200", size=32)
    train, test = (areas_averaged(split.images[:, 0] / 255, 16) for split in (data.train, data.test))
    model = LogisticRegression(max_iter=300).fit(train.reshape(600, -1), data.train.labels)
    assert model.score(test.reshape(200, -1), data.test.labels) < 0.7
    mean = train.mean((1, 2))
    assert np.ptp([mean[data.train.labels == label].mean() for label in range(4)]) < 0.5 * mean.std()
    assert 0.14 < train.mean() < 0.24


def test_a_hundred_slices_take_seconds():
    start = time.perf_counter()
    for index in range(100):
        draw(0, "train", index, 128)
    assert time.perf_counter() - start < 6
