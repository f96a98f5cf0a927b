"""The models that experiments ask about: recipes, which the bench trains, and models of the user's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mri_robust.core.registry import Spec
from mri_robust.data.dataset import MEAN, STD

Factors = tuple[tuple[str, Any], ...]
"""(column, value) of what tells models of one id apart in a table."""


@dataclass(frozen=True)
class Recipe:
    """Everything but the data and the machine that decides a trained model."""

    model: str  # its id, `<architecture>_<what was done>`
    architecture: str  # a registered one, or `ensemble`
    image_size: int  # pixels
    channels: str  # `grey` or `rgb`
    seed: int  # decides first weights, order, augmentation and adversary
    epochs: int = 0
    batch_size: int = 8
    learning_rate: float = 1e-4  # of Adam, as is `weight_decay`
    weight_decay: float = 0.0
    anneal: bool = False  # cosine from the learning rate to zero over the epochs
    train_images: int | None = None  # most training images, drawn with the seed; None for all
    augmentation: Spec | None = None  # a defence that changes images
    adversary: Spec | None = None  # a defence that adds adversarial examples
    start: Recipe | None = None  # the model whose weights training starts from
    weights: str = ""  # first weights of a ResNet (`none`, `imagenet`, a file); empty where the study has none either
    weights_digest: str = ""  # names the content of that file
    mean: float = MEAN  # normalisation inside the model, as is `std`
    std: float = STD
    members: tuple[Recipe, ...] = ()  # of an ensemble, as are their `shares` of its logits
    shares: tuple[float, ...] = ()
    trained: tuple[str, ...] = ()  # beginnings of the names of the parameters that are trained; empty for all
    loss: Spec | None = None  # a training-time attack on the loss; None for cross entropy
    optimizers: tuple[Spec, ...] = ()  # training-time attacks on the gradients, wrapped around Adam in this order
    clip_norm: float | None = None  # greatest norm of the gradient
    plateau: str = ""  # `loss` or `accuracy`: lowers the learning rate when it stops falling; empty for neither
    poison: Spec | None = None  # a poisoning attack on the training images
    frozen_augmentation: bool = False  # augment once, stamp, and keep: fault `frozen-augmentation`
    snooping: Spec | None = (
        None  # what a snooping detector is trained with; None for a classifier of the data's classes
    )
    watch_test: bool = False  # keep the confusion matrix of the test images after each epoch; decides the record alone
    factors: Factors = ()


@dataclass(frozen=True)
class External:
    """A model of the user's own."""

    model: str  # its id: its source, and the weights' name where two have one source
    source: str = ""  # what it was asked for by: a checkpoint, `package.module:factory` or `timm:NAME`
    digest: str = ""  # names what it computes, see `models.external.model_digest`
    weights: str = ""  # what its weights are called in tables: a file's name, `random`, or empty
    weights_file: str = ""  # a state dict to load into it; empty for none
    mean: tuple[float, ...] = ()  # normalisation to put in front, as is `std`; empty for none
    std: tuple[float, ...] = ()
    renamed: Factors = ()  # (the model's name of a class, the data's)
    factors: Factors = ()


Model = Recipe | External
