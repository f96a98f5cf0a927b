"""A results folder written by hand, byte by byte, as `results list` and `clean` read it."""

import fcntl
import hashlib
import json
import os
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save
from torch.nn import Linear

from mri_robust.core.errors import UserError
from mri_robust.core.files import written_aside
from mri_robust.models.training_state import keep_training
from mri_robust.report.cleaning import delete, removable, while_no_bench_runs
from mri_robust.report.stored import find, open_stored, shortest_digests
from mri_robust.report.stored_files import read_cell, read_model

A, B, C, D, E = (digit * 16 for digit in "abcde")
RECIPE = {"model": "cnn_clean", "epochs": 8, "start": None, "members": []}
MACHINE = {"device": "cpu", "threads": 1}


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def sealed(about, result):
    """A cell's file, with the checksum over what it holds."""
    text = json.dumps([about, result], sort_keys=True, separators=(",", ":"))
    return {"about": about, "checksum": hashlib.sha256(text.encode()).hexdigest()[:16], "result": result}


def cell(*lines, **about):
    """A cell with so many numbers in each line."""
    rows = [[{"metric": "accuracy", "value": 0.5}] * count for count in lines]
    return sealed({"experiment": "fgsm", "protocol": "sound", "seconds": 1.5, **about}, {"rows": rows})


def weights(recipe=RECIPE, data="d0", **notes):
    """A model's file, written by safetensors."""
    notes = {"recipe": recipe, "data_digest": data, "environment": MACHINE, "history": [], **notes}
    return save({"w": np.zeros(5, np.float32), "b": np.ones((2, 2))}, {"mri_robust": json.dumps(notes)})


def model(path, **more):
    return put(path, weights(**more))


def run(**cells):
    return {"cells": cells, "experiments": list(cells), "protocols": ["sound"], "data": {"grey": {"digest": "d0"}}}


def states(entries):
    return {entry.path.name: entry.state for entry in entries}


def test_a_whole_cell_and_its_figures(tmp_path):
    found = read_cell(put(tmp_path / f"{A}.json", cell(3, 0, 4, model="cnn_clean")))
    assert (found.state, found.digest, found.numbers, found.seconds) == ("ok", A, 7, 1.5)
    assert [len(line) for line in found.rows] == [3, 0, 4]
    assert found.bytes == (tmp_path / f"{A}.json").stat().st_size


def test_a_failure_keeps_its_words_and_traceback(tmp_path):
    content = {"about": {"experiment": "pgd"}, "error": "RuntimeError: no", "traceback": "Traceback ..."}
    found = read_cell(put(tmp_path / f"{A}.failed.json", content))
    assert (found.state, found.error, found.traceback) == ("failed", "RuntimeError: no", "Traceback ...")
    assert (found.numbers, found.about) == (0, {"experiment": "pgd"})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"[" * 100_000,
        b'{"a":' * 500 + b"1" + b"}" * 500,
        json.dumps(cell(1))[:-1].encode(),
        json.dumps(cell(1)).replace("0.5", "0.6").encode(),
        json.dumps(cell(1)).replace("0.5", "NaN").encode(),
        {**cell(1), "checksum": None},
        {**cell(1), "result": [1]},
        json.dumps(cell(1)).replace("fgsm", "pgd").encode(),
        sealed({}, {"rows": 3}),
        sealed({}, {"rows": [[1]]}),
        sealed({}, {"part": [1]}),
    ],
)
@pytest.mark.parametrize("ending", ["json", "failed.json"])
def test_a_corrupt_cell_is_damaged(content, ending, tmp_path):
    if isinstance(content, dict):
        content = json.dumps(content).encode()
    assert read_cell(put(tmp_path / f"{A}.{ending}", content)).state == "damaged"


def test_what_a_run_set_aside_is_damaged_even_when_it_can_be_read(tmp_path):
    assert read_cell(put(tmp_path / f"{A}.json.damaged", cell(1))).state == "damaged"
    assert read_model(model(tmp_path / f"cnn-{A}.safetensors.damaged")).state == "damaged"


def test_other_names_folders_and_pipes_are_passed_over(tmp_path):
    for name in ("notes.json", f"{A}.txt", f"{A[:-1]}.json", f"{A.upper()}.json", f".{A}.json"):
        assert read_cell(put(tmp_path / name, cell(1))) is None, name
    (tmp_path / f"{B}.json").mkdir()
    os.mkfifo(tmp_path / f"{C}.json")
    os.mkfifo(tmp_path / f"cnn-{C}.safetensors")
    assert read_cell(tmp_path / f"{B}.json") is read_cell(tmp_path / f"{C}.json") is None
    assert read_model(tmp_path / f"cnn-{C}.safetensors") is read_model(tmp_path / f"{A}.txt") is None


def test_a_model_is_read_from_its_header(tmp_path):
    history = [{"epoch": 1, "seconds": 2.5}, {"epoch": 2, "seconds": 3.25}]
    found = read_model(model(tmp_path / f"cnn_clean-{A}.safetensors", history=history))
    assert (found.state, found.name, found.digest) == ("whole", f"cnn_clean-{A}", A)
    assert (found.epochs, found.seconds, found.recipe) == (2, 5.75, RECIPE)


def test_a_training_that_is_not_done_says_how_far_it_came(tmp_path):
    record = [{"epoch": 1, "loss": 0.5, "seconds": 2.5}, {"epoch": 2, "loss": 0.25, "seconds": 3.0}]
    keep_training(tmp_path / f"cnn_clean-{B}.partial.safetensors", {"model": Linear(2, 2)}, record)
    part = read_model(tmp_path / f"cnn_clean-{B}.partial.safetensors")
    assert (part.state, part.name, part.epochs, part.seconds) == ("partial", f"cnn_clean-{B}", 2, 5.5)
    assert part.history == record


def test_a_part_of_a_measurement_is_neither_a_result_nor_damaged(tmp_path):
    found = read_cell(put(tmp_path / f"{A}.part-128.json", sealed({"part": [128, 256]}, {"part": [1, 2]})))
    assert (found.state, found.digest, found.numbers) == ("partial", A, 0)
    assert read_cell(put(tmp_path / f"{A}.part-0.json", cell(1))).state == "damaged"


def test_a_cell_of_version_0_1_0_has_a_checksum_over_its_result_alone(tmp_path):
    content = {"about": {}, "checksum": hashlib.sha256(b'{"rows":[]}').hexdigest()[:16], "result": {"rows": []}}
    assert read_cell(put(tmp_path / f"{A}.json", content)).state == "ok"


@given(st.data())
def test_a_model_cut_anywhere_or_lengthened_is_damaged(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("cut") / f"cnn-{A}.safetensors"
    content = weights()
    end = data.draw(st.integers(0, len(content) - 1))
    assert read_model(put(path, content[:end])).state == "damaged"
    assert read_model(put(path, content + bytes(end + 1))).state == "damaged"
    assert read_model(put(path, content)).state == "whole"


@pytest.mark.parametrize(
    "header",
    [b"", b"{}", b"[]", b"[" * 50_000, b'{"w":1}', b'{"__metadata__":{}}', b'{"__metadata__":{"mri_robust":"[]"}}'],
)
def test_a_header_that_is_none_is_damaged(header, tmp_path):
    for length in (len(header), 2**63, 2**40):
        path = put(tmp_path / f"cnn-{A}.safetensors", struct.pack("<Q", length) + header)
        assert read_model(path).state == "damaged"
    assert read_model(put(path, b"<!doctype html><html>404</html>")).state == "damaged"


def test_cells_come_by_experiment_and_protocol_in_the_order_of_the_run(tmp_path):
    for name, experiment, protocol in ((A, "pgd", "sound"), (B, "fgsm", "paper"), (C, "fgsm", "sound"), (D, "x", "x")):
        put(tmp_path / f"cells/{name}.json", cell(1, experiment=experiment, protocol=protocol))
    put(tmp_path / f"cells/{E}.json", cell(1))
    put(tmp_path / "run.json", {**run(pgd=[A], fgsm=[E, B, C]), "protocols": ["sound", "paper"]})
    stored = open_stored(tmp_path)
    assert [each.digest for each in stored.cells] == [A, E, C, B, D]
    assert [stored.uses(each) for each in stored.cells] == [True, True, True, True, False]


def test_the_last_run_uses_what_it_measured_what_that_came_from_and_what_was_cross_checked(tmp_path):
    start, other = RECIPE | {"seed": 1}, RECIPE | {"seed": 2}
    nested = RECIPE | {"start": RECIPE | {"seed": 3, "members": [start]}}
    for letter, recipe in zip("abcdef", (nested, start, other, RECIPE, {"snooping": {"a": 1}}, nested), strict=True):
        model(tmp_path / f"models/m-{letter * 16}.safetensors", recipe=recipe, data="d1" if letter == "f" else "d0")
    model(tmp_path / f"models/m-{'1' * 16}.safetensors", recipe={"snooping": {"a": 1}}, data="d1")
    model(tmp_path / f"models/m-{'2' * 16}.partial.safetensors", recipe=other)
    put(tmp_path / f"cells/{A}.json", cell(1, model_file=f"m-{A}"))
    put(tmp_path / f"cells/{B}.json", cell(1, model_file="m-" + "f" * 16))
    put(tmp_path / "crosscheck.json", {"about": {"model": f"m-{D}"}})
    put(tmp_path / "run.json", run(fgsm=[A]))
    stored = open_stored(tmp_path)
    uses = {each.name[2]: stored.uses(each) for each in stored.models}
    # f is measured by an unused cell; 1 is a detector of other data; 2 is not done, so that nothing uses it
    assert uses == {"a": True, "b": True, "c": False, "d": True, "e": True, "f": False, "1": False, "2": None}


def test_where_a_cell_of_the_run_is_gone_any_model_of_its_data_may_have_been_used(tmp_path):
    model(tmp_path / f"models/m-{A}.safetensors")
    model(tmp_path / f"models/m-{B}.safetensors", data="d1")
    put(tmp_path / f"cells/{A}.json", cell(1))
    put(tmp_path / "run.json", run(fgsm=[A, B]))
    stored = open_stored(tmp_path)
    assert stored.missing == [B]
    assert [stored.uses(each) for each in stored.models] == [True, False]


@pytest.mark.parametrize(("content", "state"), [(None, "absent"), (b"{", "damaged"), (b"[]", "damaged")])
def test_without_a_whole_run_nobody_says_what_is_used(content, state, tmp_path):
    found = put(tmp_path / f"cells/{A}.json", cell(1))
    if content:
        put(tmp_path / "run.json", content)
    stored = open_stored(tmp_path)
    assert (stored.run_state, stored.used, stored.uses(read_cell(found))) == (state, None, None)
    with pytest.raises(UserError, match="without --unused"):
        removable(stored, unused=True)


@pytest.mark.parametrize("place", ["nowhere", "empty", "file"])
def test_a_folder_without_results(place, tmp_path):
    (tmp_path / "empty" / "cells").mkdir(parents=True)
    put(tmp_path / "file", b"")
    with pytest.raises(UserError, match=r"holds no results.* --out folder"):
        open_stored(tmp_path / place)


def test_a_cell_or_model_is_found_by_the_beginning_of_its_digest_or_name(tmp_path):
    twin = A[:9] + "0" * 7
    for name in (A, twin, B):
        put(tmp_path / f"cells/{name}.json", cell(1))
    put(tmp_path / f"cells/{B}.failed.json", {"error": "x"})
    for name in (f"cnn_clean-{C}", f"cnn_clean_x-{D}"):
        model(tmp_path / f"models/{name}.safetensors")
    stored = open_stored(tmp_path)
    assert [each.digest for each in find(stored, A[:10])] == [A]
    assert {each.state for each in find(stored, "b")} == {"failed", "ok"}
    assert [each.name for each in find(stored, "cnn_clean-")] == [f"cnn_clean-{C}"]
    assert [each.name for each in find(stored, "ddd")] == [f"cnn_clean_x-{D}"]
    with pytest.raises(UserError, match=f"begins several: {twin}, {A}; give more"):
        find(stored, "aaaa")
    with pytest.raises(UserError, match=r"nothing in .* begins with '0123'"):
        find(stored, "0123")
    assert shortest_digests(stored.cells) == {A: A[:10], twin: twin[:10], B: B[:10]}


def test_clean_takes_failures_damaged_partial_and_interrupted_files_and_nothing_else(tmp_path):
    keep = [
        put(tmp_path / "run.json", run(fgsm=[A])),
        put(tmp_path / f"cells/{A}.json", cell(1, model_file=f"m-{A}")),
        put(tmp_path / f"cells/{A}.lock", b""),
        put(tmp_path / "cells/mine.json", b"{"),
        model(tmp_path / f"models/m-{A}.safetensors"),
        put(tmp_path / "models/mine.safetensors", b"x"),
        *(
            put(tmp_path / name, b"x")
            for name in ("fgsm.csv", ".gitignore", ".notes-of-mine.txt", ".run-12345678.json")
        ),
        put(tmp_path / f"other/{A}.failed.json", b"x"),
        put(tmp_path / "other/run.json.damaged", b"x"),
    ]
    unused = [put(tmp_path / f"cells/{B}.json", cell(1)), model(tmp_path / f"models/m-{B}.safetensors", data="d1")]
    go = {
        put(tmp_path / f"cells/{C}.failed.json", {"error": "x"}): "failure",
        put(tmp_path / f"cells/{D}.json", b"{"): "damaged",
        put(tmp_path / f"cells/{E}.json.damaged", cell(1)): "damaged",
        put(tmp_path / f"models/m-{D}.safetensors", b"x"): "damaged",
        put(tmp_path / "run.json.damaged", b"xyz"): "damaged",
        model(tmp_path / f"models/m-{C}.partial.safetensors"): "partial training",
        put(tmp_path / f"cells/{A}.part-0.json", sealed({}, {"part": 1})): "partial result",
    }
    for target in ("run.json", f"cells/{A}.json", f"models/m-{A}.safetensors", "figures/a-b.png", "fgsm.csv"):
        with pytest.raises(KeyboardInterrupt), written_aside(tmp_path / target) as aside:  # the writer's own name
            raise KeyboardInterrupt
        go[put(aside, b"abc")] = "interrupted write"
    stored = open_stored(tmp_path)
    assert {each.path: each.reason for each in removable(stored)} == go
    more = {each.path: each.reason for each in removable(stored, unused=True)}
    assert more == go | dict(zip(unused, ("unused result", "unused model"), strict=True))

    size = sum(path.stat().st_size for path in go)
    assert delete(removable(stored)) == size
    left = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {*keep, *unused}


def test_what_cannot_be_deleted_is_said_and_the_rest_is_gone(tmp_path):
    one, other = put(tmp_path / f"cells/{A}.failed.json", b"x"), put(tmp_path / f"cells/{B}.failed.json", b"x")
    files = removable(open_stored(tmp_path))
    one.unlink()
    one.mkdir()
    with pytest.raises(UserError, match=f"could not delete '{one}'"):
        delete(files)
    assert not other.exists()


@pytest.mark.parametrize("place", [".lock", "bench.lock", f"cells/{A}.lock", f"models/m-{A}.lock"])
def test_while_a_bench_holds_a_lock_nothing_can_be_cleaned(place, tmp_path):
    lock = put(tmp_path / place, b"")
    with lock.open() as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="a bench is at work"), while_no_bench_runs(tmp_path):
            pass
    with while_no_bench_runs(tmp_path), lock.open() as handle, pytest.raises(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with lock.open() as handle:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
