"""What holds for every source, which classes show a tumour, which images are trained on, and samples to look at."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mri_robust.core.errors import UserError
from mri_robust.data import SOURCES
from mri_robust.data.dataset import Dataset, Split, content_digest, healthy_classes, load_dataset, with_tumours
from mri_robust.data.subset import preview_places, training_images, training_places

STUDY, OWN = ("glioma", "meningioma", "notumor", "pituitary"), ("Astrozytom", "Gesund", "Metastase", "Narbe")
LOADABLE = ["phantom:train=8,test=8", *(name for name in SOURCES.added() if SOURCES.load(name).accepts(name))]


@pytest.mark.parametrize("text", LOADABLE)
def test_every_source_gives_what_is_asked_for_and_names_it_by_a_digest(text: str) -> None:
    digests = set()
    for size, channels, planes in ((16, "grey", 1), (16, "rgb", 3), (24, "grey", 1), (16, "grey", 1)):
        dataset = load_dataset(text, size=size, channels=channels)
        digests.add(dataset.digest)
        for split in (dataset.train, dataset.test):
            assert split.images.dtype == np.uint8
            assert split.images.shape == (len(split.labels), planes, size, size)
            assert len(set(split.names)) == len(split.labels) > 0
            assert set(split.labels.tolist()) == set(range(len(dataset.classes)))
    assert len(digests) == 3


def test_no_source_takes_what_is_nobodys_and_bad_sizes_and_channels_are_refused() -> None:
    assert not any(SOURCES.load(name).accepts(text) for name in SOURCES.names() for text in ("no-such-data", ""))
    for bad in ({"size": 7}, {"size": 1025}, {"size": 16.0}, {"size": 16, "channels": "cmyk"}):
        with pytest.raises(ValueError, match="must be"):
            load_dataset("phantom", **bad)


NONE = ["notumor", "No_Tumor", "no-tumour", "no tumor", "non_tumor", "NonTumorous", "no", "NO", "Normal", "Healthy"]
NONE += ["Normal Brain", "brain_healthy", "negative", "tumor-free", "0_no", "02 Healthy", "3 4 no", "healthy controls"]
NONE += ["no_cancer", "No Brain Tumor", "without tumour", "not_tumor", "Control", "normal MRI", "ｎｏｒｍａｌ"]
SOME = ["yes", "tumor", "abnormal", "unhealthy", "positive", "notable", "normal_pressure_hydrocephalus", "not normal"]
SOME += ["no_glioma", "neuroma", "benign", "nodule", "control_lost", "1", "", "nonnormal"]


@pytest.mark.parametrize(("names", "healthy"), [(NONE, True), (SOME, False)])
def test_a_class_without_a_tumour_is_known_by_its_name(names: list[str], healthy: bool) -> None:
    assert [name for name in names if bool(healthy_classes(("glioma", name)) == (1,)) != healthy] == []
    data = dataset_of([3, 3])
    for name in names:
        told = replace(data, classes=("glioma", name), reading=("read",)).notes
        assert (told[0], "--tumour-classes" in told[1]) == ("read", True)
        assert (f"taken as without a tumour: {name}" in told[1]) == (healthy and name != "")
    assert replace(data, classes=("x", "y"), tumour_classes=("x",)).notes == ()


def test_names_say_which_classes_are_healthy_unless_somebody_does() -> None:
    assert healthy_classes(STUDY) == (2,)
    assert healthy_classes(("No_Tumor", "x", "NORMAL")) == (0, 2)
    assert healthy_classes(OWN) == ()
    assert healthy_classes(OWN, ("Metastase", "Astrozytom")) == (1, 3)
    assert healthy_classes(STUDY, ("notumor",)) == (0, 1, 3)
    for wrong in (("gliom",), STUDY):
        with pytest.raises(UserError, match="tumour-classes"):
            healthy_classes(STUDY, wrong)


def test_a_data_set_is_changed_only_by_what_its_names_do_not_say() -> None:
    dataset = load_dataset(LOADABLE[0], size=16)
    assert with_tumours(dataset, ()) is dataset
    assert with_tumours(dataset, ("pituitary", "glioma", "meningioma")) is dataset
    told = with_tumours(dataset, ("glioma", "pituitary"))
    assert (told.healthy, told.digest) == ((1, 2), dataset.digest)


def dataset_of(sizes: list[int]) -> Dataset:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    images = np.arange(len(labels), dtype=np.uint8)[:, None, None, None].repeat(8, 2).repeat(8, 3)
    split = Split(images, labels, tuple(map(str, labels)))
    return Dataset("made", split, split, tuple(f"class {index}" for index in range(len(sizes))), "0")


def test_training_images_are_drawn_by_the_seed_in_their_order() -> None:
    split = dataset_of([30, 20]).train
    places = training_places(50, 20, seed=3)
    assert len(set(places.tolist())) == 20
    assert (np.diff(places) > 0).all()
    assert places.tolist() == training_places(50, 20, seed=3).tolist() != training_places(50, 20, seed=4).tolist()
    images, labels = training_images(split, 20, seed=3)
    assert (images[:, 0, 0, 0].tolist(), labels.tolist()) == (places.tolist(), split.labels[places].tolist())
    for wanted in (None, 50, 99):
        assert training_places(50, wanted, 0).tolist() == list(range(50))
        assert np.shares_memory(training_images(split, wanted, 0)[0], split.images)


def test_a_content_digest_changes_with_every_part() -> None:
    array = np.arange(6, dtype=np.uint8)
    parts = [(array,), (array.astype(np.int8),), (array.reshape(2, 3),), (array[::-1],), (array, array)]
    assert len({content_digest(*each) for each in parts} | {content_digest(array, names=("a",))}) == 6


@given(st.lists(st.integers(1, 9), min_size=2, max_size=5), st.integers(1, 60))
def test_a_sample_is_shared_evenly_and_decided_by_the_seed(sizes: list[int], images: int) -> None:
    split = dataset_of(sizes).train
    places = preview_places(split, images, seed=0)
    taken = [len(each) for each in places]
    assert all((split.labels[each] == label).all() and len(set(each)) == len(each) for label, each in enumerate(places))
    assert sum(taken) == min(images, sum(sizes))
    unfilled = [count for count, total in zip(taken, sizes, strict=True) if count < total]
    assert not unfilled or max(taken) - min(unfilled) <= 1
    drawn = [preview_places(dataset_of([50, 50]).train, 8, seed)[0].tolist() for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
