"""The study's CNN at its own size, a table at a time, in resumable pieces; and how far each number is from the study's.

    python benchmarks/study_size.py DATA OUT fooling-loss fgsm pgd --seed 42

Only the models of one architecture are asked, the CNNs: the study's ResNets need ImageNet's weights, and days without a
GPU. What is stored in OUT is not computed again, neither by this script nor by `mri-robust bench --scale full` with the
same precision and number of threads. Two of these at a time, one thread each, get more out of two cores than one with
two threads.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import pandas as pd

from mri_robust.bench.runner import Run
from mri_robust.bench.worker import Task
from mri_robust.core.machine import keep_freed_memory
from mri_robust.study.config import Config
from mri_robust.study.experiment import load_experiment
from mri_robust.study.results_folder import ResultsFolder
from mri_robust.study.scale import SCALES


def main() -> None:
    """Run the named experiments one after the other, and print each number beside the study's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("out", type=Path)
    parser.add_argument("experiments", nargs="+")
    parser.add_argument("--models", help="ids of the models to ask, with commas; all CNNs when left out")
    parser.add_argument("--protocol", default="paper")
    parser.add_argument("--scale", default="full")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--start-seed", type=int, help="of the model that training starts from, where it is another")
    parser.add_argument("--starts", default="", help="of attacked trainings only those from cnn_clean, or from scratch")
    parser.add_argument("--images", type=int, help="most test images that any evaluation takes")
    options = parser.parse_args()
    keep_freed_memory()
    how = {"protocol": options.protocol, "scale": SCALES[options.scale], "seed": options.seed, "images": options.images}
    config = Config(data=options.data, precision="bf16", threads=1, **how)
    chosen = options.models.split(",") if options.models else None
    for name in options.experiments:
        run = Run([load_experiment(name)], [config], ResultsFolder(options.out))
        cnns = [task for task in run.tasks if task.model.architecture == "cnn"]
        cnns = [task for task in cnns if options.starts in ("", dict(task.model.factors).get("start"))]
        run.tasks = [started(task, options) for task in cnns if chosen is None or task.model.model in chosen]
        run.outcomes = [None] * len(run.tasks)
        run.run(lambda experiment, table: print_distances(experiment.name, table))
        for failure in run.failures():
            print("failed:", failure, flush=True)


def started(task: Task, options: argparse.Namespace) -> Task:
    """The task, its model trained from the start of another seed where one is asked for."""
    if options.start_seed is None or task.model.start is None:
        return task
    return replace(task, model=replace(task.model, start=replace(task.model.start, seed=options.start_seed)))


def print_distances(name: str, table: pd.DataFrame) -> None:
    """Each number that the study prints, ours, and their distance; then the mean and the largest."""
    rows = table.dropna(subset=["paper"])
    shown = [
        column for column in rows.columns if column not in ("ci_low", "ci_high", "n") and rows[column].nunique() > 1
    ]
    rows = rows[list(dict.fromkeys([*shown, "value", "paper"]))]
    distance = (rows["value"] - rows["paper"]).abs()
    print(f"\n{name}\n{rows.assign(distance=distance).round(3).to_string(index=False)}")
    print(f"{len(rows)} numbers: mean distance {distance.mean():.3f}, largest {distance.max():.3f}", flush=True)


if __name__ == "__main__":
    main()
