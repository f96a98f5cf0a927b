"""The whole study at 16 pixels under both protocols, looked at from all sides."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny

from mri_robust.bench import audit as own
from mri_robust.bench.runner import Run, _is_check
from mri_robust.evaluation import worst_case
from mri_robust.evaluation.rows import LEADING, TRAILING
from mri_robust.models.checkpoint import load_model
from mri_robust.report.content import Report
from mri_robust.report.threat_map import figures
from mri_robust.study.config import Config
from mri_robust.study.experiment import all_experiments, load_experiment
from mri_robust.study.protocol import PROTOCOLS
from mri_robust.study.results_folder import ResultsFolder
from mri_robust.study.scale import AUDITS

NAMES = [experiment.name for experiment in all_experiments(beyond=True)]
NUMBER = ["value", "ci_low", "ci_high", "n"]
STD = 0.1813


@pytest.fixture(scope="module")
def study(study_folder: Path) -> ResultsFolder:
    return ResultsFolder(study_folder)


@pytest.fixture(scope="module")
def report(study_folder: Path) -> Report:
    return Report(study_folder)


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
    same = table[["experiment", "dataset", "scale", "seed"]].drop_duplicates().to_numpy().tolist()
    assert same == [[name, "phantom", "quick", 42]]
    assert (table[["model", "attack", "engine", "subset", "metric"]] != "").all(axis=None)
    assert set(table["model"]) <= {*experiment.models, "cnn_raw"}
    assert not table.drop(columns=[*NUMBER, "paper"]).duplicated().any()
    printed = table[table.reindex(columns=["epoch", "channels"]).isna().all(axis=1)]  # the others are drawn as curves
    cell = {*experiment.row_key, "protocol", "model", "subset", "class", "metric"}
    assert not printed.duplicated(sorted(cell & set(table.columns))).any()


@pytest.mark.parametrize("name", NAMES)
def test_shares_are_counts_of_images_and_lie_in_their_intervals(study: ResultsFolder, name: str) -> None:
    table = study.table(name)
    assert np.isfinite(table["value"]).all()
    table = table[table["metric"] != "minimal_epsilon"]  # an image's own, no share
    bounded = table[table["ci_low"].notna()]
    assert ((bounded["ci_low"] <= bounded["value"]) & (bounded["value"] <= bounded["ci_high"])).all()
    assert bounded[["ci_low", "ci_high"]].stack().between(0, 1).all()
    counted = bounded[~bounded["metric"].isin(["auc"]) & (bounded["attack"] != "artefacts")]
    hits = counted["value"] * counted["n"].astype(float)
    assert hits.to_numpy() == pytest.approx(hits.round().to_numpy(), abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_every_threat_of_an_experiment_has_a_number_of_its_table(
    study: ResultsFolder, report: Report, name: str
) -> None:
    [section] = [each for each in report.sections if each.name == name]
    table = study.table(name)
    for threat in section.threats:
        found = figures([section], threat)
        assert len(found) in (1, len(threat["figures"])), threat["name"]
        for each in found:
            rows = overall(table, **{key: each[key] for key in ("metric", "subset", "class", "model", "protocol")})
            assert each["value"] in set(rows["value"])


BY_MODEL = {
    "fgsm": "printed=0.1|0.01|0.005|0.002|0.001 cnn_clean=0|.07|.23|.61|.81 cnn_fgsm=.82|.84|.86|.87|.87 "
    "cnn_pgd=.46|.84|.88|.87|.9 resnet_pgd=.67|.93|.98|.96|.96 ensemble=.76|.97|.98|.98|.98",
    "pgd": "printed=0.3/0.008/20|0.01/0.001/5|0.01/0.0005/5|0.01/0.0001/5 cnn_clean=0|.1|.31|.86 "
    "cnn_pgd=.5|.83|.9|.92 cnn_fgsm=|.89|.87|.88 resnet_pgd=|.96|.96|.96 ensemble=|.96|.98|.99",
    "noisy-loss": "printed=5/0.1|5/1.2|10/2 cnn_noisy=.95|.96|.97",
    "drunk-sweep": "printed=1|2|3|4|5|6|7|8|9 cnn_drunk=.96|.31|.31|.31|.31|.31|.31|.31|.31",
    "drunk-defence": "printed=clean|attacked|defended cnn_drunk=.89|.31| cnn_drunk_defended=||.96",
}
"""The study's Tables 3 to 5 and Figures 5 and 6: how its rows are printed, and each model's accuracies."""
BY_CLASS = {
    "backdoor-cnn": ".37 glioma .54 .41 .47 meningioma .34 .62 .44 notumor .01 .01 .01 pituitary .72 .57 .64",
    "backdoor-resnet50": ".79 glioma .79 .84 .81 meningioma .6 .96 .74 notumor 1 .54 .7 pituitary .98 .93 .95",
    "fooling-loss": ".62 glioma .58 .98 .73 meningioma .46 .76 .57 notumor 0 0 0 pituitary .94 .94 .94",
    "snooping-sizes": ".77 no_pattern .68 .99 .81 pattern .99 .54 .7",
    "snooping-small": ".82 no_pattern .76 .94 .84 pattern .92 .71 .8",
    "snooping-triangles": ".8 no_pattern .73 .94 .82 pattern .91 .66 .77",
}
"""The study's Tables 1, 2 and 6 to 9: accuracy, then precision, recall and F1 of each class."""


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", BY_MODEL)
def test_every_printed_accuracy_stands_beside_its_row(study: ResultsFolder, name: str, protocol: str) -> None:
    table = {key: text.split("|") for key, text in (part.split("=") for part in BY_MODEL[name].split())}
    printed = [row.replace("/", " / ") for row in table.pop("printed")]
    if protocol == "paper" and name in ("fgsm", "pgd"):  # the same numbers, beside images never normalised
        table["cnn_raw"] = table["cnn_clean"]
    cells = [(model, *cell) for model, numbers in table.items() for cell in zip(printed, numbers, strict=True)]
    expected = {(model, row, float(number)) for model, row, number in cells if number}
    rows = overall(study.table(name), protocol=protocol).dropna(subset="paper")
    assert len(rows) == len(expected)
    assert set(zip(rows["model"], rows["printed"], rows["paper"], strict=True)) == expected
    if name in ("fgsm", "pgd"):  # epsilon stands in pixels
        for row in rows.to_dict("records"):
            wide = name == "pgd" and protocol == "paper" and row["model"] in ("resnet_pgd", "ensemble")
            size = 0.05 if wide else float(row["printed"].split(" / ")[0])  # fault `pgd-epsilon-05`
            assert row["epsilon"] == pytest.approx(size * (1 if row["model"] == "cnn_raw" else STD))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", BY_CLASS)
def test_every_number_of_a_class_report_stands_beside_its_row(study: ResultsFolder, name: str, protocol: str) -> None:
    accuracy, *words = BY_CLASS[name].split()
    expected = {("", "accuracy", float(accuracy))}
    for place in range(0, len(words), 4):
        numbers = zip(("precision", "recall", "f1"), words[place + 1 : place + 4], strict=True)
        expected |= {(words[place], metric, float(number)) for metric, number in numbers}
    column, where = {
        "backdoor-cnn": ("test", {"mix"}),
        "backdoor-resnet50": ("test", {"mix"} if protocol == "sound" else {"clean"}),
        "fooling-loss": ("start", {"cnn_clean", "scratch"}),
        "snooping-triangles": ("test", {"small triangles"}),
    }.get(name, ("test", {"small patterns"}))
    rows = select(study.table(name), protocol=protocol).dropna(subset="paper")
    assert set(rows[column]) == where
    for _, some in rows.groupby(column):
        assert len(some) == len(expected)
        assert set(zip(some["class"], some["metric"], some["paper"], strict=True)) == expected


def test_accuracy_is_the_mean_of_recalls_weighted_by_class(study: ResultsFolder) -> None:
    table, keys = study.table("fgsm"), ["protocol", "model", "attack", "epsilon", "subset"]
    recalls = select(table, metric="recall").assign(hits=lambda t: t["value"] * t["n"].astype(float))
    by_class = recalls.groupby(keys)[["hits", "n"]].sum().astype(float)
    accuracy = select(table, metric="accuracy").set_index(keys)["value"]
    assert (by_class["hits"] / by_class["n"])[accuracy.index].to_numpy() == pytest.approx(accuracy.to_numpy())


def test_the_worst_case_never_rises_with_epsilon_and_counts_each_images_smallest(study: ResultsFolder) -> None:
    table, images = study.table("worst-case"), study.table("images")
    clean = overall(table, attack="none").set_index(["protocol", "model"])["value"]
    fell = 0
    for (protocol, model), rows in overall(table, attack="worst-case").groupby(["protocol", "model"]):
        values = [clean[protocol, model], *rows.sort_values("epsilon")["value"]]
        assert (np.diff(values) <= 0).all()
        fell += values[-1] < values[0]
        own = select(images, protocol=protocol, model=model, region="all")
        smallest = own["minimal_epsilon"].fillna(np.inf)
        for eps, value, n in rows[["epsilon", "value", "n"]].to_numpy():
            assert (len(smallest), (smallest > eps).mean()) == (n, pytest.approx(value))
    assert fell > 3


def test_comparisons_are_differences_of_the_tables_own_accuracies(study: ResultsFolder) -> None:
    pairs = select(study.table("comparisons"), experiment="fgsm", attack="fgsm")
    values = overall(study.table("fgsm")).set_index(["protocol", "epsilon", "model"])["value"]
    assert len(pairs) > 100
    for row in pairs.to_dict("records"):
        one, other = (values[row["protocol"], row["epsilon"], row[name]] for name in ("model", "other"))
        assert row["difference"] == pytest.approx(one - other)
        assert row["ci_low"] <= row["difference"] <= row["ci_high"]
        assert (row["only_model"] - row["only_other"]) / row["n"] == pytest.approx(row["difference"])


def test_fault_rgb_images_paper_reads_colour_and_sound_grey(study: ResultsFolder) -> None:
    run = study.json("run")
    assert set(run["data"]) == {"grey", "rgb"}
    assert run["failed"] == []
    stored = {path.stem for path in study.evaluations.glob("*.json")}
    assert {each["digest"] for each in run["evaluations"]} == stored
    assert (run["computed"], run["reused"]) == (len(stored), len(run["evaluations"]) - len(stored))
    resnets = (
        study.table("backdoor-resnet50")["weights"],
        study.table("snooping-small").query("protocol == 'paper'")["weights"],
    )
    assert all(set(weights) == {"none"} for weights in resnets)  # no ImageNet weights here
    assert sum("ImageNet" in warning for warning in run["warnings"]) == 1


def test_pictures_and_curves_are_found_by_what_their_rows_are_about(study: ResultsFolder) -> None:
    def kinds(experiment: str) -> dict[str, int]:
        names = ("gallery", "sheet", "confusion", "roc", "findings", "minimal_epsilon")
        found = {name: len(list(study.artefacts(name, experiment=experiment, protocol="sound"))) for name in names}
        return {name: count for name, count in found.items() if count}

    assert kinds("worst-case") == {"findings": 10, "minimal_epsilon": 5}
    assert kinds("snooping-small") == {"sheet": 1, "confusion": 1, "roc": 1}
    assert kinds("backdoor-cnn") == {"sheet": 4, "confusion": 4}
    [(labels, strips)] = study.artefacts("gallery", experiment="pgd", protocol="paper")
    sizes = [0, *(eps * STD for eps in (0.001, 0.005, 0.01, 0.1, 0.3))]
    assert [cell["epsilon"] for cell in strips[0]["cells"]] == pytest.approx(sizes)
    assert labels["model"] == "cnn_clean"


def test_a_second_run_computes_nothing_and_writes_the_same_bytes(copy: Path) -> None:
    before = {path: path.read_bytes() for path in copy.glob("*.csv")}
    run = tiny.tiny_run(copy)
    assert run.folder.json("run")["computed"] == 0
    assert {path: path.read_bytes() for path in copy.glob("*.csv")} == before


def test_another_engine_gives_the_same_table(study: ResultsFolder, copy: Path) -> None:
    table = tiny.tiny_run(copy, ["fgsm"], protocols=["sound"], engine="art").folder.table("fgsm")
    native = select(study.table("fgsm"), protocol="sound")
    assert set(table["engine"]) == {"art"}
    pd.testing.assert_frame_equal(table.drop(columns="engine"), native.drop(columns="engine"), check_dtype=False)


def test_in_l2_the_same_models_are_asked_anew_and_nothing_stands_beside_the_study(copy: Path) -> None:
    names, scale = ["fgsm", "pgd", "worst-case"], tiny.SCALE.in_norm("l2")
    run = tiny.tiny_run(copy, names, protocols=["sound"], scale=scale)
    assert run.folder.json("run")["reused"] == sum(map(_is_check, run.tasks))
    for name in names:
        table = run.folder.table(name)
        table = table[table["epsilon"].notna()]
        assert set(zip(table["epsilon"], table["norm"], strict=True)) == {(0, ""), *((e, "l2") for e in scale.epsilons)}
        assert table["paper"].isna().all()


KEYS = ["attack", "epsilon", "alpha", "steps", "norm", "restarts", "subset", "class", "metric"]


def assert_same_numbers(own: pd.DataFrame, study: pd.DataFrame, model: str, keys: list[str]) -> None:
    """Every row of one's own model stands among the study's with the same number, interval and count."""
    both = own.merge(select(study, protocol="sound", model=model), on=keys, suffixes=("", "_there"), validate="1:1")
    assert len(both) == len(own) >= 5 * 6
    for column in NUMBER:
        one, other = (both[name].astype(float).to_numpy() for name in (column, f"{column}_there"))
        np.testing.assert_array_equal(one, other)


def test_bench_and_audit_agree(study: ResultsFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = study.models.glob("cnn_pgd-*.safetensors")
    [checkpoint] = [str(path) for path in paths if load_model(path).channels == "grey"]
    opened = own.open_models([own.Asked(checkpoint)], Config(data=tiny.DATA, scale=tiny.SCALE))
    keys = {"fgsm": KEYS, "worst-case": [*KEYS, "after"]}
    with tiny.cut():
        experiments = [load_experiment(name) for name in keys]
        run = Run(experiments, [opened.config], ResultsFolder(tmp_path), opened=opened.modules)
        run.run()
    for name in keys:
        table = run.folder.table(name)
        assert set(table["model"]) == {checkpoint}
        assert_same_numbers(table, study.table(name), "cnn_pgd", keys[name])
    # in memory, where more attacks follow PGD
    monkeypatch.setitem(worst_case.SURVIVOR_ATTACKS, "quick", (worst_case.apgd(2),))
    monkeypatch.setitem(AUDITS, "quick", replace(tiny.SCALE, budget="quick"))
    found = own.audit(opened.modules[checkpoint], opened.dataset, ["worst-case"], images=8)
    first = found[found["after"].isna() | (found["after"] == "pgd")].fillna({"after": "", "norm": ""})
    assert_same_numbers(first, study.table("worst-case"), "cnn_pgd", keys["worst-case"])
    by_stage = overall(found, attack="worst-case").pivot_table(index="epsilon", columns="after", values="value")
    assert (by_stage["apgd"] <= by_stage["pgd"]).all()
