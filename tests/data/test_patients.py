"""Whose images they are: by a table, by the data or by DICOM files; nobody's name is printed or kept."""

import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from medical_files import dicom

from mri_robust.cli import main
from mri_robust.core.errors import UserError
from mri_robust.data.dataset import Dataset, Split, load_dataset
from mri_robust.data.versions import CLASSES


def table(folder: Path, rows: list[tuple[str, str]], header: tuple[str, ...] = ("file", "patient")) -> Path:
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    (folder / "groups.csv").write_text(text.getvalue())
    return folder / "groups.csv"


def people_of(dataset: Dataset, rows: list[tuple[str, str]]) -> None:
    """The patients of a data set are those of the rows, whatever their numbers."""
    named, given = dict(rows), (*dataset.train.patients, *dataset.test.patients)
    pairs = {*zip(given, (named[name] for name in (*dataset.train.names, *dataset.test.names)), strict=True)}
    assert len(pairs) == len({*given}) == len({*named.values()})


ROWS = [
    (f"{split}/{label}/{index}.png", f"{label}-{index // (1 + (split == 'Testing'))}")
    for split, count in (("Training", 3), ("Testing", 2))
    for label in ("glioma", "notumor")
    for index in range(count)
]


@pytest.mark.parametrize("pack", ["make_folder", "make_zip"])
def test_a_table_says_whose_images_these_are_and_who_is_in_both_splits(pack, sound, request, tmp_path) -> None:
    source = request.getfixturevalue(pack)(sound)
    found = load_dataset(source, size=16, groups=table(tmp_path, ROWS))
    people_of(found, ROWS)
    assert any("2 patients have training images and 4 of the 4 test images" in note for note in found.notes)
    assert "2 patients, 2 slices each" in found.intervals
    plain = load_dataset(source, size=16)
    assert (plain.digest, plain.intervals, plain.test.whose().tolist()) == (found.digest, "", [0, 1, 2, 3])


def test_a_file_may_be_called_by_the_end_of_its_name(make_folder, sound, tmp_path) -> None:
    files = {name.replace(".png", f"-{name[:2]}.png"): content for name, content in sound.items()}
    rows = [(name.replace(".png", f"-{name[:2]}.png"), who) for name, who in ROWS]
    short = [
        ("\\".join(name.split("/")[number % 2 + 1 - number % 2 :]), who) for number, (name, who) in enumerate(rows)
    ]
    people_of(load_dataset(make_folder(files), size=16, groups=table(tmp_path, short)), rows)


NAMED = ROWS[:-1]
BAD = [
    ([*ROWS, ("x.png", "p"), ("Testing/y.png", "q")], r"2 files that the data lack: x.png, Testing/y.png"),
    (ROWS[:-5], r"leaves out 5 images of the data: Testing/.*, \.\.\."),
    ([*NAMED, ("x.png", "p")], "1 file that the data lack: x.png and leaves out 1 image"),
    ([*ROWS, (ROWS[2][0], "p")], "line 12: .* has another patient in line 4"),
    ([("0.png", "p"), *ROWS], "line 2: 4 images are called '0.png': give the folders too"),
    ([*NAMED, (ROWS[-1][0], " ")], "line 11 has no patient"),
    ([(name, "one") for name, _ in ROWS], "all test images are of one patient"),
    ([], "is empty"),
]


@pytest.mark.parametrize(("rows", "says"), BAD)
def test_a_wrong_table_is_refused_in_one_line(rows, says, make_folder, sound, tmp_path) -> None:
    with pytest.raises(UserError, match=says) as caught:
        load_dataset(make_folder(sound), size=16, groups=table(tmp_path, rows))
    assert len(str(caught.value).splitlines()) == 1


def test_a_wrong_header_and_data_that_are_no_dicom_files_are_refused(make_folder, sound, tmp_path) -> None:
    folder = make_folder(sound)
    for groups, says in (
        (table(tmp_path, ROWS, ("file", "person")), "no column 'patient'"),
        (tmp_path / "none.csv", "cannot read"),
        ("dicom", "10 images of .* without a DICOM header that names a patient"),
    ):
        with pytest.raises(UserError, match=says):
            load_dataset(folder, size=16, groups=groups)
    with pytest.raises(UserError, match="no DICOM files"):
        load_dataset("phantom:train=8,test=8", size=16, groups="dicom")


def test_the_same_line_twice_and_lines_on_validation_images_do_no_harm(make_folder, sound, tmp_path) -> None:
    more = {name.replace("Testing", "Validation"): content for name, content in sound.items() if "Testing" in name}
    rows = [*ROWS, ROWS[0], *((name, "somebody") for name in more)]
    people_of(load_dataset(make_folder(sound | more), size=16, groups=table(tmp_path, rows)), ROWS)


def test_patients_of_a_table_stay_together_when_the_data_are_divided(make_folder, sound, tmp_path) -> None:
    files = {f"{name.split('/')[1]}/{name[:2]}{name[-5:]}": content for name, content in sound.items()}
    rows = [(name, name.split("/")[0] + str(int(name[-5]) % 2)) for name in files]
    found = load_dataset(make_folder(files), size=16, split=0.4, groups=table(tmp_path, rows))
    people_of(found, rows)
    assert not {*found.train.patients} & {*found.test.patients}


def slices(people: int) -> dict[str, bytes]:
    """Four slices of each patient, half of them for testing."""
    pixels = np.random.default_rng(0).integers(0, 4000, (people, 4, 16, 16)).astype(np.uint16)
    return {
        f"{('Training', 'Testing')[at % 2]}/{('glioma', 'notumor')[at // 2]}/{who}.dcm": dicom(
            pixels[who, at], PatientID=f"NAME{who}", PatientName=f"NAME{who}"
        )
        for who in range(people)
        for at in range(4)
    }


def test_patients_of_dicom_files_are_told_apart_and_nowhere_named(make_folder, cache, tmp_path) -> None:
    folder = make_folder(slices(4))
    found = load_dataset(folder, size=16, groups="dicom")
    people_of(found, [(name, Path(name).stem) for name in (*found.train.names, *found.test.names)])
    out = tmp_path / "out"
    how = ["--data", str(folder), "--groups", "dicom"]
    asked = CliRunner(env={"COLUMNS": "200"}).invoke(main, ["data", "audit", *how, "--out", str(out)])
    assert asked.exit_code == 0, asked.output
    assert "4 patients, 4 slices each" in asked.output
    assert (out / "audit.csv").read_text().count("patient,test,") == 8
    kept = [path.read_bytes() for root in (out, cache) for path in root.rglob("*") if path.is_file()]
    assert len(kept) > 2
    assert not any(b"NAME" in content for content in [asked.output.encode(), *kept])
    with pytest.raises(UserError, match=r"1 image of .* without"):
        load_dataset(make_folder({"Testing/glioma/9.dcm": dicom(np.ones((9, 9), np.uint8), PatientID=None)}), **GROUPS)


GROUPS: dict = {"size": 16, "groups": "dicom"}
COUNTS = {1: ((1321, 1339, 1595, 1457), (300, 306, 405, 300)), 2: ((1400,) * 4, (400,) * 4)}


@pytest.mark.parametrize("version", COUNTS)
def test_versions_of_kaggles_set_are_told_by_their_counts(version: int) -> None:
    def said(*counts: tuple[int, ...], classes: tuple[str, ...] = CLASSES) -> list[str]:
        labels = [np.repeat(np.arange(4), each) for each in counts]
        parts = [Split(np.zeros((len(each), 1, 8, 8), np.uint8), each, ("",) * len(each)) for each in labels]
        notes = Dataset("", *parts, classes, "").notes
        return [found[0] for note in notes if (found := re.search("version [0-9]", note))]

    train, test = COUNTS[version]
    assert said(train, test) == [f"version {version}"]
    assert said(train, (*test[:3], test[3] - 1)) == said((train[0] - 1, *train[1:]), test) == []
    assert said(train, test, classes=("a", "b", "c", "d")) == []
