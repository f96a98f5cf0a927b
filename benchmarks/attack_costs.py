"""What each attack costs: passes through the model and seconds of one core, and what it leaves right.

Run as `python benchmarks/attack_costs.py --data brain-tumor-mri.zip --checkpoint FILE`. Every evasion attack is called
by itself, at 4/255, on all images, also those that are wrong: inside the worst case later attacks see fewer. Passes are
per image, counted around the model. Seconds are those that the process computed, on one thread, so that other work on
the machine changes them little. Training-time attacks are measured as what one step takes more.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from work import BATCH, Work, load_work

from mri_robust.attacks.evasion.effort import Counted, Effort
from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.fmn import FMN
from mri_robust.attacks.evasion.norms import distance
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.attacks.evasion.random_search import RandomSearch
from mri_robust.attacks.poisoning.creeper import Creeper
from mri_robust.attacks.privacy.extraction import Extraction
from mri_robust.attacks.privacy.inversion import Inversion
from mri_robust.attacks.privacy.membership import membership_scores
from mri_robust.attacks.training_time.drunk_optimizer import DrunkOptimizer
from mri_robust.attacks.training_time.fooling_loss import FoolingLoss
from mri_robust.attacks.training_time.noisy_loss import NoisyLoss
from mri_robust.data.dataset import Dataset
from mri_robust.evaluation.worst_case import WorstCase
from mri_robust.models.classifier import build_model

EPS = 4 / 255
STEPS = 10  # training steps that an optimizer's cost is the mean of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--images", type=int, default=16)
    options = parser.parse_args()
    torch.set_num_threads(1)
    work, dataset = load_work(options.data, "", options.checkpoint, 0, options.images, torch.device("cpu"))
    print("| attack | gradients | forward passes | seconds an image | right afterwards |\n|---|---:|---:|---:|---:|")
    for name, attack in evasions(len(dataset.classes)):
        effort = Effort()
        seconds, reached = timed(partial(attack, Counted(work.model, effort), work.images, work.labels))
        right = work.accuracy(torch.where(_within(reached, work), reached, work.images))
        count = len(work.labels)
        passes = f"{effort.gradients / count:.0f} | {effort.forwards / count:.0f}"
        print(f"| {name} | {passes} | {seconds / count:.3f} | {right:.3f} |", flush=True)
    print("\n| attack | of what | seconds |\n|---|---|---:|")
    for name, what, seconds in others(work, dataset):
        print(f"| {name} | {what} | {seconds:.4f} |", flush=True)


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that this process computed, and what the call returned."""
    began = time.process_time()
    found = call()
    return time.process_time() - began, found


def evasions(classes: int) -> Iterator[tuple[str, Any]]:
    """(name, attack at 4/255) of those that the house has, and of the libraries' that the worst case takes."""
    stages = WorstCase((EPS,), 1, budget="standard").stages(classes)
    made = {name: make if isinstance(make, FMN) else make(EPS) for name, make in stages}
    yield "FGSM", FGSM(EPS)
    yield "PGD, 10 steps", PGD(EPS, steps=10)
    yield "PGD, 40 steps, 5 restarts", partial(made["pgd"], generator=torch.Generator())
    yield "APGD, 100 steps", partial(made["apgd"], generator=torch.Generator())
    yield "APGD, targeted, 100 steps each", partial(made["apgdt"], generator=torch.Generator())
    yield "FMN, 30 steps", FMN(steps=30)
    yield "FMN, 100 steps", made["fmn"]
    yield "FAB (torchattacks)", made["fab"]
    yield "Square (torchattacks), 5000 queries", made["square"]
    yield "RandomSearch, 40 queries", partial(RandomSearch(EPS), generator=torch.Generator())


def _within(reached: torch.Tensor, work: Work) -> torch.Tensor:
    """Whether each image lies in the ball, bool [N, 1, 1, 1]: FMN and FAB go as far as they need."""
    return (distance(reached - work.images, "linf") <= EPS + 1e-6).view(-1, 1, 1, 1)


def others(work: Work, dataset: Dataset) -> Iterator[tuple[str, str, float]]:
    """(attack, of what, seconds) of poisoning, training-time and privacy attacks."""
    images = np.ascontiguousarray(dataset.train.images[:1000])
    yield "Creeper", "stamping 1000 images", timed(lambda: Creeper()(images))[0]
    logits, labels = torch.randn(BATCH, len(dataset.classes), requires_grad=True), torch.arange(BATCH) % 2
    plain, *spoilt = (
        sum(timed(lambda loss=loss: loss(logits, labels).backward())[0] for _ in range(1000)) / 1000
        for loss in (nn.CrossEntropyLoss(), NoisyLoss(1.0), FoolingLoss(0))
    )
    for name, seconds in zip(("NoisyLoss", "FoolingLoss"), spoilt, strict=True):
        yield name, f"a step, more than cross entropy ({BATCH} images)", seconds - plain
    network = build_model("cnn", classes=dataset.classes, image_size=dataset.size, channels=dataset.channels)
    adam = torch.optim.Adam(network.parameters(), fused=True)
    nn.functional.cross_entropy(network(work.images), work.labels).backward()
    drunk = DrunkOptimizer(adam, scale=1.0, perturbation=1.0)
    base, more = (timed(lambda each=each: [each.step() for _ in range(STEPS)])[0] / STEPS for each in (adam, drunk))
    count = sum(each.numel() for each in network.parameters()) / 1e6
    yield "DrunkOptimizer", f"a step, more than Adam ({count:.1f} million parameters)", more - base
    attack, generator = Extraction("noise", 1000), torch.Generator()
    queries = attack.draw(dataset.train.images, generator)
    steal = partial(attack, lambda some: work.model(some).softmax(1), network, queries, generator=generator)
    yield "Extraction", f"1000 queries, {attack.epochs(1000) * 32} updates of 32", timed(steal)[0]
    start, classes = torch.full((len(dataset.classes), *work.images.shape[1:]), 0.5), torch.arange(len(dataset.classes))
    invert = partial(Inversion(60, step=1 / 255, smoothing=1.0), work.model, start, classes)
    yield "Inversion", "60 steps, an image of each class", timed(invert)[0]
    score = partial(membership_scores, work.model, work.images, work.labels)
    yield "Membership by loss", "an image", timed(score)[0] / len(work.labels)


if __name__ == "__main__":
    main()
