"""The study's CNN at its own size: the tables that two cores carry, by name, in resumable pieces.

    python benchmarks/study_size.py DATA OUT fooling-loss fgsm pgd --seed 42

Only the CNNs of an experiment are asked: its ResNets need ImageNet's weights, and days without a GPU. What is stored in
OUT is not computed again, by this script or by `mri-robust bench --scale full` with the same precision and threads.
"""

import argparse
from pathlib import Path

from mri_robust.bench.runner import Run
from mri_robust.core.machine import keep_freed_memory
from mri_robust.study.config import Config
from mri_robust.study.experiment import load_experiment
from mri_robust.study.results_folder import ResultsFolder
from mri_robust.study.scale import SCALES


def main() -> None:
    """Run the named experiments one after the other, and print what each model took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("out", type=Path)
    parser.add_argument("experiments", nargs="+")
    parser.add_argument("--models", help="ids of the models to ask, with commas; the CNNs when left out")
    parser.add_argument("--protocol", default="paper")
    parser.add_argument("--scale", default="full")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--images", type=int)
    arguments = parser.parse_args()
    keep_freed_memory()
    config = Config(
        data=arguments.data,
        protocol=arguments.protocol,
        scale=SCALES[arguments.scale],
        seed=arguments.seed,
        precision="bf16",
        threads=1,
        images=arguments.images,
    )
    models = arguments.models.split(",") if arguments.models else None
    for name in arguments.experiments:
        run = Run([load_experiment(name)], [config], ResultsFolder(arguments.out))
        run.tasks = [
            task
            for task in run.tasks
            if task.model.architecture == "cnn" and (models is None or task.model.model in models)
        ]
        run.outcomes = [None] * len(run.tasks)
        run.run(lambda experiment, table: print(experiment.name, len(table), "rows", flush=True))
        for failure in run.failures():
            print("failed:", failure, flush=True)


if __name__ == "__main__":
    main()
