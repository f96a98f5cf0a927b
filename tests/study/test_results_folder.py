"""The one reader and writer of a run's folder: what is put in comes out, and damage is noticed."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mri_robust.core.errors import UserError
from mri_robust.evaluation.rows import figure, share, tidy
from mri_robust.study.results_folder import ResultsFolder

ABOUT = {"model": "cnn_clean", "seed": 42}
RESULT = {"rows": [figure("auc", 0.1 + 0.2, share=0.05, printed=None)], "artefacts": {"sheet": [[1, "ä"]]}}


@pytest.fixture
def folder(tmp_path: Path) -> ResultsFolder:
    return ResultsFolder(tmp_path / "results")


def test_a_result_comes_back_as_it_was_and_takes_the_place_of_a_failure(folder: ResultsFolder) -> None:
    assert folder.get("a") is None
    folder.put_failure("a", "RuntimeError: no", "Traceback ...", ABOUT)
    assert folder.get("a") is None
    failure = json.loads((folder.evaluations / "a.failed.json").read_text())
    assert failure == {"about": ABOUT, "error": "RuntimeError: no", "traceback": "Traceback ..."}
    assert folder.put("a", RESULT, ABOUT) == folder.get("a") == RESULT
    assert [path.name for path in folder.evaluations.iterdir()] == ["a.json"]
    with pytest.raises(ValueError, match="JSON"):
        folder.put("b", {"rows": [figure("auc", float("nan"))], "artefacts": {}}, ABOUT)
    folder.drop("a")
    assert folder.get("a") is folder.get("b") is None
    assert folder.notices == []


@pytest.mark.parametrize("place", [0, 20, 60, 100, -20])
def test_a_changed_byte_is_noticed_and_the_file_set_aside(folder: ResultsFolder, place: int) -> None:
    folder.put("a", RESULT, ABOUT)
    path = folder.evaluations / "a.json"
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    assert folder.get("a") is None
    assert [path.name for path in folder.evaluations.iterdir()] == ["a.json.damaged"]
    assert len(folder.notices) == 1


def test_a_table_comes_back_with_its_types(folder: ResultsFolder) -> None:
    rows = [
        share(np.array([True, False, True]), "accuracy", attack="fgsm", epsilon=4 / 255, steps=None, threshold="0.5"),
        figure("threshold", 0.1 + 0.2, experiment="x", seed=42, model="NA", share=0.1, printed="0.10", steps=5),
    ]
    table = tidy(rows)
    folder.write_table("x", table)
    found = folder.table("x")
    assert list(found.columns) == list(table.columns)
    assert found["value"].tolist() == [2 / 3, 0.1 + 0.2]
    assert found["epsilon"].iloc[0] == 4 / 255
    assert found[["model", "weights", "class", "printed", "threshold"]].to_numpy().tolist() == [
        ["", "", "", "", "0.5"],
        ["NA", "", "", "0.10", ""],
    ]
    assert [str(found[name].dtype) for name in ("seed", "steps", "n")] == ["Int64"] * 3
    assert found["steps"].isna().tolist() == [True, False]
    assert found["share"].isna().tolist() == [True, False]
    folder.write_table("again", found)
    pd.testing.assert_frame_equal(folder.table("again"), found)


def test_what_is_absent_or_damaged_is_named(folder: ResultsFolder) -> None:
    for read in (folder.table, folder.json):
        with pytest.raises(UserError, match=r"run\.(csv|json)|run the same command"):
            read("run")
    folder.write_json("run", {"a": 1})
    assert folder.json("run") == {"a": 1}
    for text in ("", "[1]", "{", "[" * 100_000):
        (folder.path / "run.json").write_text(text)
        with pytest.raises(UserError, match="run mri-robust"):
            folder.json("run")


def test_artefacts_are_found_by_what_their_evaluation_is_about(folder: ResultsFolder) -> None:
    listed = []
    for number, (protocol, artefacts) in enumerate((("sound", {"roc": [1]}), ("paper", {"roc": [2]}), ("sound", {}))):
        folder.put(str(number), {"rows": [], "artefacts": artefacts}, {})
        listed.append({"digest": str(number), "experiment": "x", "protocol": protocol})
    listed.append({"digest": "gone", "experiment": "x", "protocol": "sound"})
    folder.write_json("run", {"evaluations": listed})
    assert [data for _, data in folder.artefacts("roc")] == [[1], [2]]
    assert [(labels["digest"], data) for labels, data in folder.artefacts("roc", protocol="paper")] == [("1", [2])]
    assert list(folder.artefacts("roc", experiment="y")) == []
