"""The whole audit on data whose faults are planted, and the phantom, which has none."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mri_robust.data.audit.features import grey, has_colour, measure
from mri_robust.data.audit.file_facts import file_facts
from mri_robust.data.audit.full import Audit, audit
from mri_robust.data.audit.giveaways import TOGETHER, class_accuracies, split_aucs
from mri_robust.data.dataset import Dataset, Split, load_dataset
from mri_robust.data.phantom import draw

Maker = Callable[..., Path]
SIDE = 48
CLASSES = ("glioma", "notumor")
SLICES = [np.repeat(draw(7, "train", index, SIDE)[0][None], 3, axis=0) for index in range(28)]


def split_of(images: list[np.ndarray], labels: list[int], name: str) -> Split:
    names = tuple(f"{name}/{CLASSES[label]}/{index}.png" for index, label in enumerate(labels))
    return Split(np.stack(images), np.array(labels, dtype=np.int64), names)


def dataset_of(train: list[np.ndarray], test: list[np.ndarray], labels: tuple[list[int], list[int]] | None = None):
    labels = labels or ([i % 2 for i in range(len(train))], [i % 2 for i in range(len(test))])
    splits = split_of(train, labels[0], "Training"), split_of(test, labels[1], "Testing")
    return Dataset("planted", *splits, CLASSES, "0" * 16)


def audited(train: list[np.ndarray], test: list[np.ndarray], labels: tuple[list[int], list[int]] | None = None):
    return audit(dataset_of(train, test, labels))


def of_kind(found: Audit, kind: str) -> pd.DataFrame:
    return found.findings[found.findings["kind"] == kind]


def test_the_phantom_has_nothing_to_find() -> None:
    found = audit(load_dataset("phantom:train=48,test=24", size=112, channels="rgb"))
    assert not len(found.findings)
    assert (found.duplicates == 0).all(axis=None)
    assert (found.images["twin"] == "").all()
    assert found.counts.to_numpy().tolist() == [[12, 6]] * 4
    assert found.majority == 0.25


REAL = os.environ.get("MRI_ROBUST_REAL_DATA")


@pytest.mark.skipif(not REAL, reason="MRI_ROBUST_REAL_DATA does not name the archive of the study's data")
def test_the_real_archive_has_its_known_faults() -> None:
    found = audit(load_dataset(REAL or "", size=224, channels="rgb"))
    assert found.duplicates.loc["pixel for pixel", ["repeats_train", "repeats_test", "seen"]].tolist() == [207, 30, 216]
    coloured = of_kind(found, "colour")
    assert (len(coloured), set(coloured["class"])) == (106, {"notumor"})
    # Counted apart from this code at 128 pixels, by plain correlation from .98 to .995, flips included: always 992.
    assert found.duplicates.loc["near, flips too", "seen"] == pytest.approx(992, abs=3)
    assert len(of_kind(found, "label conflict")) == 4


@settings(max_examples=8)
@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 15), st.integers(0, 11))
def test_every_planted_copy_counts_once(in_train: int, in_test: int, source: int, tested: int) -> None:
    train, test = SLICES[:16], SLICES[16:]
    copies = [train[source]] * in_train, [test[tested]] * in_test + [train[source]] * bool(in_test)
    found = audited(train + copies[0], test + copies[1]).duplicates
    for _, row in found.iterrows():
        assert row["repeats_train"] == in_train
        assert row["repeats_test"] == in_test
        assert row["seen"] == bool(in_test)
        assert row["groups"] == bool(in_train) + 2 * bool(in_test) - bool(in_train and in_test)


def test_how_alike_the_twin_in_training_is_stands_beside_every_test_image() -> None:
    brighter = np.clip(SLICES[1].astype(int) + 3, 0, 255).astype(np.uint8)
    found = audited(SLICES[:8], [SLICES[0], brighter, SLICES[2][:, :, ::-1], SLICES[20]])
    tested = found.images[found.images["split"] == "test"]
    assert tested["twin"].tolist() == ["pixel for pixel", "near, upright", "near, flips too", ""]
    assert found.duplicates["seen"].tolist() == [1, 2, 3]
    assert tested["group"].tolist()[:3] == found.images["group"].tolist()[:3]
    assert found.images.query("split == 'test' and twin == ''")["file"].tolist() == ["Testing/notumor/3.png"]
    near = of_kind(found, "near")
    assert near["distance"].is_monotonic_increasing
    assert near.sort_values("file")[["file", "other_file", "flip"]].to_numpy().tolist() == [
        ["Training/glioma/2.png", "Testing/glioma/2.png", "left-right"],
        ["Training/notumor/1.png", "Testing/notumor/1.png", ""],
    ]


def test_one_picture_in_two_classes_is_a_conflict() -> None:
    darker = (SLICES[1] * 0.7).astype(np.uint8)
    found = audited([*SLICES[:4], darker], [SLICES[3], SLICES[9]], ([0, 0, 1, 1, 1], [0, 1]))
    conflicts = of_kind(found, "label conflict").sort_values("distance")
    assert conflicts[["file", "other_file", "class", "other_class"]].to_numpy().tolist() == [
        ["Training/notumor/3.png", "Testing/glioma/0.png", "notumor", "glioma"],
        ["Training/glioma/1.png", "Training/notumor/4.png", "glioma", "notumor"],
    ]
    assert (len(of_kind(found, "exact")), len(of_kind(found, "near"))) == (1, 1)


def test_coloured_and_framed_images_are_listed_with_their_class() -> None:
    tinted = SLICES[0].copy()
    tinted[2, 5, 5] += 1
    framed = SLICES[1].copy()
    framed[:, 0] = 255
    found = audited([tinted, *SLICES[2:8]], [framed, *SLICES[8:12]])
    assert of_kind(found, "colour")[["file", "class"]].to_numpy().tolist() == [["Training/glioma/0.png", "glioma"]]
    assert of_kind(found, "frame")[["split", "file"]].to_numpy().tolist() == [["test", "Testing/glioma/0.png"]]
    assert found.by_class["colour"].tolist() == [pytest.approx(1 / 7), 0]
    assert found.by_split["frame"].tolist() == [0, 0.2]


# --- features --------------------------------------------------------------------------------------


def test_grey_is_pillows() -> None:
    image = np.random.default_rng(0).integers(0, 256, (3, 20, 20), dtype=np.uint8)
    theirs = np.asarray(Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).convert("L"))
    np.testing.assert_allclose(grey(image), theirs, atol=0.51)
    np.testing.assert_array_equal(grey(SLICES[0]), SLICES[0][0])
    assert has_colour(image)
    assert not has_colour(SLICES[0])
    assert not has_colour(SLICES[0][:1])


@pytest.mark.parametrize(
    ("edge", "frame"),
    [
        (np.full(28, 129), 1),
        (np.full(28, 17), 1),
        (np.full(28, 15), 0),
        (np.linspace(20, 90, 28), 0),
        (np.linspace(90, 200, 28), 1),
    ],
)
@pytest.mark.parametrize("turns", range(4))
def test_a_frame_is_a_bright_or_an_even_edge(edge: np.ndarray, frame: int, turns: int) -> None:
    image = np.zeros((28, 28), np.float32)
    image[0] = edge
    image[0, 0] = edge[0]
    assert measure(np.zeros((1, 28, 28), np.uint8), np.rot90(image, turns))["frame"] == frame


def test_features_are_those_worked_out_by_hand() -> None:
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, 0, 0] = 108  # a corner of one pixel; it lies on two edges
    image[0, 10, 10] = 76
    features = measure(image, grey(image))
    assert features["corners"] == 27
    assert features["border"] == pytest.approx(216 / 112)
    assert features["border_spread"] == pytest.approx(np.sqrt(2 * 108**2 / 112 - (216 / 112) ** 2))
    assert features["brightness"] == pytest.approx(184 / 784)


# --- what gives the class and the split away ----------------------------------------------------------


def test_a_class_in_white_frames_is_told_by_the_frame_alone() -> None:
    framed = [image.copy() for image in SLICES[:10]]
    for image in framed:
        image[:, [0, -1]] = 255
    found = audited(framed + SLICES[10:20], SLICES[20:], ([0] * 10 + [1] * 10, [i % 2 for i in range(8)]))
    accuracy = found.class_accuracy["accuracy"]
    assert accuracy["frame"] == accuracy[TOGETHER] == 1
    assert accuracy["colour"] == found.majority == 0.5
    assert found.by_class["frame"].tolist() == [10 / 14, 0]


def test_features_of_chance_tell_nothing_and_copies_are_not_remembered() -> None:
    generator = np.random.default_rng(0)
    group = np.repeat(np.arange(50), 10)
    features = pd.DataFrame({"noise": generator.random(50)[group]})
    labels = (np.arange(50) % 2)[group]
    apart = class_accuracies(features, ["noise"], labels, group)["accuracy"]
    remembered = class_accuracies(features, ["noise"], labels, np.arange(500))["accuracy"]
    assert 0.3 < apart["noise"] < 0.7
    assert remembered["noise"] > 0.85
    assert apart[TOGETHER] == apart["noise"]


def test_too_few_images_give_no_accuracy_and_no_error() -> None:
    found = audited([SLICES[0], SLICES[1]], [SLICES[2], SLICES[3]])
    assert np.isnan(found.class_accuracy.to_numpy()).all()
    assert np.isnan(audited(SLICES[:6], SLICES[9:10]).split_auc[TOGETHER])


def test_auc_is_one_for_a_feature_that_parts_the_splits_either_way_and_half_for_a_constant() -> None:
    is_test = np.arange(40) >= 25
    features = pd.DataFrame({"up": is_test * 1.0, "down": -1.0 * is_test, "same": np.ones(40)})
    aucs = split_aucs(features, ["up", "same"], is_test, np.arange(40))
    assert aucs.to_dict() == {"up": 1, "down": 1, "same": 0.5, TOGETHER: 1}


# --- files ---------------------------------------------------------------------------------------------


def picture(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((height, width), 7, np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["folder", "zip", "kaggle"])
def test_files_tell_their_sizes(
    make_folder: Maker, make_zip: Maker, sound: dict[str, bytes], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = sound | {"Training/glioma/wide.png": picture(31, 17), "Testing/glioma/bad.png": b"words"}
    source: Path | str = (make_zip if kind == "zip" else make_folder)({f"top/{name}": files[name] for name in files})
    if kind == "kaggle":
        hub = SimpleNamespace(dataset_download=lambda handle, folder=str(source): folder)
        monkeypatch.setitem(sys.modules, "kagglehub", hub)
        source = "kaggle"
    facts = file_facts(source)
    assert facts is not None
    assert facts.loc["Training/glioma/wide.png"].tolist() == [31, 17, len(picture(31, 17)) / 1000]
    assert facts.loc["Testing/glioma/bad.png"].isna().all()
    dataset = load_dataset(source, size=16, channels="rgb", skip_unreadable=True)
    found = audit(dataset, files=facts)
    assert of_kind(found, "unreadable")["file"].tolist() == ["Testing/glioma/bad.png"]
    assert found.skipped["unreadable"] == 1
    wide = found.images[found.images["file"] == "Training/glioma/wide.png"]
    assert wide[["width", "height"]].to_numpy().tolist() == [[31, 17]]
    with pytest.raises(ValueError, match="own source"):
        audit(dataset, files=facts.iloc[1:])


def test_a_phantom_has_no_files() -> None:
    assert file_facts("phantom") is None
