"""The engines that are timed: ours and the libraries', each asked as its users ask it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from work import BATCH, Work

from mri_robust import FGSM, PGD, as_art_classifier, epsilon_curve
from mri_robust.evaluation.worst_case import WORST_CASE

SWEEP = (0.001, 0.002, 0.005, 0.01, 0.1)
RADII = tuple(eps / 255 for eps in (1, 2, 4, 8))


@dataclass(frozen=True)
class Task:
    """A question that every engine answers: accuracy under an attack at each epsilon.

    Attributes:
        epsilons: L-inf radii in pixels.
        steps: of PGD, which begins at the image; 0 for FGSM.
        alpha: size of a step, at most epsilon; a quarter of epsilon when None.
        worst: PGD of 40 steps and 5 random starts, then APGD and Square on the survivors.
    """

    epsilons: tuple[float, ...]
    steps: int = 0
    alpha: float | None = None
    worst: bool = False

    def step_size(self, eps: float) -> float:
        return eps / 4 if self.alpha is None else min(self.alpha, eps)


TASKS = {
    "fgsm-sweep": Task(SWEEP),
    "pgd-sweep": Task(SWEEP, steps=5, alpha=0.001),
    "pgd10-sweep": Task(RADII, steps=10),
    "single-pgd": Task((4 / 255,), steps=20, alpha=1 / 255),
    "worst-case": Task(RADII, worst=True),
}
Accuracies = list[float]
Engine = Callable[[Task, Work], Accuracies]
"""Does the whole task and returns the accuracies it reports, one per epsilon."""


def ours(task: Task, work: Work, *, early_stop: bool = False, precision: str = "fp32") -> Accuracies:
    """`epsilon_curve`: what each attack returns counts, or, stopped early, any iterate."""

    def attack(eps: float) -> Any:
        return PGD(eps, alpha=task.step_size(eps), steps=task.steps, random_start=False) if task.steps else FGSM(eps)

    options: dict[str, Any] = {"attack": WORST_CASE if task.worst else attack, "early_stop": early_stop}
    curve = epsilon_curve(work.model, work.images, work.labels, task.epsilons, precision=precision, **options)
    return [float(value) for value in curve["accuracy"][1:]]


def by_art(task: Task, work: Work) -> Accuracies:
    from art.attacks.evasion import FastGradientMethod, ProjectedGradientDescent

    classifier = as_art_classifier(work.model, input_shape=tuple(work.images.shape[1:]))
    images, labels = work.images.cpu().numpy(), work.labels.cpu().numpy()
    found = []
    for eps in task.epsilons:
        attack: Any = FastGradientMethod(classifier, eps=eps, batch_size=BATCH)
        if task.steps:
            step = {"eps_step": task.step_size(eps), "max_iter": task.steps}
            attack = ProjectedGradientDescent(classifier, eps=eps, **step, batch_size=BATCH, verbose=False)
        found.append(work.accuracy(torch.from_numpy(attack.generate(images, y=labels)).to(work.images.device)))
    return found


def by_torchattacks(task: Task, work: Work) -> Accuracies:
    import torchattacks

    if task.worst:
        return [_torchattacks_worst(work, eps) for eps in task.epsilons]
    work.model.eval()
    found = []
    for eps in task.epsilons:
        attack = torchattacks.FGSM(work.model, eps=eps)
        if task.steps:
            step = {"alpha": task.step_size(eps), "steps": task.steps}
            attack = torchattacks.PGD(work.model, eps=eps, **step, random_start=False)
        found.append(work.accuracy(torch.cat([attack(images, labels) for images, labels in _batches(work)])))
    return found


def by_foolbox(task: Task, work: Work) -> Accuracies:
    import foolbox

    model = foolbox.PyTorchModel(work.model.eval(), bounds=(0, 1), device=work.images.device)
    found = []
    for eps in task.epsilons:
        attack: Any = foolbox.attacks.LinfFastGradientAttack(random_start=False)
        if task.steps:
            step = {"abs_stepsize": task.step_size(eps), "steps": task.steps}
            attack = foolbox.attacks.LinfPGD(**step, random_start=False)
        crafted = [attack(model, images, labels, epsilons=eps)[1] for images, labels in _batches(work)]
        found.append(work.accuracy(torch.cat(crafted)))
    return found


def engines_of(name: str) -> dict[str, Engine]:
    """Engine -> what it runs for a task, ours first."""
    early, half = partial(ours, early_stop=True), partial(ours, early_stop=True, precision="auto")
    if TASKS[name].worst:
        return {"native": early, "native, auto": half, "torchattacks": by_torchattacks}
    peers: dict[str, Engine] = {"art": by_art, "torchattacks": by_torchattacks, "foolbox": by_foolbox}
    stopped: dict[str, Engine] = {"native, stopped": early, "native, stopped, auto": half} if TASKS[name].steps else {}
    return {"native": ours, **stopped, **peers}


def _batches(work: Work) -> Iterator[tuple[Tensor, Tensor]]:
    return zip(work.images.split(BATCH), work.labels.split(BATCH), strict=True)


def _torchattacks_worst(work: Work, eps: float) -> float:
    """Every restart on every image that stands, then APGD-CE, APGDT and Square, as ours does."""
    import torchattacks

    pgd = partial(torchattacks.PGD, work.model, eps=eps, alpha=eps / 4, steps=40, random_start=True)
    attacks = [pgd() for _ in range(5)]
    attacks.append(torchattacks.APGD(work.model, eps=eps, steps=50))
    attacks.append(torchattacks.APGDT(work.model, eps=eps, steps=50, n_classes=4))
    attacks.append(torchattacks.Square(work.model, eps=eps, n_queries=1000))
    with torch.no_grad():
        standing = torch.cat([work.model(batch).argmax(1) for batch in work.images.split(BATCH)]) == work.labels
    for attack in attacks:
        for some in torch.nonzero(standing).flatten().split(BATCH):
            adversarial = attack(work.images[some], work.labels[some])
            work.model.eval()
            with torch.no_grad():
                standing[some] = work.model(adversarial).argmax(1) == work.labels[some]
    return float(standing.float().mean())
