"""How a model is made: everything that decides its weights, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

from mri_robust.core.registry import Spec
from mri_robust.data.normalisation import MEAN, STD


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


def comparable_weights(weights: str) -> bool:
    """Whether a model of these first weights can be compared with the study's: its ResNets started from ImageNet's."""
    return weights in ("", "imagenet")
