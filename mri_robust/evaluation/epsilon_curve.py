"""Accuracy over epsilon in Python: one call, one table."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from mri_robust.attacks.evasion import ATTACKS
from mri_robust.attacks.evasion.epsilon_sweep import BATCH
from mri_robust.attacks.evasion.norms import check_ball
from mri_robust.core.intervals import wilson
from mri_robust.core.progress import OnImages
from mri_robust.core.validation import check_choice, check_images, check_labels, to_unit_range
from mri_robust.evaluation.robustness import CHUNK, predict_attacked
from mri_robust.evaluation.worst_case import WORST_CASE, WorstCase, find_worst
from mri_robust.models.external import as_classifier
from mri_robust.study.epsilon import EPSILONS, Norm

IMAGE_KEYS = ("image", "images", "img", "pixel_values", "x")
LABEL_KEYS = ("label", "labels", "target", "targets", "y")
"""What the entries of a batch that is a dict are called."""


def epsilon_curve(
    model: nn.Module,
    images: np.ndarray | Tensor | Iterable[Any],
    labels: np.ndarray | Tensor | Iterable[Any] | None = None,
    epsilons: float | Iterable[float] | None = None,
    *,
    attack: str | Callable[[float], Any] = "pgd",
    norm: Norm = "linf",
    early_stop: bool | str = False,
    seed: int = 0,
    on_image: OnImages | None = None,
) -> pd.DataFrame:
    """Robust accuracy of a model at each epsilon, a radius in a norm of the change of an image.

    Args:
        model: takes float32 images in [0, 1], gives logits, also in a dict, a tuple or an object with `.logits`, or one
            logit or probability of the second of two classes; left as it was.
        images: uint8 or floats in [0, 1], [N, C, H, W], an array (also a memory map), a tensor or a list of them, one
            per image; or with their labels, and then no `labels`: a DataLoader or a Dataset, whose batches or items are
            (images, labels, ...) or dicts, or one such pair.
        labels: whole numbers [N] or [N, 1].
        epsilons: one or several; 1, 2, 4 and 8 /255 in L-inf and .125, .25, .5 and 1 in L2 when None. 0, the clean
            accuracy, is always in the table.
        attack: a registered name (`fgsm`, `pgd`), `worst-case`, or anything that makes an attack of one size, such as a
            class, `lambda eps: PGD(eps, alpha=eps / 4, steps=10)` or `lambda eps: torchattacks.PGD(model, eps=eps)`;
            another package's takes (model, images, labels) or (images, labels), and a `generator=` if it likes.
        norm: `linf`, epsilon is the greatest change of a pixel, in [0, 1], or `l2`, it is the L2 norm of the change of
            an image whose pixels lie in [0, 1], at most 100. An attack by its name takes it; one that you make has its
            own.
        early_stop: count an image as fooled when any iterate at that epsilon or at a smaller one fools it, which takes
            far fewer gradients; else each epsilon is asked by itself and what the attack returns counts. Always so for
            `worst-case`. It may also say in which precision: `fp32`, as True does; `bf16`, in which images are crafted
            first, each success confirmed in float32, and then in float32 what stands; `auto` for that where the
            processor is fast at it.
        seed: of random starts.
        on_image: called with images done and images in all.

    Returns:
        One row per epsilon: `epsilon`, `accuracy`, `ci_low`, `ci_high` (95 % Wilson), `n`.

    Raises:
        TypeError, ValueError: images, labels, an epsilon, the norm, the attack or `early_stop` are not as said.
        UserError: no attack has that name, or it leaves the ball or [0, 1]; or the logits are not finite.
    """
    precision = "fp32" if isinstance(early_stop, bool) else early_stop
    check_choice("early_stop", precision, ("fp32", "bf16", "auto"))
    pixels, truth = labelled_images(images, labels)
    radii = radii_in(norm, epsilons)
    model, classes = _check_all(model, pixels, truth)
    where: dict[str, Any] = {"places": range(len(truth)), "seed": seed, "on_image": on_image}
    stages: list[Any]
    if attack == WORST_CASE:
        stages = [make for _, make in WorstCase((), 0, norm=norm).stages(classes)]
    else:
        stages = [_registered(attack, norm) if isinstance(attack, str) else _maker(attack)]
    if early_stop or attack == WORST_CASE:
        index = find_worst(model, pixels, truth, radii, stages, precision=precision, **where)["index"][-1]
        right = np.array([(index > place).sum() for place in range(-1, len(radii))])
    else:
        attacks = [None, *map(stages[0], radii)]
        right = (predict_attacked(model, pixels, truth, attacks, **where) == truth.numpy()).sum(1)
    low, high = zip(*(wilson(int(count), len(truth)) for count in right), strict=True)
    columns = {"epsilon": [0.0, *radii], "accuracy": right / len(truth), "ci_low": low, "ci_high": high}
    return pd.DataFrame({**columns, "n": len(truth)})


def radii_in(norm: Norm, epsilons: float | Iterable[float] | None, name: str = "epsilon") -> tuple[float, ...]:
    """One or several epsilons, rising, without 0; those of the norm when None.

    TypeError or ValueError, which calls them `name`, where the norm is unknown or one is no radius in it.
    """
    check_ball(0.0, norm, name)
    given = EPSILONS[norm] if epsilons is None else epsilons if isinstance(epsilons, Iterable) else [epsilons]
    radii = tuple(sorted({float(eps) for eps in given} - {0.0}))
    for eps in radii:
        check_ball(eps, norm, name)
    return radii


def _registered(name: str, norm: Norm) -> Callable[[float], Any]:
    """A registered attack in a norm; ValueError where it has but its own, and that is another."""
    attack: Callable[..., Any] = ATTACKS.load(name)
    if "norm" in inspect.signature(attack).parameters:
        return partial(attack, norm=norm)
    if norm != "linf":
        raise ValueError(f"attack '{name}' takes no norm: leave norm={norm!r} out")
    return attack


def _maker(attack: Any) -> Callable[[float], Any]:
    """What makes attacks; TypeError where it is an attack itself of a fixed size, or a class that needs a model."""
    given = list(inspect.signature(attack).parameters.values()) if callable(attack) else []
    needed = [each for each in given if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD]
    if not given or given[0].name == "model" or len(needed) > 1:
        raise TypeError(f"attack must make an attack from an epsilon, as `lambda eps: PGD(eps)` does, got {attack!r}")
    return attack


def labelled_images(images: Any, labels: Any = None) -> tuple[Any, Tensor]:
    """Images that can be sliced, and labels int64 [N]; a DataLoader is read to its end."""
    if labels is None:
        if isinstance(images, (np.ndarray, Tensor)):
            raise TypeError("labels are missing")
        if isinstance(images, Dataset):
            images = DataLoader(images, CHUNK)
        pair = isinstance(images, tuple) and len(images) == 2 and not isinstance(images[0], (tuple, list, Mapping))
        batches = [_pair(batch) for batch in ([images] if pair else images)]
        parts = ([torch.as_tensor(part) for part in side] for side in zip(*batches, strict=True))
        images, labels = (torch.cat(side) for side in parts) if batches else ((), ())
    elif isinstance(images, (list, tuple)) and len(images):
        images = torch.stack(
            [each.detach() if isinstance(each, Tensor) else torch.tensor(np.array(each)) for each in images]
        )
    truth = _class_numbers(labels)
    if len(images) != len(truth) or not len(truth):
        raise ValueError(f"need one label per image and at least one, got {len(images)} images, {len(truth)} labels")
    if isinstance(images, Tensor):  # NumPy knows neither gradients nor bfloat16
        images = images.detach().cpu()
        images = images.float() if images.is_floating_point() else images
    return images, truth


def _pair(batch: Any) -> tuple[Any, Any]:
    """Images and labels of a batch: its first two entries, or of a dict those that are called so."""
    if isinstance(batch, Mapping):
        sides = [[batch[key] for key in keys if key in batch] for keys in (IMAGE_KEYS, LABEL_KEYS)]
        if all(len(side) == 1 for side in sides):
            return sides[0][0], sides[1][0]
        raise TypeError(f"a batch must have one of {', '.join(IMAGE_KEYS)} and one of {', '.join(LABEL_KEYS)}")
    if not isinstance(batch, (tuple, list)) or len(batch) < 2:
        raise TypeError(f"a batch must be (images, labels) or a dict, got {type(batch).__name__}: give labels=")
    return batch[0], batch[1]


def _class_numbers(labels: Any) -> Tensor:
    """int64 [N] of whole numbers of any type, [N] or [N, 1]; TypeError or ValueError for others."""
    values = np.asarray(labels.detach().cpu() if isinstance(labels, Tensor) else labels)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        advice = ": of one-hot labels give labels.argmax(1)" if values.ndim == 2 else ""
        raise ValueError(f"labels must have shape [N], one class number per image, got {list(values.shape)}{advice}")
    if values.dtype.kind not in "iufb" or not np.array_equal(values, np.rint(values.astype(float))):
        raise TypeError(f"labels must be whole numbers, one class number per image, got {values.dtype} {values[:3]}")
    return torch.from_numpy(values.astype(np.int64))


def _check_all(model: nn.Module, images: Any, labels: Tensor) -> tuple[nn.Module, int]:
    """Check every image and label once; returns the model as one that gives logits, and the number of classes."""
    classes = 0
    for begin in range(0, len(labels), CHUNK):
        some = to_unit_range(images[begin : begin + CHUNK])
        check_images(some)
        if not classes:
            model, classes = as_classifier(model, some[:BATCH])
        check_labels(labels[begin : begin + CHUNK], some, classes)
    return model, classes
