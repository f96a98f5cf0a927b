"""What a results folder stores, what can go from it, and what differs between two."""

import json

import numpy as np
import pandas as pd
import pytest
from a_run import BACKDOOR, PGD, experiment, fill, pgd_rows, row
from filelock import FileLock, Timeout
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from mri_robust.core.errors import UserError
from mri_robust.core.files import written_aside
from mri_robust.report.results import compare, removable, stored, while_nobody_runs
from mri_robust.study.results_folder import ResultsFolder

MADE = experiment("made", ("start",))


@pytest.fixture
def messy(folder):
    """A finished run with an older result and model, failures, damaged files and what was cut short."""
    folder.put("b" * 16, {"rows": [], "artefacts": {}}, {"experiment": "old", "model": "cnn_clean"})
    folder.put_failure("c" * 16, "RuntimeError: no", "Traceback", {"experiment": "pgd"})
    (folder.evaluations / f"{'d' * 16}.json").write_text("{")
    (folder.evaluations / f"{'e' * 16}.json.damaged").write_text("{")
    (folder.evaluations / "x.lock").touch()
    folder.models.mkdir()
    for name, data, whole in (("1", "d0", None), ("2", "d1", None), ("3.partial", "d0", None), ("4", "d0", -1)):
        content = save({"w": np.zeros(9)}, {"mri_robust": json.dumps({"data_digest": data})})
        (folder.models / f"cnn-{name}.safetensors").write_bytes(content[:whole])
    with written_aside(folder.path / "made.json") as aside:  # the writer's own name
        pass
    aside.write_text("cut")
    (folder.path / "made.json").unlink()
    return folder


def test_every_file_has_its_state_and_what_the_last_run_used(messy):
    found = {each["file"]: (each["state"], each["used"]) for each in stored(messy)}
    results = {f"evaluations/{place:016d}.json": ("ok", True) for place in range(4)}
    aside = next(name for name in found if name.startswith(".made.json"))
    others = {"b.json": ("ok", False), "c.failed.json": ("failed", None), "d.json": ("damaged", None)}
    others["e.json.damaged"] = ("damaged", None)
    results |= {f"evaluations/{name[0] * 16}{name[1:]}": state for name, state in others.items()}
    models = {"1": ("ok", True), "2": ("ok", False), "3.partial": ("partial", None), "4": ("damaged", None)}
    results |= {f"models/cnn-{name}.safetensors": state for name, state in models.items()}
    assert found == results | {aside: ("partial", None)}
    used = {each["experiment"] for each in stored(messy) if each["used"]}
    assert used == {"pgd", "backdoor", "snooping", "pipeline", ""}
    for each in stored(messy):
        assert each["bytes"] == (messy.path / each["file"]).stat().st_size


def test_clean_takes_what_no_run_would_read_and_unused_ones_only_when_asked(messy):
    files = stored(messy)
    assert {each["state"] for each in removable(files)} == {"failed", "damaged", "partial"}
    assert len(removable(files)) == 6
    more = {each["file"] for each in removable(files, unused=True) if each not in removable(files)}
    assert more == {f"evaluations/{'b' * 16}.json", "models/cnn-2.safetensors"}
    (messy.path / "run.json").unlink()
    assert {each["used"] for each in stored(messy)} == {None}
    with pytest.raises(UserError, match="unused"):
        removable(stored(messy), unused=True)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a":' * 9000])
def test_a_damaged_run_is_named_and_a_folder_without_results_refused(content, folder, tmp_path):
    (folder.path / "run.json").write_text(content)
    with pytest.raises(UserError, match=r"run\.json"):
        stored(folder)
    with pytest.raises(UserError, match="holds no results"):
        stored(ResultsFolder(tmp_path))


def test_while_a_run_holds_a_lock_nothing_can_be_cleaned(messy):
    lock = FileLock(messy.evaluations / "x.lock", timeout=0)
    with lock, pytest.raises(UserError, match=r"x\.lock"), while_nobody_runs(messy):
        pass
    with while_nobody_runs(messy), pytest.raises(Timeout), lock:
        pass
    with lock:
        pass


def test_a_run_and_its_copy_are_the_same_whatever_the_facts(tmp_path):
    one = fill(tmp_path / "a")
    other = fill(tmp_path / "b", seconds=9.0, machine={"device_name": "GPU", "threads": 1, "precision": "fp32"})
    found = compare(one, other)
    assert found.same
    assert len(found.numbers) == sum(len(one.table(name)) for name in ("pgd", "backdoor", "snooping", "pipeline"))
    assert found.facts == [{"fact": "machine device_name", "A": "CPU", "B": "GPU"}]


def test_values_images_and_rows_that_only_one_has_differ(tmp_path):
    same = {"start": "x", "side": 3}
    rows = [row("a", 0.5, **same), row("b", 0.5, **same), row("c", None, **same), row("d", 0.5)]
    changed = [row("a", 0.75, **same), row("b", 0.5, n=50, **same), row("c", 0.5, **same), row("e", 0.5)]
    one, other = fill(tmp_path / "a", {MADE: rows}), fill(tmp_path / "b", {MADE: changed})
    found = compare(one, other)
    only = {"d": "only in A", "e": "only in B"}
    assert found.numbers.set_index("metric")["what"].to_dict() == dict.fromkeys("abc", "differs") | only
    assert compare(one, other, tolerance=0.25).numbers.set_index("metric")["what"]["a"] == "equal"
    largest = found.tables(top=9)[1]
    assert [line[-1].text for line in largest.rows] == ["–", "+0.250", "+0.000"]
    assert json.dumps(found.plain())
    assert (found.plain()["same"], found.plain()["equal"]) == (False, 0)


def test_columns_can_be_ignored_and_unknown_ones_are_named(tmp_path):
    one = fill(tmp_path / "a", {PGD: pgd_rows()})
    other = fill(tmp_path / "b", {PGD: [{**each, "scale": "full"} for each in pgd_rows()]})
    assert set(compare(one, other).numbers["what"]) == {"only in A", "only in B"}
    assert compare(one, other, ignore=["scale"]).same
    with pytest.raises(UserError, match="scale"):
        compare(one, other, ignore=["scael"])
    other.write_table("pgd", pd.DataFrame({"value": ["half"]}))
    with pytest.raises(UserError, match=r"pgd\.csv"):
        compare(one, other)


KEYS = st.tuples(*map(st.sampled_from, ("xy", (0.0, 0.5), ("accuracy", "f1"))))
numbers = st.dictionaries(KEYS, st.sampled_from([0.0, 0.25, 0.5]), min_size=1)


@given(numbers, numbers)
def test_it_counts_what_a_comparison_of_dicts_counts(tmp_path_factory, ours, theirs):
    folder = tmp_path_factory.mktemp("compare")
    sides = [
        fill(folder / name, {BACKDOOR: [row(metric, v, model=m, share=s) for (m, s, metric), v in side.items()]})
        for name, side in (("a", ours), ("b", theirs))
    ]
    counts = compare(*sides).numbers["what"].value_counts().to_dict()
    shared = set(ours) & set(theirs)
    equal = sum(ours[key] == theirs[key] for key in shared)
    only = {"only in A": len(set(ours) - shared), "only in B": len(set(theirs) - shared)}
    expected = {"equal": equal, "differs": len(shared) - equal, **only}
    assert counts == {what: count for what, count in expected.items() if count}
