"""ART's model inversion, MIFace (Fredrikson et al. 2015, doi 10.1145/2810103.2813677), without its stops.

What ART 1.20.1 does, seen in runs, and what is done about it here: a class goes on while its cost, 1 less what the
classifier gives for it, is at *most* the threshold, or at least the greatest of the window. On logits the cost of a
class that the model does not see is above the default .99, so that it freezes after its first step. At an infinite
threshold every class goes through all steps, whatever the window is.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from art.attacks.inference.model_inversion import MIFace
from torch import Tensor, nn

from mri_robust.adapters.art import as_art_classifier
from mri_robust.core.eval_mode import eval_mode
from mri_robust.core.validation import class_count


def invert(attack: Any, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """An image of each class by ART's version of a native `Inversion`; the result is as its own.

    Args:
        attack: an `Inversion` with the loss `probability` or `logit`, without smoothing and not scaled.
        model: takes pixels in [0, 1], gives logits; left as it was.
        images: float32 [N, C, H, W] in [0, 1], where each reconstruction begins.
        labels: int64 [N], the classes.

    Raises:
        ValueError: ART has no such inversion.
    """
    if attack.loss == "cross-entropy" or attack.smoothing or attack.scaled:
        raise ValueError(f"ART's MIFace climbs the plain gradient of a probability or a logit, not that of {attack}")
    answers = nn.Sequential(model, nn.Softmax(1)) if attack.loss == "probability" else model
    with eval_mode(model), torch.enable_grad():
        classifier = as_art_classifier(
            answers,
            nb_classes=class_count(model, images),
            input_shape=(images.shape[1], images.shape[2], images.shape[3]),
        )
        face = MIFace(
            classifier,
            max_iter=attack.steps,
            window_length=1,
            threshold=math.inf,
            learning_rate=float(attack.step),
            batch_size=len(images),
            verbose=False,
        )
        reached = face.infer(images.cpu().numpy(), y=labels.cpu().numpy())
    return torch.from_numpy(reached).to(images.device)
