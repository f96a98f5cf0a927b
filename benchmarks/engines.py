"""The engines that are timed: ours and the libraries', each asked as its users ask it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mri_robust import PGD, as_art_classifier
from mri_robust.core.eval_mode import eval_mode
from mri_robust.evaluation.curve import CurveSettings, measure_curve
from mri_robust.models.folded import attack_copy

EPSILONS = (0.001, 0.002, 0.005, 0.01, 0.1)
"""In pixels."""
STEPS, ALPHA = 5, 0.001
SINGLE_EPS, SINGLE_ALPHA, SINGLE_STEPS = 4 / 255, 1 / 255, 20
WORST_EPSILONS = tuple(eps / 255 for eps in (1, 2, 4, 8))
WORST_STEPS, RESTARTS = 40, 5
PEER_BATCH = 32
OUR_BATCH = 32
SINGLE_BATCH = 64

Accuracies = list[float]


@dataclass(frozen=True)
class Work:
    """A trained model with the images it is attacked on, float32 [N, C, H, W] in [0, 1], and labels int64 [N]."""

    model: nn.Module
    images: Tensor
    labels: Tensor

    def accuracy(self, images: Tensor) -> float:
        """Accuracy on `images` of the model itself."""
        with eval_mode(self.model), torch.no_grad():
            predicted = torch.cat([self.model(batch).argmax(1) for batch in images.split(PEER_BATCH)])
        return float((predicted == self.labels).float().mean())


Engine = Callable[[Work], Accuracies]
"""Does the whole task and returns the accuracies it reports, one an epsilon."""


def _curve(attack: str, precision: str = "fp32", worst: bool = False) -> Engine:
    def run(work: Work) -> Accuracies:
        settings = CurveSettings(
            attack=attack,
            steps=WORST_STEPS if worst else STEPS,
            alpha=None if worst else ALPHA,
            alpha_share=0.25 if worst else 1.0,
            restarts=RESTARTS,
            precision=precision,
            batch=OUR_BATCH,
        )
        radii = WORST_EPSILONS if worst else EPSILONS
        return measure_curve(work.model, work.images, work.labels, radii, settings).right.mean(1)[1:].tolist()

    return run


def _native_single(work: Work) -> Accuracies:
    attack = PGD(SINGLE_EPS, alpha=SINGLE_ALPHA, steps=SINGLE_STEPS, random_start=False)
    with eval_mode(work.model):
        fast = attack_copy(work.model, work.images[:2])
        batches = zip(work.images.split(SINGLE_BATCH), work.labels.split(SINGLE_BATCH), strict=True)
        crafted = torch.cat([attack.craft(fast, images, labels, None) for images, labels in batches])
    return [work.accuracy(crafted)]


def _art(attack: str) -> Engine:
    def run(work: Work) -> Accuracies:
        from art.attacks.evasion import FastGradientMethod, ProjectedGradientDescent

        shape = tuple(work.images.shape[1:])
        classifier = as_art_classifier(work.model, input_shape=shape)  # type: ignore[arg-type]
        images, labels = work.images.numpy(), work.labels.numpy()
        found = []
        for eps in (SINGLE_EPS,) if attack == "single" else EPSILONS:
            if attack == "fgsm":
                made = FastGradientMethod(classifier, eps=eps, batch_size=PEER_BATCH)
            else:
                alpha = SINGLE_ALPHA if attack == "single" else min(ALPHA, eps)
                steps = SINGLE_STEPS if attack == "single" else STEPS
                made = ProjectedGradientDescent(
                    classifier, eps=eps, eps_step=alpha, max_iter=steps, batch_size=PEER_BATCH, verbose=False
                )
            found.append(work.accuracy(torch.from_numpy(made.generate(images, y=labels))))
        return found

    return run


def _torchattacks(attack: str) -> Engine:
    def run(work: Work) -> Accuracies:
        import torchattacks

        work.model.eval()
        found = []
        for eps in {"single": (SINGLE_EPS,), "worst": WORST_EPSILONS}.get(attack, EPSILONS):
            if attack == "fgsm":
                made = torchattacks.FGSM(work.model, eps=eps)
            else:
                alpha = SINGLE_ALPHA if attack == "single" else min(ALPHA, eps)
                steps = SINGLE_STEPS if attack == "single" else STEPS
                made = torchattacks.PGD(work.model, eps=eps, alpha=alpha, steps=steps, random_start=False)
            if attack == "worst":
                found.append(_torchattacks_worst(work, eps))
                continue
            batches = zip(work.images.split(PEER_BATCH), work.labels.split(PEER_BATCH), strict=True)
            found.append(work.accuracy(torch.cat([made(images, labels) for images, labels in batches])))
        return found

    return run


def _torchattacks_worst(work: Work, eps: float) -> float:
    """Every restart on every image, then APGD-CE, APGDT and Square on those that stand, as ours does."""
    import torchattacks

    from mri_robust.evaluation.survivors import STRONG

    standing = torch.ones(len(work.labels), dtype=torch.bool)
    attacks = [
        torchattacks.PGD(work.model, eps=eps, alpha=eps / 4, steps=WORST_STEPS, random_start=True)
        for _ in range(RESTARTS)
    ]
    attacks += [
        getattr(torchattacks, name)(work.model, eps=eps, **options, **({"n_classes": 4} if name == "APGDT" else {}))
        for name, options in STRONG.items()
    ]
    with torch.no_grad():
        standing &= work.model(work.images).argmax(1) == work.labels
    for attack in attacks:
        places = torch.nonzero(standing).flatten()
        for some in places.split(PEER_BATCH):
            adversarial = attack(work.images[some], work.labels[some])
            work.model.eval()
            with torch.no_grad():
                standing[some] &= work.model(adversarial).argmax(1) == work.labels[some]
    return float(standing.float().mean())


def _foolbox(attack: str) -> Engine:
    def run(work: Work) -> Accuracies:
        import foolbox

        device = work.images.device
        model = foolbox.PyTorchModel(work.model.eval(), bounds=(0, 1), device=device)
        found = []
        for eps in (SINGLE_EPS,) if attack == "single" else EPSILONS:
            if attack == "fgsm":
                made = foolbox.attacks.LinfFastGradientAttack(random_start=False)
            else:
                alpha = SINGLE_ALPHA if attack == "single" else min(ALPHA, eps)
                steps = SINGLE_STEPS if attack == "single" else STEPS
                made = foolbox.attacks.LinfPGD(abs_stepsize=alpha, steps=steps, random_start=False)
            batches = zip(work.images.split(PEER_BATCH), work.labels.split(PEER_BATCH), strict=True)
            crafted = [made(model, images, labels, epsilons=eps)[1] for images, labels in batches]
            found.append(work.accuracy(torch.cat(crafted)))
        return found

    return run


TASKS: dict[str, dict[str, Engine]] = {
    "fgsm-sweep": {
        "native": _curve("fgsm"),
        "art": _art("fgsm"),
        "torchattacks": _torchattacks("fgsm"),
        "foolbox": _foolbox("fgsm"),
    },
    "pgd-sweep": {
        "native": _curve("pgd"),
        "native-bf16": _curve("pgd", "bf16"),
        "art": _art("pgd"),
        "torchattacks": _torchattacks("pgd"),
        "foolbox": _foolbox("pgd"),
    },
    "single-pgd": {
        "native": _native_single,
        "art": _art("single"),
        "torchattacks": _torchattacks("single"),
        "foolbox": _foolbox("single"),
    },
    "worst-case": {
        "native": _curve("worst-case", worst=True),
        "native-bf16": _curve("worst-case", "bf16", worst=True),
        "torchattacks": _torchattacks("worst"),
    },
}
"""Task -> engine -> what it runs."""
