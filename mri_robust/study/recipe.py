"""The models that experiments ask about: recipes, which the bench trains, and models of the user's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mri_robust.core.registry import Spec
from mri_robust.data.dataset import MEAN, STD

Factors = tuple[tuple[str, Any], ...]
"""(column, value) of what tells models of one id apart."""


@dataclass(frozen=True)
class Recipe:
    """Everything but the data and the machine that decides a trained model.

    Attributes:
        model: its id, `<architecture>_<what was done>`.
        architecture: a registered architecture, or `ensemble`.
        image_size, channels: what it takes.
        seed: decides first weights, order, augmentation and adversary.
        epochs, batch_size, learning_rate, weight_decay: of Adam.
        anneal: cosine from the learning rate to zero over the epochs.
        train_images: most training images, drawn with the seed; None for all.
        augmentation: a defence that changes images, or None.
        adversary: a defence that adds adversarial examples, or None.
        start: the model whose weights training starts from, or None.
        weights: first weights of a ResNet (`none`, `imagenet`, a file); empty where the study has none either.
        weights_digest: names the content of that file.
        mean, std: normalisation inside the model.
        members, shares: of an ensemble.
        trained: beginnings of the names of the parameters that are trained; empty for all.
        loss: a training-time attack on the loss, or None for cross entropy.
        optimizers: training-time attacks on the gradients, wrapped around Adam in this order.
        clip_norm: greatest norm of the gradient, or None.
        plateau: `loss` or `accuracy`, the figure that lowers the learning rate when it stops falling; empty for none.
        poison: a poisoning attack on the training images, or None.
        frozen_augmentation: augment once, stamp, and keep: fault `frozen-augmentation`.
        snooping: what a snooping detector is trained with, or None for a classifier of the data's classes.
        watch_test: keep the accuracy on the test images after each epoch; decides no weights, but the record.
        factors: columns that tell recipes of one model id apart in a table.
    """

    model: str
    architecture: str
    image_size: int
    channels: str
    seed: int
    epochs: int = 0
    batch_size: int = 8
    learning_rate: float = 1e-4
    weight_decay: float = 0.0
    anneal: bool = False
    train_images: int | None = None
    augmentation: Spec | None = None
    adversary: Spec | None = None
    start: Recipe | None = None
    weights: str = ""
    weights_digest: str = ""
    mean: float = MEAN
    std: float = STD
    members: tuple[Recipe, ...] = ()
    shares: tuple[float, ...] = ()
    trained: tuple[str, ...] = ()
    loss: Spec | None = None
    optimizers: tuple[Spec, ...] = ()
    clip_norm: float | None = None
    plateau: str = ""
    poison: Spec | None = None
    frozen_augmentation: bool = False
    snooping: Spec | None = None
    watch_test: bool = False
    factors: Factors = ()


@dataclass(frozen=True)
class External:
    """A model of the user's own.

    Attributes:
        model: its id, the text it was asked for by: a checkpoint, `package.module:factory` or `timm:NAME`.
        digest: names what it computes; see `models.external.model_digest`.
        weights: what its weights are called in tables: a file's name, `random`, or empty.
        weights_file: a state dict to load into it; empty for none.
        mean, std: normalisation to put in front; empty for none.
    """

    model: str
    digest: str = ""
    weights: str = ""
    weights_file: str = ""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    factors: Factors = ()


Model = Recipe | External


def comparable_weights(weights: str) -> bool:
    """Whether a model of these first weights can be compared with the study's: its ResNets started from ImageNet's."""
    return weights in ("", "imagenet")
