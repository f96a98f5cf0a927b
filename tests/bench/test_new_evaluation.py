"""A table with a new kind of evaluation is two new files, here of another package, and no edit."""

from pathlib import Path

import pytest
import tiny

from mri_robust.bench.runner import Run
from mri_robust.core.registry import Registry
from mri_robust.study import experiment
from mri_robust.study.config import Config
from mri_robust.study.results_folder import ResultsFolder

PACKAGE = {
    "shades/evaluation.py": """
from dataclasses import dataclass

import numpy as np

from mri_robust.evaluation.evaluation import Evaluation, predicted_classes
from mri_robust.evaluation.rows import figure, rates


@dataclass(frozen=True)
class Darkened(Evaluation):
    factors: tuple[int, ...]

    def __call__(self, context):
        test = context.dataset.test
        for factor in self.factors:
            images = np.asarray(test.images) // factor
            predicted = predicted_classes(context.model, images)
            yield from rates(test.labels, predicted, context.dataset, "all", attack="shade", factor=factor)
            yield figure("brightness", float(images.mean()), attack="shade", factor=factor, lens="none")
        context.artefacts["brightest"] = int(np.asarray(test.images).max())
""",
    "shades/experiment.py": """
import pandas as pd

from mri_robust.study import zoo
from mri_robust.study.experiment import Experiment
from shades.evaluation import Darkened


def published(config):
    return pd.DataFrame([{"factor": 4, "metric": "accuracy", "class": "", "paper": 0.5}])


EXPERIMENT = Experiment(
    name="shades",
    title="Accuracy in the shade",
    reference="another package",
    tasks=lambda config: [(zoo.cnn_clean(config), Darkened((1, 4), seed=config.seed))],
    row_key=("factor",),
    published=published,
    threats=("evasion",),
)
""",
    "shades-0.1.dist-info/METADATA": "Metadata-Version: 2.1\nName: shades\nVersion: 0.1\n",
    "shades-0.1.dist-info/entry_points.txt": "[mri_robust.experiments]\nshades = shades.experiment:EXPERIMENT\n",
}


def test_another_packages_table_is_measured_stored_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in PACKAGE.items():
        path = tmp_path / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.lstrip("\n"))
    monkeypatch.syspath_prepend(tmp_path / "site")
    known = experiment.EXPERIMENTS
    fresh = Registry(known.package, attribute=known.attribute, kind=known.kind, group=known.group)
    monkeypatch.setattr(experiment, "EXPERIMENTS", fresh)
    [added] = [each for each in experiment.all_experiments(beyond=True) if each.name not in known]
    assert added == experiment.load_experiment("shades")

    def run() -> Run:
        made = Run([added], [Config(data=tiny.DATA, scale=tiny.SCALE)], ResultsFolder(tmp_path / "results"))
        made.run()
        made.folder.write_json("run", made.provenance("bench shades", 1.0))
        return made

    folder = run().folder
    table = folder.table("shades")
    assert table["factor"].drop_duplicates().tolist() == [1, 4]
    one, four = (table[(table["metric"] == "brightness") & (table["factor"] == factor)] for factor in (1, 4))
    assert one["value"].item() / 4 == pytest.approx(four["value"].item(), abs=0.5)
    assert (one["lens"].item(), set(table["model"]), set(table["attack"])) == ("none", {"cnn_clean"}, {"shade"})
    beside = table[table["paper"].notna()]
    assert beside[["metric", "factor", "class", "paper"]].to_numpy().tolist() == [["accuracy", 4, "", 0.5]]
    assert folder.json("run")["experiments"][0]["title"] == "Accuracy in the shade"
    [(labels, brightest)] = folder.artefacts("brightest", experiment="shades")
    assert labels["model"] == "cnn_clean"
    assert 100 < brightest <= 255
    before = (folder.path / "shades.csv").read_bytes()
    again = run()
    assert again.folder.json("run")["computed"] == 0
    assert (folder.path / "shades.csv").read_bytes() == before
