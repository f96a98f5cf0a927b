"""How long OpenMP's threads should spin before they sleep: one training, idle and beside two busy processes.

Run as `python benchmarks/waiting_threads.py` on an idle machine. A row is one setting of `GOMP_SPINCOUNT`, `spin` being
libgomp's own default and `passive` OMP_WAIT_POLICY=PASSIVE; each measurement is a process of its own, the settings are
interleaved round by round, medians count. Threads that spin while they wait answer at once and take the processor from
everybody else; threads that sleep cost a wake-up at each of the many small operations.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SETTINGS = ("spin", "passive", "1000", "10000", "30000", "100000", "300000")
BUSY = 2
"""Processes that compute on one thread each, beside the one that is measured."""


def main() -> None:
    options = _options()
    if options.train:
        print(_train(options.train, options.steps))
        return
    rows = []
    for model in options.models.split(","):
        seconds: dict[tuple[str, bool], list[float]] = {}
        for _ in range(options.rounds):
            for busy in (False, True):
                with _busy(BUSY * busy):
                    for setting in options.settings.split(","):
                        seconds.setdefault((setting, busy), []).append(_measure(model, setting, options.steps))
                        print(
                            model, setting, "busy" if busy else "idle", f"{seconds[setting, busy][-1]:.2f}", flush=True
                        )
        best = [
            min(statistics.median(each) for (_, busy), each in seconds.items() if busy is which)
            for which in (False, True)
        ]
        print(f"\n{model}\nsetting       idle s   of best    busy s   of best")
        for setting in options.settings.split(","):
            idle, busy = (statistics.median(seconds[setting, which]) for which in (False, True))
            rows.append(
                {"model": model, "setting": setting, "idle": seconds[setting, False], "busy": seconds[setting, True]}
            )
            print(f"{setting:<10} {idle:9.2f} {idle / best[0]:9.2f} {busy:9.2f} {busy / best[1]:9.2f}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


def _measure(model: str, setting: str, steps: int) -> float:
    """Seconds that a process with this setting trains, its start apart."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    }
    if setting != "spin":
        environment |= {"OMP_WAIT_POLICY": "PASSIVE"} if setting == "passive" else {"GOMP_SPINCOUNT": setting}
    command = [sys.executable, __file__, "--train", model, "--steps", str(steps)]
    return float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def _train(architecture: str, steps: int) -> float:
    import numpy as np
    import torch

    from mri_robust.models.classifier import build_model
    from mri_robust.training import FitSettings, fit

    torch.manual_seed(0)
    random = np.random.default_rng(0)
    images, labels = random.integers(0, 256, (32 * steps, 1, 56, 56), np.uint8), random.integers(0, 4, 32 * steps)
    model = build_model(architecture, classes=("a", "b", "c", "d"), image_size=56)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)
    settings = FitSettings(epochs=1, batch_size=32)
    fit(model, images[:64], labels[:64], optimizer=optimizer, settings=settings)
    began = time.perf_counter()
    fit(model, images, labels, optimizer=optimizer, settings=settings)
    return time.perf_counter() - began


@contextmanager
def _busy(count: int) -> Iterator[None]:
    """So many processes that never rest."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="cnn,resnet18")
    parser.add_argument("--settings", default=",".join(SETTINGS))
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--train", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
