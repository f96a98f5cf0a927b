"""Names alone decide what is read; only a name that says nothing has its file asked."""

import itertools
import unicodedata

import numpy as np
import pytest
from medical_files import dicom, nifti

from mri_robust.core.errors import UserError
from mri_robust.data.dataset import healthy_classes, load_dataset
from mri_robust.data.decode import is_image, kind_of
from mri_robust.data.division import Division
from mri_robust.data.layout import arrange
from mri_robust.data.scans import read_scans

SOUND = ["Training/a/1.png", "Training/b/2.png", "Testing/a/3.png", "Testing/b/4.png"]
SLICE = dicom(np.arange(64, dtype=np.uint8).reshape(8, 8))


def test_images_are_found_below_their_classes_and_what_is_skipped_is_counted() -> None:
    layout = arrange(["Training/b a/2.png", "Training/b/1.png", "Testing/b/1.JPG", "Testing/b a/9.png"], "here")
    assert (layout.classes, layout.train) == (("b", "b a"), ("Training/b/1.png", "Training/b a/2.png"))
    assert (layout.test, layout.skipped) == (("Testing/b/1.JPG", "Testing/b a/9.png"), {})
    extra = ["Training/.DS_Store", "Training/a/._1.png", "Thumbs.db", "Testing/b/notes.txt", "Training/stray.png"]
    layout = arrange([*SOUND[::-1], *extra, "Validation/a/1.png", "Training/a/deep/er/1.png"], "here")
    assert layout.skipped == {"hidden": 3, "not an image": 1, "outside the classes": 1, "validation": 1}
    assert (layout.train, layout.test) == ((SOUND[0], "Training/a/deep/er/1.png", SOUND[1]), tuple(SOUND[2:]))
    layout = arrange([*(f"set/{name.lower()}" for name in SOUND), "__MACOSX/set/training/a/._1.png", "x.txt"], "here")
    assert (layout.root, layout.classes, layout.train[0]) == ("set/", ("a", "b"), "training/a/1.png")
    assert layout.skipped == {"hidden": 1, "not an image": 1}


WRONG = [
    ([], "empty"),
    (["Training/", "Training/a/"], "empty"),
    (SOUND[:2], "'Testing'"),
    (["x/y/z.png"], "'Training'"),
    ([*SOUND, "training/a/1.png"], "both 'Training' and 'training'"),
    ([*SOUND, "Training/c/1.png"], "class 'c' .* in Testing"),
    ([*SOUND, "Testing/c/1.png"], "class 'c' .* in Training"),
    ([*SOUND, "Testing/c/"], "class 'c' .* in Training"),
    ([*SOUND, "Training/c/1.csv", "Testing/c/1.csv"], "class 'c' .* in Training"),
    (["Training/a/1.png", "Testing/a/1.png"], "only the class 'a'"),
    (["Training/1.png", "Testing/1.png"], "no class"),
    ([f"{top}{name}/1.png" for top in ("", "x/") for name in ("yes", "no")], "--split"),
    ([f"x/y/{name}/1.png" for name in ("yes", "no", "maybe")], "classes maybe, no, yes.*--split 0.2"),
    (["x/1.png"], "'Training'"),
    ([f"{root}/{name}" for root in "xy" for name in SOUND], "several"),
]


@pytest.mark.parametrize(("listing", "says"), WRONG)
def test_a_wrong_layout_is_named(listing: list[str], says: str) -> None:
    with pytest.raises(UserError, match=says):
        arrange(listing, "here")


SPELLED = [("train", "test"), ("Train", "TEST"), ("TRAINING", "testing"), ("training_set", "test_set")]
SPELLED += [("train", "val"), ("Training", "Validation"), ("train data", "Valid"), ("Train-Images", "Test-Images")]


@pytest.mark.parametrize("around", ["", "archive/", "a/Brain-Tumor-master/"])
@pytest.mark.parametrize(("train", "test"), SPELLED)
def test_splits_as_people_call_them_are_found_below_up_to_two_folders(train: str, test: str, around: str) -> None:
    usual = arrange(SOUND, "here")
    named = [name.replace("Training", train).replace("Testing", test) for name in SOUND]
    layout = arrange([*(around + name for name in named), f"{around}readme.txt"], "here")
    assert (layout.root, layout.classes, [*layout.train, *layout.test]) == (around, usual.classes, named)
    assert any("validation" in note for note in layout.notes) == test.lower().startswith("val")
    first = ["/".join(name.split("/")[place] for place in (1, 0, 2)) for name in named]  # <class>/<split>/
    layout = arrange([around.removeprefix("a/") + name for name in first], "here")
    assert [(name, layout.labels[name]) for name in (*layout.train, *layout.test)] == [*zip(first, "abab", strict=True)]
    if "test" in test.lower():
        three = [*named, *(name.replace(test, "val") for name in named[2:])]
        layout = arrange(three, "here")
        assert ([*layout.train, *layout.test], layout.skipped) == (named, {"validation": 2})
        assert "validation" in layout.notes[0]


@pytest.mark.parametrize("name", ["méningiome", "Hirntumör", "ségment ô", "Å"])
def test_a_class_is_the_same_in_every_unicode_form(name: str, make_folder, sound) -> None:
    forms = [unicodedata.normalize(form, name) for form in ("NFC", "NFD")]
    for train, test in itertools.product(forms, forms):
        layout = arrange([f"Training/{train}/1.png", f"Testing/{test}/1.png", *SOUND], "here")
        assert layout.classes == tuple(sorted(("a", "b", forms[0])))
        assert {layout.labels[f"Training/{train}/1.png"], layout.labels[f"Testing/{test}/1.png"]} == {forms[0]}
        assert healthy_classes((train, "b"), (test,)) == (1,)
    spelled = {path.replace("glioma", forms["Te" in path]): content for path, content in sound.items()}
    assert load_dataset(make_folder(spelled), size=8).classes == tuple(sorted((forms[0], "notumor")))


def test_a_test_set_alone_and_leftovers_and_copies(make_folder, sound, refusal) -> None:
    alone = make_folder({name: data for name, data in sound.items() if "Test" in name})
    dataset = load_dataset(alone, size=8, channels="rgb", need_training=False)
    assert (dataset.train.images.shape, len(dataset.test), dataset.size) == ((0, 3, 8, 8), 4, 8)
    assert "Training" in refusal(alone)
    leftovers = ["__MACOSX/Training/a/._1.png", "Training/a/Thumbs.db", "Training/.ipynb_checkpoints/1.png"]
    leftovers += ["$RECYCLE.BIN/train/a/1.png", "Training/a/@eaDir/1.png", "Testing/desktop.ini", ".git/test/x/1.png"]
    layout = arrange([*SOUND, *leftovers], "here")
    assert (layout.classes, len(layout.train), layout.skipped) == (("a", "b"), 2, {"hidden": len(leftovers)})
    twice = [f"{top}{kind}/{n}.png" for top in ("", "brain/") for kind in ("yes", "no") for n in range(4)]
    layout = arrange(twice, "here", division=Division(0.25))
    assert (len(layout.train), len(layout.test), layout.classes) == (6, 2, ("no", "yes"))
    assert "brain/" in layout.notes[0]


def test_only_a_name_that_says_nothing_has_its_file_asked() -> None:
    asked: list[str] = []
    taken = ["a/IM0001", "1.2.840.113619", "series.3/00017", "x.png", "x.dcm"]
    left = ["DICOMDIR", "a/dicomdir", "notes.txt", "x.csv", "x.h5"]
    found = [is_image(name, lambda name: asked.append(name) or SLICE[:132]) for name in taken + left]
    assert found == [True] * 5 + [False] * 5
    assert asked == taken[:3]
    assert not is_image("README", lambda name: b"Read me, DICM" * 20)
    assert not is_image("short", lambda name: b"DICM")
    kinds = {"a/b.JPG": "picture", "x.dcm": "dicom", "MR.IMA": "dicom", "x.NII.gz": "nifti", "x.gz": "", "IM0001": ""}
    assert {name: kind_of(name) for name in kinds} == kinds


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_slices_without_a_suffix_are_found(kind: str, make_folder, make_zip, sound) -> None:
    more = {"IM0009": SLICE, "README": b"text" * 50, "DICOMDIR": SLICE, "s.nii": nifti(np.eye(8))}
    files = sound | {f"Training/glioma/{name}": content for name, content in more.items()}
    source = (make_folder if kind == "folder" else make_zip)(files)
    dataset = load_dataset(source, size=8)
    assert {"Training/glioma/IM0009", "Training/glioma/s.nii"} < set(dataset.train.names)
    assert dataset.skipped == {"not an image": 2}
    scans = read_scans(source, size=8, channels="grey", leave_out=source / "Testing/glioma/0.png")
    assert len(scans.names) == len(sound) + 1
    expected = np.rint(np.arange(64) * (255 / 63)).reshape(8, 8)
    np.testing.assert_array_equal(scans.images[scans.names.index("Training/glioma/IM0009"), 0], expected)


def test_scans_are_found_however_deep_and_bad_ones_left_out_only_when_asked(make_folder, sound) -> None:
    good = sound["Training/glioma/0.png"]
    root = make_folder({"a/b/c/d/e.png": good, ".x/f.png": good, "bad.png": b"words", "notes.txt": b"", ".g.png": good})
    with pytest.raises(UserError, match=r"bad\.png"):
        read_scans(root, size=8, channels="rgb")
    scans = read_scans(root, size=8, channels="rgb", skip_unreadable=True)
    assert (scans.names, scans.images.shape) == (("a/b/c/d/e.png",), (1, 3, 8, 8))
    assert scans.skipped == {"hidden": 1, "not an image": 1, "unreadable": 1}
    assert read_scans(root / ".g.png", size=8, channels="grey").names == (".g.png",)
    (root / ".x/f.png").unlink()
    for name, reason in (("nowhere", "exist"), ("bad.png", "not an image"), (".x", "no images")):
        with pytest.raises(UserError, match=reason):
            read_scans(root / name, size=8, channels="grey", skip_unreadable=True)
