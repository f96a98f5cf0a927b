"""Phantom slices: the same for the same seed, right in their anatomy, and not to be told apart without looking."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage
from sklearn.linear_model import LogisticRegression

from mri_robust.core.errors import UserError
from mri_robust.data.dataset import load_dataset
from mri_robust.data.phantom.slices import CLASSES, Plan, draw, label_of
from mri_robust.data.sources import phantom
from mri_robust.data.sources.phantom import Extent, parse_extent

GLIOMA, MENINGIOMA, NOTUMOR, PITUITARY = range(4)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MRI_ROBUST_CACHE", str(tmp_path))


def plans(label: int, count: int):
    indices = (index for index in range(10_000) if label_of(0, "train", index) == label)
    return [Plan(0, "train", next(indices)) for _ in range(count)]


def areas_averaged(images: np.ndarray, size: int) -> np.ndarray:
    step = images.shape[-1] // size
    return images.reshape(len(images), size, step, size, step).mean((2, 4))


def test_a_slice_depends_on_seed_split_and_index_alone_and_is_what_it_always_was():
    first, label = draw(3, "train", 17, 64)
    draw(5, "test", 3, 48)
    again, same_label = draw(3, "train", 17, 64)
    assert (first.dtype, first.shape, first.tobytes(), label) == (np.uint8, (64, 64), again.tobytes(), same_label)
    others = [draw(4, "train", 17, 64), draw(3, "test", 17, 64), draw(3, "train", 18, 64)]
    assert all(first.tobytes() != image.tobytes() for image, _ in others)
    for index in range(12):  # the same head at every size
        fine, coarse = draw(0, "train", index, 128)[0], draw(0, "train", index, 64)[0]
        shrunk = areas_averaged(fine[None].astype(float), 64)[0]
        assert np.corrcoef(shrunk.ravel(), coarse.ravel())[0, 1] > 0.95
    drawn = [draw(0, "train", index, 64)[0] for index in range(6)]
    assert [image.mean() for image in drawn] == pytest.approx([40.83, 41.37, 38.42, 42.12, 32.17, 36.0], abs=0.02)
    assert [image.std() for image in drawn] == pytest.approx([46.55, 47.01, 44.49, 51.48, 43.24, 41.61], abs=0.02)


def test_more_images_never_change_the_earlier_ones_and_labels_have_no_fixed_order():
    few = load_dataset("phantom:train=12,test=8,seed=2", size=32)
    many = load_dataset("phantom:train=20,test=16,seed=2", size=32)
    assert np.array_equal(few.train.images, many.train.images[:12])
    assert np.array_equal(few.test.images, many.test.images[:8])
    assert few.train.names == many.train.names[:12]
    assert few.test.images[3, 0].tobytes() == draw(2, "test", 3, 32)[0].tobytes()
    labels = np.array([label_of(0, "train", index) for index in range(400)]).reshape(-1, 4)
    assert (np.sort(labels) == range(4)).all()
    assert len({tuple(block) for block in labels.tolist()}) == 24


def test_the_data_set_and_its_digest():
    data = load_dataset("phantom:train=40,test=8", size=32)
    assert data.classes == CLASSES == ("glioma", "meningioma", "notumor", "pituitary")
    assert (data.train.images.shape, data.train.labels.dtype) == ((40, 1, 32, 32), np.int64)
    assert [np.bincount(split.labels).tolist() for split in (data.train, data.test)] == [[10] * 4, [2] * 4]
    assert data.train.names[12] == f"Training/{CLASSES[data.train.labels[12]]}/phantom-00012.png"
    assert data.test.names[0].startswith("Testing/")
    assert not data.train.images.flags.writeable
    rgb = load_dataset("phantom:train=40,test=8", size=32, channels="rgb")
    assert np.array_equal(rgb.train.images, data.train.images.repeat(3, 1))
    options = ["train=8,test=8", "train=9,test=8", "train=8,test=9", "train=8,test=8,seed=1"]
    digests = [load_dataset(f"phantom:{text}", size=16).digest for text in options] + [data.digest, rgb.digest]
    assert len(set(digests)) == 6
    assert load_dataset("phantom:test=8,train=8,seed=0", size=16).digest == digests[0]


def test_options_keep_the_defaults_of_what_is_not_given():
    assert parse_extent("phantom") == Extent(train=800, test=400, seed=0)
    assert parse_extent("phantom: test=100 , train=400") == Extent(train=400, test=100)
    bad = {"trian=400": "'train'", "seed=" + "9" * 30: "from 0", "seed=1,seed=2": "twice", "train=1000001": "from 8"}
    bad |= {"train": "whole", "train=4.5": "whole", "train=-8": "whole", "seed=²": "whole", "test=7": "from 8"}
    for options, says in bad.items():
        with pytest.raises(UserError, match=says):
            load_dataset(f"phantom:{options}", size=32)


def test_the_second_load_maps_what_the_first_has_drawn_and_without_a_cache_it_is_in_memory(tmp_path, monkeypatch):
    good = np.array(load_dataset("phantom:train=16,test=8", size=32).train.images)
    with monkeypatch.context() as patched:
        patched.setattr(phantom, "_drawn", lambda *_: pytest.fail("drawn twice"))
        assert np.array_equal(load_dataset("phantom:train=16,test=8", size=32).train.images, good)
    monkeypatch.setattr(phantom, "disk_usage", lambda folder: SimpleNamespace(free=24 * 32**2 - 1))
    uncached = load_dataset("phantom:train=16,test=8,seed=1", size=32)
    assert np.array_equal(uncached.train.images[:, 0], [draw(1, "train", index, 32)[0] for index in range(16)])
    assert len(list(tmp_path.rglob("*.u8"))) == 1
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MRI_ROBUST_CACHE", str(tmp_path / "file"))
    assert np.array_equal(load_dataset("phantom:train=16,test=8", size=32).train.images, good)


def test_tumours_lie_where_their_kind_grows():
    for drawn in (plan.render(128) for plan in plans(GLIOMA, 24)):  # inside, a bright ring around a dark core
        assert drawn.tumour.sum() > 100
        assert not (drawn.tumour & ~drawn.brain).any()
        depth = ndimage.distance_transform_edt(drawn.tumour)
        core, ring = drawn.image[depth > 0.75 * depth.max()].mean(), np.percentile(drawn.image[drawn.tumour], 75)
        assert ring > core + 20
    for drawn in (plan.render(128) for plan in plans(MENINGIOMA, 24)):  # with a broad base on the inner skull
        assert drawn.tumour.sum() > 100
        assert not (drawn.tumour & ~drawn.cavity).any()
        skull = ndimage.binary_dilation(~drawn.cavity, iterations=2)
        assert (drawn.tumour & skull).sum() > 0.5 * np.sqrt(drawn.tumour.sum())
    for plan in plans(PITUITARY, 24):  # at the midline and low
        plan.head.turn = 0.0  # upright
        drawn = plan.render(128)
        (y, x), (middle_y, middle_x) = map(ndimage.center_of_mass, (drawn.tumour, drawn.cavity))
        assert (y < middle_y) == plan.plane.name.startswith("axial")
        assert plan.plane.name.startswith("sagittal") or abs(x - middle_x) < 0.08 * drawn.skin.any(axis=0).sum()


@pytest.mark.parametrize("label", [GLIOMA, MENINGIOMA, PITUITARY])
def test_a_tumour_changes_much_but_nothing_outside_its_reach(label):
    for plan in plans(label, 8):
        ill = plan.render(96)
        plan.tumour = None
        well = plan.render(96)
        changed = ill.image.astype(int) - well.image
        assert not changed[~ill.affected].any()
        assert not (well.tumour | well.affected).any()
        assert ill.affected.sum() < 0.6 * ill.skin.sum()
        assert (np.abs(changed) > 24).sum() > 40  # far above the 8/255 that an attack may change


def test_the_class_cannot_be_read_off_planes_thumbnails_or_brightness():
    for label in range(4):
        assert {plan.plane.name.split("-")[0] for plan in plans(label, 30)} == {"axial", "coronal", "sagittal"}
    data = load_dataset("phantom:train=600,test=200", size=32)
    train, test = (areas_averaged(split.images[:, 0] / 255, 16) for split in (data.train, data.test))
    model = LogisticRegression(max_iter=300).fit(train.reshape(600, -1), data.train.labels)
    assert model.score(test.reshape(200, -1), data.test.labels) < 0.7
    mean = train.mean((1, 2))
    assert np.ptp([mean[data.train.labels == label].mean() for label in range(4)]) < 0.5 * mean.std()
    assert 0.14 < train.mean() < 0.24
