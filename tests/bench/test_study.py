"""The whole study at 16 pixels under both protocols, looked at from all sides."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny

from mri_robust.bench import audit as own
from mri_robust.bench.runner import Run
from mri_robust.evaluation import robustness
from mri_robust.evaluation.rows import LEADING, TRAILING
from mri_robust.models.checkpoint import load_model
from mri_robust.study.config import Config
from mri_robust.study.experiment import all_experiments, load_experiment
from mri_robust.study.protocol import PROTOCOLS
from mri_robust.study.results_folder import ResultsFolder

NAMES = [experiment.name for experiment in all_experiments(beyond=True)]
NUMBER = ("value", "ci_low", "ci_high", "n")
STD = 0.1813


@pytest.fixture(scope="module")
def study(study_folder: Path) -> ResultsFolder:
    return ResultsFolder(study_folder)


@pytest.fixture
def copy(study_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(study_folder, tmp_path / "results"))


def select(table: pd.DataFrame, **wanted: Any) -> pd.DataFrame:
    for column, value in wanted.items():
        table = table[table[column] == value]
    return table


def overall(table: pd.DataFrame, **wanted: Any) -> pd.DataFrame:
    return select(table, **{"metric": "accuracy", "subset": "all", "class": "", **wanted})


@pytest.mark.parametrize("name", NAMES)
def test_every_row_has_all_that_decides_it(study: ResultsFolder, name: str) -> None:
    table, experiment = study.table(name), load_experiment(name)
    assert list(table.columns[: len(LEADING)]) == list(LEADING)
    assert [column for column in table.columns if column in TRAILING] == list(TRAILING)
    assert list(dict.fromkeys(table["protocol"])) == ["sound", "paper"]
    assert set(zip(table["experiment"], table["dataset"], table["scale"], table["seed"], strict=True)) == {
        (name, "phantom", "quick", 42)
    }
    assert (table[["model", "attack", "engine", "subset", "metric"]] != "").all(axis=None)
    assert set(table["model"]) <= {*experiment.models, "cnn_raw"}
    decided = [column for column in table.columns if column not in (*NUMBER, "paper", "printed")]
    assert not table.duplicated(decided).any()
    printed = table[table.get("epoch", table.get("channels", table["paper"].mask(lambda x: x < 9))).isna()]
    cell = [*experiment.row_key, "protocol", "model", "subset", "class", "metric"]
    assert not printed.duplicated(list({column for column in cell if column in table})).any()


@pytest.mark.parametrize("name", NAMES)
def test_shares_lie_in_their_intervals(study: ResultsFolder, name: str) -> None:
    table = study.table(name)
    assert np.isfinite(table["value"]).all()
    bounded = table[table["ci_low"].notna()]
    assert ((bounded["ci_low"] <= bounded["value"]) & (bounded["value"] <= bounded["ci_high"])).all()
    assert bounded[["ci_low", "ci_high"]].stack().between(0, 1).all()
    assert (bounded["n"] > 0).all()
    counted = bounded[~bounded["metric"].isin(["auc"]) & (bounded["attack"] != "artefacts")]
    hits = counted["value"] * counted["n"].astype(float)
    assert hits.to_numpy() == pytest.approx(hits.round().to_numpy(), abs=1e-9)


PRINTED_3 = ("0.1", "0.01", "0.005", "0.002", "0.001")
PRINTED_4 = ("0.3 / 0.008 / 20", "0.01 / 0.001 / 5", "0.01 / 0.0005 / 5", "0.01 / 0.0001 / 5")
BY_MODEL: dict[str, tuple[tuple[str, ...], dict[str, tuple[float | None, ...]]]] = {
    "fgsm": (
        PRINTED_3,
        {
            "cnn_clean": (0, 0.07, 0.23, 0.61, 0.81),
            "cnn_fgsm": (0.82, 0.84, 0.86, 0.87, 0.87),
            "cnn_pgd": (0.46, 0.84, 0.88, 0.87, 0.9),
            "resnet_pgd": (0.67, 0.93, 0.98, 0.96, 0.96),
            "ensemble": (0.76, 0.97, 0.98, 0.98, 0.98),
        },
    ),
    "pgd": (
        PRINTED_4,
        {
            "cnn_clean": (0, 0.1, 0.31, 0.86),
            "cnn_pgd": (0.5, 0.83, 0.9, 0.92),
            "cnn_fgsm": (None, 0.89, 0.87, 0.88),
            "resnet_pgd": (None, 0.96, 0.96, 0.96),
            "ensemble": (None, 0.96, 0.98, 0.99),
        },
    ),
    "noisy-loss": (("5 / 0.1", "5 / 1.2", "10 / 2"), {"cnn_noisy": (0.95, 0.96, 0.97)}),
    "drunk-sweep": (tuple(map(str, range(1, 10))), {"cnn_drunk": (0.96, *[0.31] * 8)}),
    "drunk-defence": (
        ("clean", "attacked", "defended"),
        {"cnn_drunk": (0.89, 0.31, None), "cnn_drunk_defended": (None, None, 0.96)},
    ),
}
"""The study's Tables 3 to 5, and Figures 5 and 6: how rows are printed, and model -> accuracies."""
BY_CLASS: dict[str, tuple[float, dict[str, tuple[float, float, float]]]] = {
    "backdoor-cnn": (
        0.37,
        {
            "glioma": (0.54, 0.41, 0.47),
            "meningioma": (0.34, 0.62, 0.44),
            "notumor": (0.01, 0.01, 0.01),
            "pituitary": (0.72, 0.57, 0.64),
        },
    ),
    "backdoor-resnet50": (
        0.79,
        {
            "glioma": (0.79, 0.84, 0.81),
            "meningioma": (0.6, 0.96, 0.74),
            "notumor": (1, 0.54, 0.7),
            "pituitary": (0.98, 0.93, 0.95),
        },
    ),
    "fooling-loss": (
        0.62,
        {
            "glioma": (0.58, 0.98, 0.73),
            "meningioma": (0.46, 0.76, 0.57),
            "notumor": (0, 0, 0),
            "pituitary": (0.94, 0.94, 0.94),
        },
    ),
    "snooping-sizes": (0.77, {"no_pattern": (0.68, 0.99, 0.81), "pattern": (0.99, 0.54, 0.7)}),
    "snooping-small": (0.82, {"no_pattern": (0.76, 0.94, 0.84), "pattern": (0.92, 0.71, 0.8)}),
    "snooping-triangles": (0.8, {"no_pattern": (0.73, 0.94, 0.82), "pattern": (0.91, 0.66, 0.77)}),
}
"""The study's Tables 1, 2 and 6 to 9: accuracy, and class -> (precision, recall, F1)."""


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", BY_MODEL)
def test_every_accuracy_that_the_study_prints_stands_beside_its_row(
    study: ResultsFolder, name: str, protocol: str
) -> None:
    printed, models = BY_MODEL[name]
    rows = overall(study.table(name), protocol=protocol)
    rows = rows[rows["paper"].notna()]
    if protocol == "paper" and name in ("fgsm", "pgd"):  # the same numbers, beside images never normalised
        models = models | {"cnn_raw": models["cnn_clean"]}
    expected = {
        (model, row, number)
        for model, numbers in models.items()
        for row, number in zip(printed, numbers, strict=True)
        if number is not None
    }
    assert len(rows) == len(expected)
    assert set(zip(rows["model"], rows["printed"], rows["paper"], strict=True)) == expected


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", BY_CLASS)
def test_every_number_of_a_class_report_stands_beside_its_row(study: ResultsFolder, name: str, protocol: str) -> None:
    accuracy, classes = BY_CLASS[name]
    rows = select(study.table(name), protocol=protocol)
    rows = rows[rows["paper"].notna()]
    expected = {("", "accuracy", accuracy)} | {
        (of, metric, number)
        for of, numbers in classes.items()
        for metric, number in zip(("precision", "recall", "f1"), numbers, strict=True)
    }
    where = {
        "backdoor-cnn": ("test", {"mix"}),
        "backdoor-resnet50": ("test", {"mix"} if protocol == "sound" else {"clean"}),
        "fooling-loss": ("start", {"cnn_clean", "scratch"}),
        "snooping-triangles": ("test", {"small triangles"}),
    }
    column, values = where.get(name, ("test", {"small patterns"}))
    assert set(rows[column]) == values
    for _, some in rows.groupby(column):
        assert len(some) == len(expected)
        assert set(zip(some["class"], some["metric"], some["paper"], strict=True)) == expected


@pytest.mark.parametrize("name", ["fgsm", "pgd"])
def test_epsilons_are_in_pixels_under_either_protocol(study: ResultsFolder, name: str) -> None:
    rows = overall(study.table(name))
    assert set(overall(rows, attack="none")["epsilon"]) == {0.0}
    for (protocol, model, printed), found in rows[rows["paper"].notna()].groupby(["protocol", "model", "printed"]):
        size = float(printed.split(" / ")[0])
        if name == "pgd" and protocol == "paper" and model in ("resnet_pgd", "ensemble"):
            size = 0.05  # fault `pgd-epsilon-05`
        assert found["epsilon"].item() == pytest.approx(size * (1 if model == "cnn_raw" else STD))


def test_accuracy_is_the_mean_of_recalls_weighted_by_class(study: ResultsFolder) -> None:
    table = study.table("fgsm")
    keys = ["protocol", "model", "attack", "epsilon", "subset"]
    recalls = select(table, metric="recall").assign(hits=lambda t: t["value"] * t["n"].astype(float))
    by_class = recalls.groupby(keys)[["hits", "n"]].sum()
    accuracy = select(table, metric="accuracy").set_index(keys)
    rebuilt = (by_class["hits"] / by_class["n"].astype(float)).reindex(accuracy.index)
    assert rebuilt.to_numpy() == pytest.approx(accuracy["value"].to_numpy())


def worst_cases(study: ResultsFolder) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    yield from overall(study.table("worst-case"), attack="worst-case").groupby(["protocol", "model"])


def test_worst_case_accuracy_never_rises_with_epsilon_and_starts_at_the_clean_one(study: ResultsFolder) -> None:
    clean = overall(study.table("worst-case"), attack="none").set_index(["protocol", "model"])["value"]
    fell = 0
    for key, rows in worst_cases(study):
        values = [clean[key], *rows.sort_values("epsilon")["value"]]
        assert (np.diff(values) <= 0).all()
        fell += values[-1] < values[0]
    assert fell > 3


def test_the_smallest_fooling_epsilon_of_each_image_counts_to_the_worst_case(study: ResultsFolder) -> None:
    images = study.table("images")
    for (protocol, model), rows in worst_cases(study):
        found = select(images, protocol=protocol, model=model)
        smallest = found["smallest_epsilon"].fillna(np.inf)
        for eps, value, n in zip(rows["epsilon"], rows["value"], rows["n"], strict=True):
            assert (len(found), (smallest > eps).mean()) == (n, pytest.approx(value))


def test_leaked_images_are_set_apart_under_sound_alone(study: ResultsFolder) -> None:
    table = study.table("fgsm")
    assert set(select(table, protocol="paper")["subset"]) == {"all"}
    both = select(table, protocol="sound").pivot_table(
        index=["model", "attack", "epsilon", "metric", "class"], columns="subset", values="n"
    )
    assert (both["leak-free"] <= both["all"]).all()


def test_comparisons_are_differences_of_the_tables_own_accuracies(study: ResultsFolder) -> None:
    pairs = select(study.table("comparisons"), experiment="fgsm", attack="fgsm")
    values = overall(study.table("fgsm")).set_index(["protocol", "epsilon", "model"])["value"]
    assert len(pairs) > 100
    for row in pairs.to_dict("records"):
        one, other = (values[row["protocol"], row["epsilon"], row[name]] for name in ("model", "other"))
        assert row["difference"] == pytest.approx(one - other)
        assert row["ci_low"] <= row["difference"] <= row["ci_high"]
        assert (row["only_model"] - row["only_other"]) / row["n"] == pytest.approx(row["difference"])


def test_attack_success_is_measured_under_sound_alone(study: ResultsFolder) -> None:
    success = select(study.table("backdoor-cnn"), metric="asr", subset="all")
    assert set(success["protocol"]) == {"sound"}
    assert select(success, model="cnn_badnets")["share"].tolist() == [0.01, 0.05, 0.1]
    assert set(success["test"]) == {"triggered"}


def test_art_finds_what_our_own_inversion_finds(study: ResultsFolder) -> None:
    rows = select(study.table("inversion"), metric="art_difference")
    assert set(rows["engine"]) == {"art"}
    assert len(rows) == 3 * 2 * 2
    assert (rows["value"] <= 4 * 2.0**-24).all()


def test_fault_rgb_images_paper_reads_colour_and_sound_grey(study: ResultsFolder) -> None:
    run = study.json("run")
    assert set(run["data"]) == {"grey", "rgb"}
    assert run["failed"] == []
    stored = {path.stem for path in study.evaluations.glob("*.json")}
    assert {each["digest"] for each in run["evaluations"]} == stored
    assert (run["computed"], run["reused"]) == (len(stored), len(run["evaluations"]) - len(stored))
    for name in ("backdoor-resnet50", "snooping-small"):  # no ImageNet weights here
        assert set(study.table(name)["weights"]) == {"none"}
    assert sum("ImageNet" in warning for warning in run["warnings"]) == 1


def test_pictures_and_curves_are_found_by_what_their_rows_are_about(study: ResultsFolder) -> None:
    def kinds(experiment: str) -> dict[str, int]:
        names = ("gallery", "sheet", "confusion", "roc", "findings", "smallest_epsilon")
        found = {name: len(list(study.artefacts(name, experiment=experiment, protocol="sound"))) for name in names}
        return {name: count for name, count in found.items() if count}

    assert kinds("fgsm") == {"gallery": 1}
    assert kinds("worst-case") == {"findings": 5, "smallest_epsilon": 5}
    assert kinds("snooping-small") == {"sheet": 1, "confusion": 1, "roc": 1}
    assert kinds("backdoor-cnn") == {"sheet": 4, "confusion": 4}
    assert kinds("inversion") == {"sheet": 3}
    [(labels, strips)] = study.artefacts("gallery", experiment="pgd", protocol="paper")
    assert labels["model"] == "cnn_clean"
    assert [cell["epsilon"] for cell in strips[0]["cells"]] == pytest.approx(
        [0, *(eps * STD for eps in (0.001, 0.005, 0.01, 0.1, 0.3))]
    )


def tables(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.csv")}


def test_a_second_run_computes_nothing_and_writes_the_same_bytes(copy: Path) -> None:
    before = tables(copy)
    run = tiny.tiny_run(copy)
    assert run.folder.json("run")["computed"] == 0
    assert tables(copy) == before


def test_another_engine_gives_the_same_table(study: ResultsFolder, copy: Path) -> None:
    run = tiny.tiny_run(copy, ["fgsm"], protocols=["sound"], engine="art")
    table, native = run.folder.table("fgsm"), select(study.table("fgsm"), protocol="sound")
    assert set(table["engine"]) == {"art"}
    pd.testing.assert_frame_equal(table.drop(columns="engine"), native.drop(columns="engine"), check_dtype=False)


def test_models_of_two_seeds_are_paired_by_seed(copy: Path) -> None:
    experiments = [load_experiment("noisy-loss")]
    configs = [Config(data=tiny.DATA, scale=tiny.SCALE, protocol="paper", seed=seed) for seed in (42, 43)]
    run = Run(experiments, configs, ResultsFolder(copy))
    run.run()
    accuracies = overall(run.folder.table("noisy-loss"), epochs=5).query("epoch.isna()")
    assert accuracies["seed"].tolist() == [42, 42, 43, 43]
    assert (run.outcomes[0].computed, run.outcomes[-1].computed) == (False, True)


def same_numbers(own: pd.DataFrame, study: pd.DataFrame, model: str, keys: list[str]) -> int:
    """Compare the rows of one's own model with the study's; returns how many there are."""
    theirs = select(study, protocol="sound", model=model)
    both = own.merge(theirs, on=keys, suffixes=("", "_of_the_study"), validate="one_to_one")
    assert len(both) == len(own)
    for column in NUMBER:
        one, other = (both[name].astype(float).to_numpy() for name in (column, f"{column}_of_the_study"))
        np.testing.assert_array_equal(one, other)
    return len(both)


def test_bench_and_audit_give_the_same_numbers(
    study: ResultsFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = study.models.glob("cnn_pgd-*.safetensors")
    [checkpoint] = [str(path) for path in paths if load_model(path).channels == "grey"]
    opened = own.open_models([checkpoint], Config(data=tiny.DATA, scale=tiny.SCALE))
    names = ["fgsm", "worst-case"]
    experiments = [load_experiment(name) for name in names]
    with tiny.cut():
        run = Run(experiments, [opened.config], ResultsFolder(tmp_path), opened=opened.modules)
        run.run()
    keys = ["attack", "epsilon", "alpha", "steps", "norm", "restarts", "subset", "class", "metric"]
    keys_of = {"fgsm": keys, "worst-case": [*keys, "after"]}
    for name in names:
        table = run.folder.table(name)
        assert set(table["model"]) == {checkpoint}
        assert same_numbers(table, study.table(name), "cnn_pgd", keys_of[name]) >= 5 * 6
    # in memory, and with more attacks after PGD
    monkeypatch.setattr(robustness, "SURVIVOR_ATTACKS", (("APGD", (("steps", 2),)),))
    model = opened.modules[checkpoint]
    how = {"images": 8, "steps": tiny.SCALE.steps, "restarts": tiny.SCALE.restarts}
    found = own.audit(model, opened.dataset, ["worst-case"], **how)
    after = found[found["after"].isna() | (found["after"] == "pgd")]
    assert same_numbers(after, study.table("worst-case"), "cnn_pgd", keys_of["worst-case"]) >= 5 * 6
    values = overall(found, attack="worst-case").pivot_table(index="epsilon", columns="after", values="value")
    assert (values["apgd"] <= values["pgd"]).all()
    missed = own.broken_floors(found, [(4 / 255, 1.0), (8 / 255, 0.0)])
    assert len(missed) == 1
