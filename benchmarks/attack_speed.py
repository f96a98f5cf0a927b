"""Our attacks against the libraries', on the same trained model and images: seconds, ratios, memory, accuracies.

Run as `python benchmarks/attack_speed.py --data brain-tumor-mri.zip`. Engines are interleaved round by round; medians
count. The floor is the number of input gradients and forward passes that the task needs when nothing is stopped early,
times the measured time of one of each on the attack's copy of the model. Peak memory is that of a process that runs one
engine alone.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
import training_speed
from engines import TASKS, engines_of
from peak import peak_mb
from work import BATCH, Work, load_work

from mri_robust.attacks.evasion.attack import loss_gradient
from mri_robust.core.eval_mode import eval_mode
from mri_robust.core.machine import keep_freed_memory
from mri_robust.models.folded import attack_copy

DEFAULT_TASKS = "fgsm-sweep,pgd-sweep,pgd10-sweep,single-pgd,training"
PEERS = ("art", "torchattacks", "foolbox", "adv_lib")


def main() -> None:
    options = _options()
    keep_freed_memory()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    work, dataset = load_work(
        options.data, options.model, options.checkpoint, options.image_size, options.images, device
    )
    if options.alone:
        task, engine = options.alone.split(":")
        before = peak_mb()
        engines_of(task)[engine](TASKS[task], work)
        print(json.dumps({"peak_mb": peak_mb(), "before_mb": before}))
        return
    rows: list[dict[str, Any]] = []
    for task in options.tasks.split(","):
        before = len(rows)
        if task in TASKS:
            rows += _attack_task(task, work, options)
        elif task == "training":
            rows += _training_task(dataset, options)
        elif task == "adversarial-training":
            seconds = [
                training_speed.adversarial_epoch(dataset, options.model, dataset.size) for _ in range(options.rounds)
            ]
            rows.append(_row(task, "native", seconds, None, None, None, []))
        else:
            sys.exit(f"unknown task '{task}': known are {', '.join(TASKS)}, training, adversarial-training")
        _print(rows[before:])
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


def _attack_task(task: str, work: Work, options: argparse.Namespace) -> list[dict[str, Any]]:
    left_out = options.without.split(",")
    engines = {name: partial(run, TASKS[task]) for name, run in engines_of(task).items() if name not in left_out}
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    accuracies: dict[str, list[float]] = {}
    passes: list[tuple[float, float]] = []
    for run in engines.values() if options.warm else ():  # libraries prepare convolutions at the first call
        run(work)
    for _ in range(options.rounds):
        passes.append(_pass_seconds(work))
        for name, run in engines.items():
            began = time.perf_counter()
            accuracies[name] = run(work)
            _synchronise()
            seconds[name].append(time.perf_counter() - began)
    floor = _floor(task, statistics.median(p[0] for p in passes), statistics.median(p[1] for p in passes))
    peers = [name for name in engines if name in PEERS]
    memory = {name: _peak(task, name, options) for name in engines} if options.memory else {}

    def best_peer(name: str) -> float | None:
        """Of those that leave the same accuracy or more: who leaves less has a stronger attack."""
        level = [peer for peer in peers if sum(accuracies[peer]) >= sum(accuracies[name]) - 1e-9]
        return min((statistics.median(seconds[peer]) for peer in level), default=None)

    return [
        _row(task, name, seconds[name], best_peer(name), floor, memory.get(name), accuracies[name]) for name in engines
    ]


def _pass_seconds(work: Work) -> tuple[float, float]:
    """Seconds of one input gradient, and of one forward pass, of all images on the attack's copy."""
    with eval_mode(work.model):
        fast = attack_copy(work.model, work.images[:2])
        batches = list(zip(work.images.split(BATCH), work.labels.split(BATCH), strict=True))
        loss_gradient(fast, *batches[0])
        began = time.perf_counter()
        for images, labels in batches:
            loss_gradient(fast, images, labels)
        _synchronise()
        middle = time.perf_counter()
        with torch.no_grad():
            for images, _ in batches:
                fast(images)
        _synchronise()
        return middle - began, time.perf_counter() - middle


def _floor(task: str, gradient: float, forward: float) -> float | None:
    epsilons, steps = len(TASKS[task].epsilons), TASKS[task].steps
    if task == "fgsm-sweep":
        return gradient + epsilons * forward
    return epsilons * (steps * gradient + forward) if steps else None


def _training_task(dataset: Any, options: argparse.Namespace) -> list[dict[str, Any]]:
    runs = {"native": training_speed.native, "plain loop": training_speed.plain_loop}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(options.rounds):
        for name, run in runs.items():
            seconds[name].append(run(dataset, options.model, dataset.size))
    peer = statistics.median(seconds["plain loop"])
    return [_row("training", name, found, peer, None, None, []) for name, found in seconds.items()]


def _row(
    task: str,
    engine: str,
    seconds: list[float],
    peer: float | None,
    floor: float | None,
    peak: float | None,
    accuracies: list[float],
) -> dict[str, Any]:
    median = statistics.median(seconds)
    return {
        "task": task,
        "engine": engine,
        "seconds": round(median, 3),
        "rounds": [round(value, 3) for value in seconds],
        "ratio_to_best_peer": None if peer is None else round(peer / median, 2),
        "ratio_to_floor": None if floor is None else round(median / floor, 2),
        "peak_mb": peak,
        "accuracies": [round(value, 4) for value in accuracies],
    }


def _peak(task: str, engine: str, options: argparse.Namespace) -> float:
    """Peak megabytes of a process of its own that runs one engine once."""
    command = [sys.executable, __file__, *sys.argv[1:], "--alone", f"{task}:{engine}"]
    made = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(json.loads(made.stdout.strip().splitlines()[-1])["peak_mb"])


def _synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _print(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        peer = "" if row["ratio_to_best_peer"] is None else f"{row['ratio_to_best_peer']:6.2f}x best peer"
        floor = "" if row["ratio_to_floor"] is None else f"{row['ratio_to_floor']:6.2f}x floor"
        peak = "" if row["peak_mb"] is None else f"{row['peak_mb']:6.0f} MB"
        print(
            f"{row['task']:<12} {row['engine']:<21} {row['seconds']:8.2f} s {row['rounds']} {peer} {floor} {peak} "
            f"{row['accuracies']}",
            flush=True,
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="phantom", help="phantom, a folder or a .zip")
    parser.add_argument("--model", choices=["cnn", "resnet18"], default="cnn")
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--tasks", default=DEFAULT_TASKS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--without", default="", help="engines to leave out, separated by commas")
    parser.add_argument("--cold", dest="warm", action="store_false", help="leave out the unmeasured round")
    parser.add_argument("--no-memory", dest="memory", action="store_false")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
