"""Seconds of one training step by part, forward, backward and Adam: the CNN at the study's size and batch.

Run as `python benchmarks/step_parts.py` on an idle machine. Each row is a process of its own, `plain` one that gives
freed memory back to the system, as PyTorch's own loop does, and `kept` one that keeps it, as `fit` and the commands do.
Medians of 25 steps; rounds are interleaved.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections import defaultdict

import torch
from torch.nn.functional import cross_entropy

from mri_robust.core.machine import keep_freed_memory
from mri_robust.models.architectures.cnn import cnn

STEPS = 25


def main() -> None:
    """Print a row for each number format and way to treat memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", nargs=2, metavar=("MEMORY", "PRECISION"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(step_parts(options.size, options.batch, *options.measure)))
        return
    rows = [(memory, precision) for precision in ("fp32", "bf16") for memory in ("plain", "kept")]
    found = defaultdict(list)
    for _ in range(options.rounds):
        for row in rows:
            size = ["--size", str(options.size), "--batch", str(options.batch)]
            command = [sys.executable, __file__, *size, "--measure", *row]
            found[row].append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    print("| memory | precision | forward | backward | Adam | step |\n|---|---|---:|---:|---:|---:|")
    for row in rows:
        parts = [statistics.median(each[part] for each in found[row]) for part in ("forward", "backward", "adam")]
        print(f"| {' | '.join(row)} | {' | '.join(f'{1000 * each:.0f}' for each in (*parts, sum(parts)))} |")


def step_parts(size: int, batch: int, memory: str, precision: str) -> dict[str, float]:
    """Median seconds of each part of a step."""
    if memory == "kept":
        keep_freed_memory()
    torch.manual_seed(0)
    model = cnn(4, size).to(memory_format=torch.channels_last)
    adam = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)
    images = torch.rand(batch, 3, size, size).to(memory_format=torch.channels_last)
    labels, times = torch.randint(0, 4, (batch,)), defaultdict(list)
    for _ in range(STEPS):
        clock = [time.perf_counter()]
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            logits = model(images)
        clock.append(time.perf_counter())
        adam.zero_grad(set_to_none=True)
        cross_entropy(logits.float(), labels).backward()
        clock.append(time.perf_counter())
        adam.step()
        clock.append(time.perf_counter())
        for part, begin, end in zip(("forward", "backward", "adam"), clock, clock[1:], strict=False):
            times[part].append(end - begin)
    return {part: statistics.median(each) for part, each in times.items()}


if __name__ == "__main__":
    main()
