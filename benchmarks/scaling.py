"""How seconds and memory of `epsilon_curve` grow with the number of images and of epsilons.

Run as `python benchmarks/scaling.py --data brain-tumor-mri.zip`. Memory is the peak of a process of its own. Images are
repeated where the data set has fewer.
"""

import argparse
import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from peak import peak_mb
from work import BATCH, load_work

from mri_robust import PGD, epsilon_curve
from mri_robust.core.machine import keep_freed_memory

IMAGES = (64, 256, 1024, 4096)
EPSILONS = (1, 2, 4, 8, 16)
FIXED_IMAGES, FIXED_EPSILONS = 64, 5


def main() -> None:
    options = _options()
    if options.one:
        images, epsilons = (int(number) for number in options.one.split(","))
        print(json.dumps(_measure(options, images, epsilons)))
        return
    rows = []
    for what, cases in (
        ("images", [(images, FIXED_EPSILONS) for images in IMAGES]),
        ("epsilons", [(FIXED_IMAGES, epsilons) for epsilons in EPSILONS]),
    ):
        print(f"\nover the number of {what}\nimages  epsilons   seconds   ms/image/epsilon   peak MB")
        for images, epsilons in cases:
            command = [sys.executable, __file__, *sys.argv[1:], "--one", f"{images},{epsilons}"]
            made = subprocess.run(command, capture_output=True, text=True, check=True)
            row = json.loads(made.stdout.strip().splitlines()[-1])
            rows.append(row)
            share = 1000 * row["seconds"] / images / epsilons
            print(f"{images:6} {epsilons:9} {row['seconds']:9.2f} {share:18.1f} {row['peak_mb']:9}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


def _measure(options: argparse.Namespace, images: int, epsilons: int) -> dict[str, float]:
    keep_freed_memory()
    work, dataset = load_work(options.data, "cnn", None, options.image_size, 8, torch.device("cpu"))
    places = np.arange(images) % len(dataset.test)
    pixels, labels = _Repeated(dataset.test.images, places), dataset.test.labels[places]
    radii = np.geomspace(0.5 / 255, 16 / 255, epsilons)
    how = {"attack": partial(PGD, steps=5), "early_stop": True}
    epsilon_curve(work.model, pixels[:BATCH], labels[:BATCH], radii, **how)
    began = time.perf_counter()
    epsilon_curve(work.model, pixels, labels, radii, **how)
    seconds = time.perf_counter() - began
    return {"images": images, "epsilons": epsilons, "seconds": round(seconds, 2), "peak_mb": peak_mb()}


class _Repeated:
    """Images of a memory map at `places`, read as they are asked for."""

    def __init__(self, images: np.ndarray, places: np.ndarray) -> None:
        self.images, self.places = images, places

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, some: slice) -> np.ndarray:
        return self.images[self.places[some]]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="phantom", help="phantom, a folder or a .zip")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
