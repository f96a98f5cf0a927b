"""Images listed in a table, and arrays in one NumPy file: read as the folder they stand for, or refused in one line."""

import io
import itertools
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mri_robust.data.dataset import load_dataset


def table(folder: Path, text: str | bytes) -> str:
    (folder / "t.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return f"csv:{folder / 't.csv'}"


@pytest.mark.parametrize(("comma", "start", "end"), [(",", "", "\n"), (";", "\ufeff", "\r\n"), ("\t", "", "\n\n")])
@pytest.mark.parametrize("split", [("train", "test"), ("Training", "TESTING"), ("train", "valid")])
def test_a_table_is_read_as_the_folder_it_lists(comma, start, end, split, make_folder, sound) -> None:
    folder, lines = make_folder(sound), [["Path", " LABEL", "split", "age"]]
    for name in reversed(sound):
        part, label, _ = name.split("/")
        lines.append([f"./{name}", f" {label}", split[part == "Testing"], "40"])
    text = start + end.join(comma.join(cells) for cells in lines)
    expected, found = load_dataset(folder, size=16), load_dataset(table(folder, text), size=16)
    for one, other in ((expected.train, found.train), (expected.test, found.test)):
        assert (one.names, one.labels.tolist()) == (other.names, other.labels.tolist())
        np.testing.assert_array_equal(one.images, other.images)
    assert (found.name, found.classes) == ("t.csv", expected.classes)
    relabelled = load_dataset(table(folder, text.replace("notumor" + comma, "sound" + comma)), size=16)
    assert len({expected.digest, found.digest, relabelled.digest}) == 3


def test_a_table_without_splits_is_divided_by_patient_and_one_with_both_says_who_is_in_both(make_folder, sound) -> None:
    folder, names = make_folder(sound), sorted(sound)
    lines = [f"{name},{name.split('/')[1]},p{number // 2}" for number, name in enumerate(names)]
    source = table(folder, "\n".join(["path,label,patient", *lines]))
    found = load_dataset(source, size=16, split=0.4)
    people = [{names.index(name) // 2 for name in split.names} for split in (found.train, found.test)]
    assert not people[0] & people[1]
    assert any("by patient" in note for note in found.notes)
    halves = [f"{line},{'train' if number % 2 else 'test'}" for number, line in enumerate(lines)]
    found = load_dataset(table(folder, "\n".join(["path,label,patient,split", *halves])), size=16)
    assert any("patients" in note for note in found.notes)


HEAD = "path,label,split\n"
BAD_TABLES = [
    ("", "'path'"),
    ("file,label\nx.png,a\n", "'path'"),
    ("path,class\nx.png,a\n", "'label'"),
    ("path,path,label\n1,2,3\n", "two columns 'path'"),
    (HEAD, "empty"),
    (HEAD + "a.png,a,train\na.png,b,test\n", "line 3.*line 2"),
    (HEAD + "a.png,,train\n", "line 2 has no label"),
    (HEAD + "\n,a,train\n", "line 3 has no path"),
    (HEAD + "a.png,a,fold1\n", "fold1"),
    (HEAD + "a.png,a,train\nb.png,b,test\n", "class 'b' has no images in Training"),
    (HEAD + "".join(f"{c}{s}.png,{c},{s}\n" for c in "ab" for s in ("train", "test")), "No such file|no such file"),
    ("path,label\na.png,a\nb.png,b\n", "--split 0.2"),
    (b"\xff\xfe\x00", "UTF-8|'path'|text"),
    (b"path,label\n\xe9,a\n", "UTF-8"),
    (HEAD + "".join(f"{c}{s}\0.png,{c},{s}\n" for c in "ab" for s in ("train", "test")), "null"),
    ("path,label\n" + '"' + "x" * 200_000, "can be read"),
]


@pytest.mark.parametrize(("text", "says"), BAD_TABLES)
def test_a_wrong_table_is_refused_in_one_line_that_says_where(text, says, tmp_path, refusal) -> None:
    said = refusal(table(tmp_path, text))
    assert re.search(says, said), said
    assert len(said.splitlines()) == 1


def arrays(dtype: str = "u1", count: int = 12, most: int = 255) -> np.ndarray:
    values = np.random.default_rng(0).integers(0, most + 1, (count, 16, 16)).astype(dtype)
    values[0, 0, :2] = 0, most
    return values


def saved(folder: Path, **named: object) -> str:
    np.savez(folder / "a.npz", **named)
    return f"npz:{folder / 'a.npz'}"


LABELS = np.arange(12) % 2
SPLIT = np.array(["train"] * 8 + ["test"] * 4)
NAMES = [("train_images", "train_labels", "test_images", "test_labels"), ("x_train", "y_train", "x_test", "y_test")]


@pytest.mark.parametrize("names", [None, *NAMES])
@pytest.mark.parametrize("axes", ["NHW", "NHWC", "NCHW", "NHW3", "N3HW"])
def test_arrays_are_read_whatever_they_are_called_and_wherever_their_channels_lie(names, axes, tmp_path) -> None:
    plain, images = arrays(), arrays()
    images = {"NHWC": images[..., None], "NCHW": images[:, None]}.get(axes, images)
    images = {"NHW3": images[..., None].repeat(3, 3), "N3HW": images[:, None].repeat(3, 1)}.get(axes, images)
    parts = (images[:8], LABELS[:8, None], images[8:], LABELS[8:, None])
    named = dict(zip(names, parts, strict=True)) if names else {"images": images, "labels": LABELS, "split": SPLIT}
    found = load_dataset(saved(tmp_path, classes=["glioma", "healthy"], **named), size=16)
    assert (found.classes, found.healthy, len(found.train), len(found.test)) == (("glioma", "healthy"), (1,), 8, 4)
    order = np.argsort(LABELS[:8], kind="stable")
    np.testing.assert_array_equal(found.train.images[:, 0], plain[:8][order])
    assert found.train.labels.tolist() == LABELS[:8][order].tolist()
    smaller = load_dataset(saved(tmp_path, **named), size=8, channels="rgb")
    assert (smaller.classes, smaller.test.images.shape) == (("0", "1"), (4, 3, 8, 8))
    picture = Image.fromarray(plain[8]).resize((8, 8), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(smaller.test.images[0, 1], np.asarray(picture))


SCALES = [("u2", 65535, 65535, ""), ("u2", 4095, 4095, "4095"), ("i4", 3000, 4095, "4095"), ("i8", 255, 255, "")]
SCALES += [("f4", 255, 255, ""), ("f8", 1, 1, "0-1"), ("?", 1, 1, "0-1")]


@pytest.mark.parametrize(("dtype", "most", "white", "says"), SCALES)
def test_numbers_of_other_types_are_scaled_and_said_so(dtype, most, white, says, tmp_path) -> None:
    images = arrays(dtype, most=most) if dtype != "f8" else np.random.default_rng(1).random((12, 16, 16))
    found = load_dataset(saved(tmp_path, images=images, labels=LABELS.astype(float), split=SPLIT), size=16)
    order = np.argsort(LABELS[:8], kind="stable")
    np.testing.assert_allclose(found.train.images[:, 0], images[:8][order] * (255.0 / white), atol=0.5 + 1e-9)
    assert (says in " ".join(found.reading), bool(found.reading)) == (True, bool(says))


def test_arrays_without_a_split_are_divided_by_patient(tmp_path, refusal) -> None:
    source = saved(tmp_path, images=arrays(), labels=np.array(["a", "b"] * 6), patient=np.arange(12) // 4)
    assert "--split 0.2" in refusal(source)
    found = load_dataset(source, size=16, split=0.4)
    people = [{int(name) // 4 for name in split.names} for split in (found.train, found.test)]
    assert (people[0] & people[1], found.classes) == (set(), ("a", "b"))


WRONG = [
    ({}, "name the arrays"),
    ({"pictures": arrays()}, "pictures"),
    ({"images": arrays(), "labels": LABELS[:5]}, "go together"),
    ({"images": arrays(), "labels": np.eye(12)}, "go together"),
    ({"images": arrays()[0], "labels": LABELS}, "go together|must be"),
    ({"images": arrays()[..., :2, None].repeat(5, 3), "labels": LABELS}, "N, H, W, C"),
    ({"images": arrays("f4") - 3, "labels": LABELS}, "fixed white"),
    ({"images": np.full((12, 9, 9), np.nan), "labels": LABELS}, "NaN"),
    ({"images": arrays("i8") * 10**6, "labels": LABELS}, "fixed white"),
    ({"images": arrays("U3"), "labels": LABELS}, "numbers"),
    ({"images": arrays(), "labels": LABELS - 1}, "whole numbers"),
    ({"images": arrays(), "labels": LABELS + 0.5}, "whole numbers"),
    ({"images": arrays(), "labels": LABELS, "classes": ["only"]}, "2 different names"),
    ({"images": arrays(), "labels": LABELS, "split": SPLIT[:3]}, "split"),
    ({"images": arrays(), "labels": LABELS, "split": LABELS}, "train, test or val"),
    ({"images": arrays(), "labels": LABELS * 0, "split": SPLIT}, "only the class '0'"),
    ({"images": arrays(), "labels": np.array([{}] * 12)}, "pickled"),
]


@pytest.mark.parametrize(("named", "says"), WRONG)
def test_wrong_arrays_are_refused_in_one_line_that_names_them(named, says, tmp_path, refusal) -> None:
    said = refusal(saved(tmp_path, **named))
    assert re.search(says, said), said


def test_what_is_no_file_of_arrays_is_refused(tmp_path, refusal) -> None:
    good = Path(saved(tmp_path, images=arrays(), labels=LABELS, split=SPLIT).removeprefix("npz:")).read_bytes()
    for place, damaged in enumerate((b"", b"x" * 99, good[:-40], good[: len(good) // 2], b"PK\x05\x06" + bytes(18))):
        (tmp_path / f"{place}.npz").write_bytes(damaged)
        assert "npz" in refusal(tmp_path / f"{place}.npz")
    bomb, header = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (2**31,)})
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("images.npy", "w") as member:
        for block in itertools.chain([header.getvalue()], itertools.repeat(bytes(2**24), 70)):
            member.write(block)
    (tmp_path / "bomb.npz").write_bytes(bomb.getvalue())
    assert "unsafe" in refusal(tmp_path / "bomb.npz")
    for text in (f"npz:{tmp_path}", f"npz:{tmp_path}/no", f"csv:{tmp_path}", "csv:", "npz:", f"csv:{tmp_path}/no"):
        assert "'" in refusal(text)
