"""Memory and seconds of an evaluation over more and more images, which are read from the disk as they are needed.

Run as `python benchmarks/streaming.py`. One CNN, FGSM at 4/255 on phantom images of 56 pixels, a process a row; data
set and model are made by a process before.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from peak import peak_mb, private_mb

from mri_robust.bench.environment import Machine
from mri_robust.bench.plan import Plan
from mri_robust.bench.worker import Job, Worker
from mri_robust.core.machine import keep_freed_memory
from mri_robust.core.registry import Spec
from mri_robust.study.evasion import Shot, evasion_cell
from mri_robust.zoo import cnn_clean

IMAGES = (1_000, 10_000, 100_000)
SHOTS = [Shot(None), Shot(Spec("fgsm", {"eps": 4 / 255}))]


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
    plan = Plan((), data=f"phantom:train=500,test={images}", weights="none")
    worker = Worker(Job(plan, Path(folder), Machine.choose("auto", "auto")))
    models = worker.open_models("sound")
    [setting] = plan.settings(models.dataset, "sound")
    recipe = cnn_clean.recipe(setting)
    if what == "prepare":
        models.get(recipe)
        return {}
    cell = evasion_cell(setting, recipe, SHOTS, experiment="fgsm", images=int(images), paper={})
    began = time.perf_counter()
    outcome = worker.measure(cell)
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
