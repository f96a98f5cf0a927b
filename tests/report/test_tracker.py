"""A finished run in MLflow: what is read back is what the folder holds."""

import csv
import json
import socket
import sys
from collections import defaultdict

import html_run
import numpy as np
import pytest
from click.testing import CliRunner
from report_folder import Folder, made, row, table
from safetensors.numpy import save_file

from mri_robust.cli import main
from mri_robust.core.errors import UserError
from mri_robust.report.metric_names import named_numbers
from mri_robust.report.trackers import TRACKERS
from mri_robust.report.write import write_report

USED, OTHERS = f"cnn_made-{'a1' * 8}", f"cnn_made-{'b2' * 8}"
EPOCHS = {1: 0.5, 2: 0.625, 3: 0.75}


def fill(path, patch):
    """A finished run with tables of every layout, a training curve, and two models, one of another data set."""
    folder = html_run.fill(Folder(path, patch))
    shared = {"experiment": "curves", "model": "cnn_made"}
    rows = [row("accuracy", 0.75, **shared, condition="start=scratch")]
    rows += [
        row("accuracy", rate, **shared, condition=f"start=scratch;epoch={epoch}") for epoch, rate in EPOCHS.items()
    ]
    folder.add(made("curves"), rows)
    folder.write()
    write_report(path)
    for name, data in ((USED, "0"), (OTHERS, "1")):
        header = {"mri_robust": json.dumps({"recipe": {"model": "cnn_made"}, "data_digest": data})}
        (path / "models").mkdir(exist_ok=True)
        save_file({"weight": np.arange(3, dtype=np.float32)}, path / f"models/{name}.safetensors", header)
    return path


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The folder, MLflow's client of its store, the run, and where its recording connected to."""
    mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed: pip install 'mri-robust[mlflow]'")
    reached = []
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setattr(socket.socket, "connect", lambda self, address: reached.append(address))
        folder = fill(tmp_path_factory.mktemp("run"), patch)
        before = {path.relative_to(folder): path.read_bytes() for path in files(folder)}
        line = TRACKERS.load("mlflow")()(folder)
        assert {path: (folder / path).read_bytes() for path in before} == before
        client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
        [run] = client.search_runs([client.get_experiment_by_name("mri-robust").experiment_id])
        assert run.info.run_id in line
        yield folder, client, run, reached


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_every_number_of_the_tables_is_a_metric_and_nothing_else_is(recorded):
    folder, client, run, _ = recorded
    ours, theirs = defaultdict(list), defaultdict(list)
    for name in ("pgd", "backdoor", "snooping", "pipeline", "curves"):
        with (folder / f"{name}.csv").open(newline="") as file:
            for line in csv.DictReader(file):
                ours["/".join(line[part] for part in ("experiment", "protocol", "model", "metric"))].append(line)
    for name in run.data.metrics:
        for entry in client.get_metric_history(run.info.run_id, name):
            theirs[name.rpartition("/")[0]].append(entry.value)
    assert theirs.keys() == ours.keys()
    for name, lines in ours.items():
        assert sorted(theirs[name]) == sorted(float(line["value"]) for line in lines), name


def test_a_number_is_found_under_what_decides_it(recorded):
    _, client, run, _ = recorded
    metrics = run.data.metrics
    assert metrics["pgd/sound/cnn_clean/accuracy/clean"] == 0.9
    assert metrics["pgd/sound/cnn_pgd/accuracy/eps_4_255_alpha_1_255_steps_40_worst-case_restarts_5"] == 0.6
    assert metrics["backdoor/sound/cnn_badnets/asr/made_share_0.1_test_triggered"] == 0.6
    curve = client.get_metric_history(run.info.run_id, "curves/paper/cnn_made/accuracy/made_start_scratch_by_epoch")
    assert {entry.step: entry.value for entry in curve} == EPOCHS


def test_parameters_say_what_decided_the_numbers(recorded):
    folder, _, run, _ = recorded
    stored = json.loads((folder / "run.json").read_text())
    parameters = run.data.params
    assert parameters["command"] == stored["command"]
    assert parameters["data/grey/digest"] == stored["data"]["grey"]["digest"]
    assert parameters["protocols"] == "sound, paper"
    assert parameters["versions/torch"] == "2"
    assert run.info.status == "FINISHED"
    assert run.info.end_time - run.info.start_time == 1000 * stored["seconds"]


def test_files_and_the_models_of_this_run_are_artifacts_byte_for_byte(recorded, tmp_path):
    folder, client, run, _ = recorded
    client.download_artifacts(run.info.run_id, "", str(tmp_path))
    taken = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in files(tmp_path)}
    figures = {path.relative_to(folder).as_posix() for path in (folder / "figures").iterdir()}
    assert figures
    assert taken.keys() == {
        *(f"{name}.csv" for name in ("pgd", "backdoor", "snooping", "pipeline", "curves")),
        *("report.html", "report.md", "run.json", "crosscheck.json", f"models/{USED}.safetensors"),
        *figures,
    }
    assert all((folder / name).read_bytes() == content for name, content in taken.items())


def test_nothing_is_sent_anywhere(recorded):
    assert recorded[3] == []


def test_a_run_can_be_recorded_again_beside_the_first(recorded):
    folder, client, run, _ = recorded
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setattr("mri_robust.report.results.load_experiment", made)
        TRACKERS.load("mlflow")()(folder)
    runs = client.search_runs([run.info.experiment_id])
    assert len(runs) == 2
    assert runs[0].data.metrics == runs[1].data.metrics


def test_a_store_that_cannot_be_had_is_one_line_and_harms_nothing(folder, monkeypatch):
    pytest.importorskip("mlflow", reason="MLflow is not installed: pip install 'mri-robust[mlflow]'")
    html_run.fill(folder).write()
    before = {path: path.read_bytes() for path in files(folder.path)}
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nonsense://nowhere")
    with pytest.raises(
        UserError, match="are whole, but MLflow could not record them in the store that MLFLOW_TRACKING_URI"
    ):
        TRACKERS.load("mlflow")()(folder.path)
    assert {path: path.read_bytes() for path in files(folder.path)} == before


def test_without_mlflow_a_bench_says_what_to_install_before_it_begins(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    result = CliRunner().invoke(main, ["bench", "fgsm", "--tracker", "mlflow", "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert result.output == "Error: --tracker mlflow needs MLflow: pip install 'mri-robust[mlflow]'\n"
    assert not (tmp_path / "out").exists()


def test_a_bench_records_at_its_end(tmp_path, monkeypatch):
    """The last thing that `bench` does, with what it left in its folder."""
    from mri_robust.cli import bench

    seen = []
    monkeypatch.setattr(bench, "_run", lambda *arguments: seen.append(arguments[-1]))
    for words in ([], ["--tracker", "mlflow"]):
        monkeypatch.setattr(TRACKERS, "load", lambda name: lambda: f"tracker {name}")
        assert CliRunner().invoke(main, ["bench", "fgsm", "--out", str(tmp_path), *words]).exit_code == 0
    assert seen == [None, "tracker mlflow"]


def test_names_stay_apart_over_seeds_and_where_a_class_has_signs_that_no_name_can_hold():
    rows = [
        row("recall", value, label=label, seed=seed)
        for value, (label, seed) in enumerate([("a b", 42), ("a/b", 42), ("a b", 43), ("../..", 43)])
    ]
    numbers = named_numbers(table(*rows).assign(steps="").fillna({"epsilon": np.nan}))
    assert [number.value for number in numbers] == [0, 1, 2, 3]
    assert len({number.name for number in numbers}) == 4
    for number in numbers:
        assert all(part.strip(".") for part in number.name.split("/"))
        assert number.name.startswith("made/paper/cnn_made/recall/")
