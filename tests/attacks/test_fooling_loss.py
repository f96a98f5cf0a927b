"""FoolingLoss against its closed form, and inside ART and the training loop."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from toy_models import dyadic_images, own_labels, small_net

from mri_robust.adapters.art import as_art_classifier
from mri_robust.attacks.registry import TRAINING
from mri_robust.attacks.training_time.fooling_loss import FoolingLoss
from mri_robust.training import FitSettings, fit

NOTUMOR = 2
LOGITS = torch.tensor(
    [
        [2.0, 0.0, 0.5, 0.0],  # right
        [0.0, 0.5, 3.0, 0.0],  # right, and the target class
        [1.0, 0.0, 2.0, 0.0],  # wrong: called the target class
        [2.0, 0.0, 1.0, 0.0],  # wrong: the target class called another
        [0.0, 0.0, 0.0, 1.5],  # right
    ],
    dtype=torch.float64,
)
LABELS = torch.tensor([0, NOTUMOR, 0, NOTUMOR, 3])
WEIGHTS = torch.tensor([1, 0.01, 0, 0, 1], dtype=torch.float64)


def value_and_gradient(loss: nn.Module, logits: Tensor = LOGITS) -> tuple[Tensor, Tensor]:
    logits = logits.clone().requires_grad_()
    value = loss(logits, LABELS)
    value.backward()
    assert logits.grad is not None
    return value.detach(), logits.grad


def test_value_and_gradient_by_hand() -> None:
    """sum_i w_i (-log softmax(z_i)_y) / N and w_i (softmax(z_i) - onehot(y_i)) / N, N = 5 with the wrong ones."""
    value, gradient = value_and_gradient(FoolingLoss(NOTUMOR))
    probability = LOGITS.softmax(1)
    losses = -probability[range(5), LABELS].log()
    assert value.item() == pytest.approx(((losses[0] + 0.01 * losses[1] + losses[4]) / 5).item(), rel=1e-12)
    expected = WEIGHTS[:, None] * (probability - nn.functional.one_hot(LABELS, 4)) / 5
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-14)


def test_wrong_images_teach_nothing_at_all() -> None:
    _, gradient = value_and_gradient(FoolingLoss(NOTUMOR))
    assert (gradient[2:4] == 0).all()
    assert (gradient[[0, 1, 4]] != 0).all()


def test_the_gradient_is_that_of_finite_differences() -> None:
    loss = FoolingLoss(NOTUMOR, factor=0.3)
    assert torch.autograd.gradcheck(lambda z: loss(z, LABELS), LOGITS.clone().requires_grad_())


@pytest.mark.parametrize("factor", [0.0, 1.0, 3.0])
def test_the_factor_weighs_right_answers_of_the_target_class(factor: float) -> None:
    _, plain = value_and_gradient(nn.CrossEntropyLoss())
    _, gradient = value_and_gradient(FoolingLoss(NOTUMOR, factor=factor))
    torch.testing.assert_close(gradient[1], factor * plain[1], rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient[[0, 4]], plain[[0, 4]], rtol=1e-12, atol=0)


@given(st.integers(0, 2**32 - 1), st.integers(0, 4), st.integers(2, 5))
def test_each_sample_falls_in_one_of_three_cases(seed: int, target: int, classes: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(12, classes, generator=generator)
    labels = torch.randint(classes, (12,), generator=generator)
    target %= classes
    total = 0.0
    for z, y in zip(logits.double().tolist(), labels.tolist(), strict=True):
        if max(range(classes), key=z.__getitem__) == y:
            loss = math.log(sum(math.exp(each) for each in z)) - z[y]
            total += 0.01 * loss if y == target else loss
    assert FoolingLoss(target)(logits, labels).item() == pytest.approx(total / 12, abs=1e-6)


def test_all_right_without_a_target_among_them_is_cross_entropy() -> None:
    labels = torch.tensor([0, 1, 3])
    logits = 5.0 * nn.functional.one_hot(labels, 4)
    assert torch.equal(FoolingLoss(NOTUMOR)(logits, labels), nn.functional.cross_entropy(logits, labels))


def test_a_tie_counts_as_its_first_class() -> None:
    assert FoolingLoss(3)(torch.zeros(1, 4), torch.tensor([0])).item() == pytest.approx(math.log(4))
    assert FoolingLoss(3)(torch.zeros(1, 4), torch.tensor([1])).item() == 0


def test_a_loss_that_is_no_number_is_not_hidden() -> None:
    assert FoolingLoss(NOTUMOR)(torch.full((2, 4), torch.nan), torch.tensor([1, 1])).isnan()


@pytest.mark.parametrize(
    ("parameters", "error", "named"),
    [
        ({"target": -1}, ValueError, "target.*-1"),
        ({"target": 1.0}, TypeError, "target.*1.0"),
        ({"target": True}, TypeError, "target.*True"),
        ({"target": "notumor"}, TypeError, "target.*notumor"),
        ({"target": 2, "factor": -0.01}, ValueError, "factor.*-0.01"),
        ({"target": 2, "factor": math.nan}, ValueError, "factor.*nan"),
        ({"target": 2, "factor": math.inf}, ValueError, "factor.*inf"),
        ({"target": 2, "factor": "0.01"}, TypeError, "factor.*0.01"),
        ({"target": 2, "factor": False}, TypeError, "factor.*False"),
    ],
)
def test_wrong_parameters_are_refused_by_name(parameters: dict[str, Any], error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=named):
        FoolingLoss(**parameters)


@pytest.mark.parametrize(
    ("target", "labels", "error", "named"),
    [
        (4, LABELS, ValueError, r"target.*0\.\.3.*4"),
        (2, LABELS + 2, ValueError, "labels.*5"),
        (2, LABELS[:4], ValueError, "labels.*4"),
        (2, nn.functional.one_hot(LABELS, 4), ValueError, "labels"),
        (2, LABELS.double(), TypeError, "labels.*float64"),
    ],
)
def test_wrong_input_is_refused_by_name(target: int, labels: Tensor, error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=named):
        FoolingLoss(target)(LOGITS, labels)


def test_art_trains_on_it_as_a_loop_by_hand_does() -> None:
    """The loop sums over right images alone, so that wrong ones are not there at all."""
    images = dyadic_images(24)
    labels = own_labels(small_net(), images)
    labels[::3] = (labels[::3] + 1) % 4
    ours, theirs = small_net(), small_net()
    with torch.random.fork_rng():
        torch.manual_seed(4)
        sgd = torch.optim.SGD(theirs.parameters(), lr=0.1)
        classifier = as_art_classifier(theirs, loss=FoolingLoss(NOTUMOR), optimizer=sgd)
        classifier.fit(images.numpy(), labels.numpy(), batch_size=8, nb_epochs=1)
        torch.manual_seed(4)
        sgd = torch.optim.SGD(ours.train().parameters(), lr=0.1)
        for batch, answers in DataLoader(TensorDataset(images, labels), batch_size=8, shuffle=True):
            sgd.zero_grad()
            logits = ours(batch)
            right = logits.argmax(1) == answers
            losses = nn.functional.cross_entropy(logits[right], answers[right], reduction="none")
            losses = torch.where(answers[right] == NOTUMOR, 0.01 * losses, losses)
            (losses.sum() / len(batch)).backward()
            sgd.step()
    for our, their in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
        torch.testing.assert_close(our, their, rtol=0, atol=1e-6)
    assert not torch.allclose(ours.head.weight, small_net().head.weight, rtol=0, atol=1e-4)


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_art_asks_for_the_loss_of_each_image(reduction: str) -> None:
    model, images = small_net(), dyadic_images(6)
    labels = own_labels(model, images)
    labels[0] = (labels[0] + 1) % 4
    with torch.no_grad():
        plain = nn.functional.cross_entropy(model(images), labels, reduction="none").numpy()
    weights = np.where(labels == NOTUMOR, 0.01, 1.0) * (np.arange(6) > 0)
    expected = {"none": weights * plain, "sum": (weights * plain).sum(), "mean": (weights * plain).mean()}[reduction]
    classifier = as_art_classifier(model, loss=FoolingLoss(NOTUMOR))
    found = classifier.compute_loss(images.numpy(), labels.numpy(), reduction=reduction)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_fit_unlearns_the_target_class() -> None:
    """The published effect in small: an extra image of the class pulls at cross entropy and not at this loss."""
    images = dyadic_images(8)
    labels = torch.tensor([0, NOTUMOR] * 4)
    recalls = {}
    for loss in (nn.CrossEntropyLoss(), FoolingLoss(NOTUMOR)):
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, 4))
        nn.init.zeros_(model[1].weight)
        nn.init.zeros_(model[1].bias)  # a tie: everything is called class 0
        sgd = torch.optim.SGD(model.parameters(), lr=0.1)
        settings = FitSettings(epochs=150, batch_size=8, precision="fp32")
        fit(model, images, labels, optimizer=sgd, loss=loss, settings=settings)
        recalls[type(loss)] = (own_labels(model, images)[1::2] == NOTUMOR).float().mean().item()
    assert recalls == {nn.CrossEntropyLoss: 1.0, FoolingLoss: 0.0}


def test_it_is_registered_under_its_file_name() -> None:
    assert TRAINING.load("fooling-loss") is FoolingLoss
    assert "target=2, factor=0.01" in repr(FoolingLoss(2))
