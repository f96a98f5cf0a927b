"""ART trains with our losses and optimizer as a loop by hand does."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import SGD, Optimizer
from torch.utils.data import DataLoader, TensorDataset
from toy_models import dyadic_images, own_labels, small_net

from mri_robust.adapters.art import as_art_classifier
from mri_robust.attacks.training_time.drunk_optimizer import DrunkOptimizer
from mri_robust.attacks.training_time.fooling_loss import FoolingLoss
from mri_robust.attacks.training_time.noisy_loss import NoisyLoss

NOTUMOR = 2
drunk = partial(DrunkOptimizer, scale=0.5, perturbation=0.1)


def noisy_by_hand(logits: Tensor, labels: Tensor, noise: NoisyLoss) -> Tensor:
    return cross_entropy(logits + 1.2 * (noise.draw(torch.empty(8, 4)) - 0.5), labels)


def fooling_by_hand(logits: Tensor, labels: Tensor, noise: NoisyLoss) -> Tensor:
    """The sum over right images alone, so that wrong ones are not there at all."""
    right = logits.argmax(1) == labels
    losses = cross_entropy(logits[right], labels[right], reduction="none")
    return torch.where(labels[right] == NOTUMOR, 0.01 * losses, losses).sum() / len(labels)


def plain_by_hand(logits: Tensor, labels: Tensor, noise: NoisyLoss) -> Tensor:
    return cross_entropy(logits, labels)


@pytest.mark.parametrize(
    ("loss", "by_hand", "wrap"),
    [
        (NoisyLoss(1.2, seed=7), noisy_by_hand, lambda base: base),
        (FoolingLoss(NOTUMOR), fooling_by_hand, lambda base: base),
        (None, plain_by_hand, drunk),
    ],
)
def test_training(
    loss: nn.Module | None, by_hand: Callable[..., Tensor], wrap: Callable[[Optimizer], Optimizer]
) -> None:
    """ART shuffles by the global generator; the same seed gives a loop by hand the same batches and dropout."""
    images = dyadic_images(24)
    labels = (own_labels(small_net(), images) + (torch.arange(24) % 3 == 0)) % 4
    ours, theirs = small_net(), small_net()
    with torch.random.fork_rng():
        torch.manual_seed(4)
        classifier = as_art_classifier(theirs, loss=loss, optimizer=wrap(SGD(theirs.parameters(), lr=0.1)))
        classifier.fit(images.numpy(), labels.numpy(), batch_size=8, nb_epochs=1)
        torch.manual_seed(4)
        noise, optimizer = NoisyLoss(1.2, seed=7), wrap(SGD(ours.train().parameters(), lr=0.1))
        for batch, answers in DataLoader(TensorDataset(images, labels), batch_size=8, shuffle=True):
            optimizer.zero_grad()
            by_hand(ours(batch), answers, noise).backward()
            optimizer.step()
    for our, their in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
        torch.testing.assert_close(our, their, rtol=0, atol=1e-6)
    assert not torch.allclose(ours.head.weight, small_net().head.weight, rtol=0, atol=1e-4)


@pytest.mark.parametrize("reduction", ["none", "sum"])
@pytest.mark.parametrize("loss", [NoisyLoss(0.0), FoolingLoss(NOTUMOR)])
def test_art_asks_for_the_loss_of_each_image(loss: nn.Module, reduction: str) -> None:
    model, images = small_net(), dyadic_images(6)
    labels = (own_labels(model, images) + (torch.arange(6) == 0)) % 4
    with torch.no_grad():
        each = cross_entropy(model(images), labels, reduction="none").numpy()
    if isinstance(loss, FoolingLoss):
        each = each * np.where(labels == NOTUMOR, 0.01, 1.0) * (np.arange(6) > 0)
    found = as_art_classifier(model, loss=loss).compute_loss(images.numpy(), labels.numpy(), reduction=reduction)
    np.testing.assert_allclose(found, each if reduction == "none" else each.sum(), rtol=0, atol=1e-6)
