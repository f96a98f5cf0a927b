"""Adversarial Robustness Toolbox: our models as its classifiers, our attacks' parameters as its attacks."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar
from unittest import mock

import numpy as np
import torch
from art.attacks.evasion import (
    AutoProjectedGradientDescent,
    FastGradientMethod,
    ProjectedGradientDescentPyTorch,
    UniversalPerturbation,
    auto_projected_gradient_descent,
)
from art.attacks.poisoning import PoisoningAttackBackdoor
from art.estimators.classification import PyTorchClassifier
from torch import Tensor, nn

from mri_robust.adapters import single_start
from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.core.rng import seeded_globals
from mri_robust.core.validation import class_count

Images = TypeVar("Images", Tensor, np.ndarray)
Trigger = Callable[..., Any]
"""(array [..., H, W] of uint8, or of floats in [0, 1], generator) -> a stamped copy."""


DEEPFOOL_STEPS = 20
"""Of the DeepFool inside ART's universal perturbation, where most images need fewer than five."""


def as_art_classifier(
    model: nn.Module,
    *,
    nb_classes: int | None = None,
    input_shape: Sequence[int] | None = None,
    loss: nn.Module | None = None,
    **options: Any,
) -> PyTorchClassifier:
    """Wrap a model, which gives logits and stays on its device, as an ART classifier, for any ART attack or defence.

    Args:
        nb_classes: number of classes; that of `model.classes` when None, ValueError where the model has none.
        input_shape: (C, H, W); from `model.image_size` and `model.channels` when None, ValueError where it has none.
        loss: cross entropy when None.
        options: of ART's `PyTorchClassifier`: `optimizer`, needed only to train through ART, `preprocessing_defences`,
            `clip_values`, the range of a pixel, (0, 1) unless told, ...

    Images in float64, as some of ART's attacks and preprocessors give them, are cast to float32.
    """
    if nb_classes is None:
        if not hasattr(model, "classes"):
            raise ValueError("the model states no .classes: give nb_classes=")
        nb_classes = len(model.classes)  # type: ignore[arg-type]
    if input_shape is None:
        if not hasattr(model, "image_size"):
            raise ValueError("the model states no .image_size: give input_shape=(channels, height, width)")
        side = int(model.image_size)  # type: ignore[arg-type]
        input_shape = (3 if getattr(model, "channels", "rgb") == "rgb" else 1, side, side)
    known = {"clip_values": (0.0, 1.0), "device_type": "gpu" if device_of(model).type == "cuda" else "cpu"}
    return _Float32Classifier(
        model, loss or nn.CrossEntropyLoss(), tuple(input_shape), nb_classes, **{**known, **options}
    )


def classifier_for(model: nn.Module, images: Tensor, *, softmax: bool = False, **options: Any) -> PyTorchClassifier:
    """`as_art_classifier` for images like these, [N, C, H, W]; with `softmax` it answers probabilities."""
    if "nb_classes" not in options:
        classes: Any = getattr(model, "classes", None)  # asking the model would count as a query
        options["nb_classes"] = len(classes) if classes is not None else class_count(model, images)
    answers = nn.Sequential(model, nn.Softmax(1)) if softmax else model
    return as_art_classifier(answers, input_shape=images.shape[1:], **options)


def craft(attack: Any, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None) -> Tensor:
    """Adversarial images by ART's version of a native attack of one run, on one batch: `FGSM`, `PGD`, or `APGD` with
    cross entropy, which ART does not run as the paper has it, see `evaluation.comparison`.

    Arguments and result are those of `Attack.craft`; the model and torch's global generator are left as they were.
    ValueError where ART has no such attack or option.
    """
    name = type(attack).__name__
    if name == "APGD" and start is not None and len(start) == 1 and attack.loss == "ce":
        return _apgd(attack, model, images, labels, start)
    if name not in ("FGSM", "PGD"):
        raise ValueError(f"engine 'art' has no {attack}")
    norm = np.inf if attack.norm == "linf" else 2
    options = {"eps": attack.eps, "norm": norm, "targeted": attack.targeted, "batch_size": len(images)}
    # ART clips and then projects into the ball, so bounds narrower than [0, 1] are applied at the end instead.
    at_end = getattr(attack, "clip", "before") == "end" or attack.bounds != (0.0, 1.0)
    with eval_mode(model):
        classifier = classifier_for(model, images, clip_values=None if at_end else attack.bounds)
        if name == "FGSM":
            generator = FastGradientMethod(classifier, **options)
        else:
            options |= {"eps_step": attack.step_size, "max_iter": attack.steps}
            generator = _InjectedStartPGD(classifier, start=single_start("art", attack, images, start), **options)
        with torch.enable_grad(), torch.random.fork_rng(devices=[]):  # its data loader draws a seed
            adversarial = generator.generate(images.cpu().numpy(), y=labels.cpu().numpy())
    result = torch.from_numpy(adversarial).to(images.device)
    return result.clamp(*attack.bounds) if at_end else result


def _apgd(attack: Any, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor) -> Tensor:
    """ART's own, begun where the native attack begins in place of a point that it draws."""
    options = {"eps": attack.eps, "eps_step": 2 * attack.eps, "max_iter": attack.steps, "batch_size": len(images)}
    options |= {"norm": np.inf if attack.norm == "linf" else 2, "loss_type": "cross_entropy", "nb_random_init": 1}
    with eval_mode(model), torch.enable_grad(), torch.random.fork_rng(devices=[]):
        right = model(images).argmax(1) == labels  # the others are not attacked
        offset = (attack.begun(images[right], start[0, right]) - images[right]).cpu().numpy()
        with mock.patch.object(
            auto_projected_gradient_descent, "random_sphere", lambda *size: np.resize(offset, size[:2])
        ):
            apgd = AutoProjectedGradientDescent(classifier_for(model, images), verbose=False, **options)
            adversarial = apgd.generate(images.cpu().numpy(), y=labels.cpu().numpy())
    return torch.from_numpy(adversarial).to(images.device)


def fit_universal(attack: Any, model: nn.Module, images: Tensor, labels: Tensor, *, passes: int, seed: int) -> Tensor:
    """One perturbation, float32 [1, C, H, W], by ART's `UniversalPerturbation` with the ball of a native `Universal`.

    It goes through the images [N, C, H, W] one by one, for at most so many passes or until 80 % are fooled, and adds
    what DeepFool needs for the next that still stands. Labels are the true ones, int64 [N]; `seed` decides the order,
    which ART draws from Python's own generator. ART calls an image fooled where it is not called by its label, which
    is why labels are given, and one-hot, as it refuses numbers where there are two classes. ValueError for targets.
    """
    if attack.targeted:
        raise ValueError("ART's UniversalPerturbation has no targets")
    with eval_mode(model), torch.enable_grad(), seeded_globals(seed):
        classifier = classifier_for(model, images)
        norm, inner = np.inf if attack.norm == "linf" else 2, {"verbose": False, "max_iter": DEEPFOOL_STEPS}
        options: dict[str, Any] = {"eps": attack.eps, "norm": norm, "max_iter": passes, "verbose": False}
        universal = UniversalPerturbation(classifier, attacker="deepfool", attacker_params=inner, **options)
        universal.generate(images.cpu().numpy(), y=np.eye(classifier.nb_classes)[labels.cpu().numpy()])
    return torch.from_numpy(np.asarray(universal.noise, dtype=np.float32)).to(images.device)


class _Float32Classifier(PyTorchClassifier):
    """ART's classifier, which hands images to the model in float32."""

    def _apply_preprocessing(self, x: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        x, y = super()._apply_preprocessing(_single(x), *args, **kwargs)
        return _single(x), y


def _single(images: Any) -> Any:
    if images is None or images.dtype not in (np.float64, torch.float64):
        return images
    return images.float() if isinstance(images, Tensor) else images.astype(np.float32)


class _InjectedStartPGD(ProjectedGradientDescentPyTorch):
    """ART's PGD on one batch, begun at a given point instead of a drawn one."""

    def __init__(self, *args: Any, start: Tensor, **kwargs: Any) -> None:
        super().__init__(*args, num_random_init=0, verbose=False, **kwargs)
        self._start = start

    def _compute_pytorch(self, x: Tensor, *rest: Any) -> Tensor:
        return super()._compute_pytorch(x if self._i_max_iter else self._start.to(x.device), *rest)


def as_art_backdoor(trigger: Trigger, *, generator: torch.Generator | None = None) -> PoisoningAttackBackdoor:
    """A trigger as ART's backdoor attack (Gu et al. 2017, arXiv 1708.06733), for any ART attack or defence."""
    return PoisoningAttackBackdoor(partial(trigger, generator=generator))


def stamp(trigger: Trigger, images: Images, *, generator: torch.Generator | None = None) -> Images:
    """A copy of images [N, C, H, W], uint8 or floats in [0, 1], stamped by ART's backdoor attack; of the same type.

    TypeError or ValueError where the trigger refuses the images, or there are none.
    """
    pixels = images.detach().cpu().numpy() if isinstance(images, Tensor) else images
    # ART wants the labels too, and only hands them back.
    stamped, _ = as_art_backdoor(trigger, generator=generator).poison(pixels, y=np.zeros(len(pixels)))
    return torch.from_numpy(stamped).to(images.device) if isinstance(images, Tensor) else stamped
