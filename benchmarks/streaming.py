"""Memory and seconds of an evaluation over more and more images, which are read from the disk as they are needed.

Run as `python benchmarks/streaming.py`. One CNN, FGSM at 4/255 on phantom images of 56 pixels, a process a row; data
set and model are made by a process before.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from peak import peak_mb, private_mb

from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.bench.worker import Task, Worker, load_data
from mri_robust.core.machine import keep_freed_memory
from mri_robust.evaluation.robustness import UnderAttack
from mri_robust.study.config import Config
from mri_robust.study.results_folder import ResultsFolder
from mri_robust.study.zoo import cnn_clean

IMAGES = (1_000, 10_000, 100_000)


def main() -> None:
    options = _options()
    if options.one:
        print(json.dumps(_measure(*options.one.split(","))))
        return
    rows = []
    print("test images   seconds   images/s   peak MB   without mapped files")
    for images in options.images:
        with tempfile.TemporaryDirectory() as folder:
            for what in ("prepare", "measure"):
                command = [sys.executable, __file__, "--one", f"{what},{images},{folder}"]
                made = subprocess.run(command, capture_output=True, text=True, check=True)
        row = json.loads(made.stdout.strip().splitlines()[-1])
        rows.append(row)
        print(
            f"{images:11,} {row['seconds']:9.1f} {images / row['seconds']:10.0f} {row['peak_mb']:9} "
            f"{row['private_mb']:22}",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


def _measure(what: str, images: str, folder: str) -> dict[str, float]:
    # Freed memory is kept, so what a process holds at its end is about the most that it held.
    keep_freed_memory()
    config = Config(data=f"phantom:train=500,test={images}")
    config = config.on(load_data(config))
    worker = Worker(ResultsFolder(Path(folder)))
    if what == "prepare":
        worker.trainer(config).get(cnn_clean(config))
        return {}
    evaluation = UnderAttack((None, FGSM(4 / 255)), int(images))
    began = time.perf_counter()
    outcome = worker.run(Task("fgsm", config, cnn_clean(config), evaluation))
    assert outcome.result is not None, outcome.error
    return {
        "images": int(images),
        "seconds": time.perf_counter() - began,
        "peak_mb": peak_mb(),
        "private_mb": private_mb(),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=lambda text: [int(number) for number in text.split(",")], default=IMAGES)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
