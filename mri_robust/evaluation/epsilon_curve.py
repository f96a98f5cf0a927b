"""Accuracy over epsilon in Python: one call, one table."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from mri_robust.attacks.evasion import ATTACKS
from mri_robust.core.intervals import wilson
from mri_robust.core.progress import OnImages
from mri_robust.core.validation import check_choice, check_images, check_labels, check_number, class_count
from mri_robust.evaluation.robustness import CHUNK, WORST_CASE, WorstCase, find_worst, predict_attacked
from mri_robust.training import to_unit_range


def epsilon_curve(
    model: nn.Module,
    images: np.ndarray | Tensor | Iterable[tuple[Any, Any]],
    labels: np.ndarray | Tensor | None = None,
    epsilons: Sequence[float] = (1 / 255, 2 / 255, 4 / 255, 8 / 255),
    *,
    attack: str | Callable[[float], Any] = "pgd",
    early_stop: bool = False,
    precision: str = "fp32",
    seed: int = 0,
    on_image: OnImages | None = None,
) -> pd.DataFrame:
    """Robust accuracy of a model at each epsilon, an L-inf radius in pixels.

    Args:
        model: takes float32 images in [0, 1], gives logits; left as it was.
        images: uint8 or float32 in [0, 1], [N, C, H, W], an array (also a memory map) or a tensor; or a DataLoader of
            (images, labels), and then no `labels`.
        labels: integers [N].
        epsilons: each in [0, 1]; 0, the clean accuracy, is always in the table.
        attack: a registered name (`fgsm`, `pgd`), `worst-case`, or anything that makes an attack of one size, such as a
            class or `lambda eps: PGD(eps, alpha=eps / 4, steps=10)`.
        early_stop: count an image as fooled when any iterate at that epsilon or at a smaller one fools it, which takes
            far fewer gradients; else each epsilon is asked by itself and what the attack returns counts. Always so for
            `worst-case`.
        precision: with early stopping, `bf16` to craft in half precision first, each success confirmed in float32, and
            in float32 on what stands; `auto` where the processor is fast at it.
        seed: of random starts.
        on_image: called with images done and images in all.

    Returns:
        One row per epsilon: `epsilon`, `accuracy`, `ci_low`, `ci_high` (95 % Wilson), `n`.

    Raises:
        TypeError, ValueError: images, labels, an epsilon or the attack are not as said.
        UserError: no attack has that name, or it leaves the ball or [0, 1].
    """
    check_choice("precision", precision, ("fp32", "bf16", "auto"))
    pixels, truth = _arrays(images, labels)
    radii = sorted({float(eps) for eps in epsilons} - {0.0})
    for eps in radii:
        check_number("epsilon", eps, 0.0, 1.0, open_low=True)
    classes = _check_all(model, pixels, truth)
    where: dict[str, Any] = {"places": range(len(truth)), "seed": seed, "on_image": on_image}
    if attack == WORST_CASE:
        stages = [make for _, make in WorstCase((), 0).stages(classes)]
    else:
        stages = [ATTACKS.load(attack) if isinstance(attack, str) else attack]
    if early_stop or attack == WORST_CASE:
        index = find_worst(model, pixels, truth, radii, stages, precision=precision, **where)[-1, 0]
        right = np.array([(index > place).sum() for place in range(-1, len(radii))])
    else:
        attacks = [None, *map(stages[0], radii)]
        right = (predict_attacked(model, pixels, truth, attacks, **where) == truth.numpy()).sum(1)
    low, high = zip(*(wilson(int(count), len(truth)) for count in right), strict=True)
    columns = {"epsilon": [0.0, *radii], "accuracy": right / len(truth), "ci_low": low, "ci_high": high}
    return pd.DataFrame({**columns, "n": len(truth)})


def _arrays(images: Any, labels: Any) -> tuple[Any, Tensor]:
    """Images that can be sliced, and labels int64 [N]; a DataLoader is read to its end."""
    if labels is None:
        batches = list(images)
        images = torch.cat([torch.as_tensor(batch[0]) for batch in batches])
        labels = torch.cat([torch.as_tensor(batch[1]) for batch in batches])
    truth = torch.as_tensor(np.array(labels.cpu() if isinstance(labels, Tensor) else labels)).long()
    if len(images) != len(truth) or not len(truth):
        raise ValueError(f"need one label per image and at least one, got {len(images)} images, {len(truth)} labels")
    return images.cpu() if isinstance(images, Tensor) else images, truth


def _check_all(model: nn.Module, images: Any, labels: Tensor) -> int:
    """Check every image and label once; returns the number of classes."""
    classes = 0
    for begin in range(0, len(labels), CHUNK):
        some = to_unit_range(torch.as_tensor(np.asarray(images[begin : begin + CHUNK])))
        check_images(some)
        classes = classes or class_count(model, some)
        check_labels(labels[begin : begin + CHUNK], some, classes)
    return classes
