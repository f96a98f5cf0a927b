"""The engines that are timed: ours and the libraries', each asked as its users ask it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
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
        autoattack: AutoAttack in place of PGD: ours is the worst case's standard budget; torchattacks' as it stands,
            whose gradient attacks take 10 steps each; ART's four attacks with one restart and 100 steps each.
    """

    epsilons: tuple[float, ...]
    steps: int = 0
    alpha: float | None = None
    autoattack: bool = False

    def step_size(self, eps: float) -> float:
        return eps / 4 if self.alpha is None else min(self.alpha, eps)


TASKS = {
    "fgsm-sweep": Task(SWEEP),
    "pgd-sweep": Task(SWEEP, steps=5, alpha=0.001),
    "pgd10-sweep": Task(RADII, steps=10),
    "single-pgd": Task((4 / 255,), steps=20, alpha=1 / 255),
    "autoattack": Task((4 / 255,), autoattack=True),
}
Accuracies = list[float]
Engine = Callable[[Task, Work], Accuracies]
"""Does the whole task and returns the accuracies it reports, one per epsilon."""


def ours(task: Task, work: Work, *, early_stop: bool | str = False) -> Accuracies:
    """`epsilon_curve`: what each attack returns counts, or, stopped early, any iterate."""

    def attack(eps: float) -> Any:
        return PGD(eps, alpha=task.step_size(eps), steps=task.steps, random_start=False) if task.steps else FGSM(eps)

    options: dict[str, Any] = {"attack": WORST_CASE if task.autoattack else attack, "early_stop": early_stop}
    curve = epsilon_curve(work.model, work.images, work.labels, task.epsilons, **options)
    return [float(value) for value in curve["accuracy"][1:]]


def by_art(task: Task, work: Work) -> Accuracies:
    from art.attacks.evasion import AutoAttack, FastGradientMethod, ProjectedGradientDescent

    classifier = as_art_classifier(work.model, input_shape=tuple(work.images.shape[1:]))
    images, labels = work.images.cpu().numpy(), work.labels.cpu().numpy()
    found = []
    for eps in task.epsilons:
        attack: Any = FastGradientMethod(classifier, eps=eps, batch_size=BATCH)
        if task.steps:
            step = {"eps_step": task.step_size(eps), "max_iter": task.steps}
            attack = ProjectedGradientDescent(classifier, eps=eps, **step, batch_size=BATCH, verbose=False)
        if task.autoattack:
            attack = AutoAttack(classifier, eps=eps, attacks=_of_autoattack(classifier, eps), batch_size=BATCH)
        found.append(work.accuracy(torch.from_numpy(attack.generate(images, y=labels)).to(work.images.device)))
    return found


def by_torchattacks(task: Task, work: Work) -> Accuracies:
    import torchattacks

    work.model.eval()
    found = []
    for eps in task.epsilons:
        attack = torchattacks.FGSM(work.model, eps=eps)
        if task.steps:
            step = {"alpha": task.step_size(eps), "steps": task.steps}
            attack = torchattacks.PGD(work.model, eps=eps, **step, random_start=False)
        if task.autoattack:
            attack = torchattacks.AutoAttack(work.model, eps=eps, n_classes=int(work.labels.max()) + 1, seed=0)
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


def by_adv_lib(task: Task, work: Work) -> Accuracies:
    from adv_lib.attacks import pgd_linf

    work.model.eval()
    found = []
    for eps in task.epsilons:
        step = {"steps": task.steps, "absolute_step_size": task.step_size(eps)}
        attack = partial(pgd_linf, work.model, ε=eps, **step, random_init=False)
        found.append(work.accuracy(torch.cat([attack(images, labels) for images, labels in _batches(work)])))
    return found


def engines_of(name: str) -> dict[str, Engine]:
    """Engine -> what it runs for a task, ours first; of the libraries those that are installed."""
    early, half = partial(ours, early_stop=True), partial(ours, early_stop="auto")
    peers: dict[str, Engine] = {"art": by_art, "torchattacks": by_torchattacks}
    if TASKS[name].autoattack:
        return {"native": early, "native, auto": half, **peers}
    peers |= {"foolbox": by_foolbox} if find_spec("foolbox") else {}
    if not TASKS[name].steps:
        return {"native": ours, **peers}
    peers |= {"adv_lib": by_adv_lib} if find_spec("adv_lib") else {}
    stopped: dict[str, Engine] = {"native, stopped": early, "native, stopped, auto": half}
    return {"native": ours, **stopped, **peers}


def _of_autoattack(classifier: Any, eps: float) -> list[Any]:
    from art.attacks.evasion import AutoProjectedGradientDescent, DeepFool, SquareAttack

    once = {"eps": eps, "nb_random_init": 1, "batch_size": BATCH, "verbose": False}
    gradients = [
        AutoProjectedGradientDescent(classifier, eps_step=2 * eps, loss_type=loss, **once)
        for loss in ("cross_entropy", "difference_logits_ratio")
    ]
    far = DeepFool(classifier, nb_grads=4, batch_size=BATCH, verbose=False)
    return [*gradients, far, SquareAttack(classifier, eps=eps, max_iter=5000, batch_size=BATCH, verbose=False)]


def _batches(work: Work) -> Iterator[tuple[Tensor, Tensor]]:
    return zip(work.images.split(BATCH), work.labels.split(BATCH), strict=True)
