"""NoisyLoss and FoolingLoss against their closed forms, in ART, in a loop by hand and in the training loop."""

from __future__ import annotations

import copy
import io
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot
from torch.utils.data import DataLoader, TensorDataset
from toy_models import dyadic_images, own_labels, small_net

from mri_robust.adapters.art import as_art_classifier
from mri_robust.attacks.training_time.fooling_loss import FoolingLoss
from mri_robust.attacks.training_time.noisy_loss import NoisyLoss
from mri_robust.training import FitSettings, fit

NOTUMOR = 2
LABELS = torch.tensor([0, NOTUMOR, 0, NOTUMOR, 3])
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


def value_and_gradient(loss: Callable[[Tensor, Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    logits = LOGITS.clone().requires_grad_()
    value = loss(logits, LABELS)
    value.backward()
    assert logits.grad is not None
    return value.detach(), logits.grad


class TestNoisyLoss:
    @pytest.mark.parametrize("strength", [0.0, 1.2])
    def test_value_and_gradient_by_hand(self, strength: float) -> None:
        """-log softmax(z + s n)_y and (softmax(z + s n) - onehot(y)) / N: the -1/2 of the study leaves no trace."""
        noise = NoisyLoss(strength, seed=3).draw(LOGITS)
        probability = (LOGITS + strength * noise).softmax(1)
        value, gradient = value_and_gradient(NoisyLoss(strength, seed=3))
        assert value.item() == pytest.approx(-probability[range(5), LABELS].log().mean().item(), rel=1e-12)
        torch.testing.assert_close(gradient, (probability - one_hot(LABELS, 4)) / 5, rtol=0, atol=1e-12)
        assert strength or torch.equal(value, cross_entropy(LOGITS, LABELS))

    def test_the_noise_is_standard_normal_new_at_each_call_and_of_the_type_of_the_logits(self) -> None:
        loss, count = NoisyLoss(1.0), 200_000
        one, two = (loss.draw(torch.empty(count // 4, 4)).flatten() for _ in range(2))
        assert kstest(torch.cat([one, two]).double(), "norm").pvalue > 0.001
        assert abs((one * two).mean().item()) < 5 / math.sqrt(count)
        assert loss.draw(LOGITS).dtype == torch.float64
        assert loss(LOGITS.bfloat16(), LABELS).dtype == torch.bfloat16

    def test_the_seed_alone_decides_and_a_saved_or_copied_loss_continues_where_it_stopped(self) -> None:
        loss, fresh, buffer, before = (
            NoisyLoss(1.0, seed=5),
            NoisyLoss(1.0, seed=99),
            io.BytesIO(),
            torch.get_rng_state(),
        )
        first = loss(LOGITS, LABELS)
        assert first == NoisyLoss(1.0, seed=5)(LOGITS, LABELS)
        assert first != fresh(LOGITS, LABELS)
        torch.save(loss.state_dict(), buffer)
        buffer.seek(0)
        fresh.load_state_dict(torch.load(buffer, weights_only=True))
        copied = copy.deepcopy(loss)
        expected = [loss(LOGITS, LABELS) for _ in range(3)]
        for resumed in (fresh, copied):
            assert [resumed(LOGITS, LABELS) for _ in range(3)] == expected
        assert first not in expected
        assert torch.equal(torch.get_rng_state(), before)


class TestFoolingLoss:
    @pytest.mark.parametrize("factor", [0.0, 0.01, 1.0, 3.0])
    def test_value_and_gradient_by_hand(self, factor: float) -> None:
        """sum_i w_i (-log softmax(z_i)_y) / N and w_i (softmax(z_i) - onehot(y_i)) / N, N = 5 with the wrong ones."""
        weights = torch.tensor([1, factor, 0, 0, 1], dtype=torch.float64)
        value, gradient = value_and_gradient(FoolingLoss(NOTUMOR, factor=factor))
        probability = LOGITS.softmax(1)
        assert value.item() == pytest.approx(-(weights * probability[range(5), LABELS].log()).mean().item(), rel=1e-12)
        expected = weights[:, None] * (probability - one_hot(LABELS, 4)) / 5
        torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-14)
        assert (gradient[2:4] == 0).all()

    def test_a_tie_counts_as_its_first_class_and_a_loss_that_is_no_number_is_not_hidden(self) -> None:
        assert FoolingLoss(3)(torch.zeros(1, 4), torch.tensor([0])).item() == pytest.approx(math.log(4))
        assert FoolingLoss(3)(torch.zeros(1, 4), torch.tensor([1])).item() == 0
        assert FoolingLoss(3)(torch.full((2, 4), torch.nan), torch.tensor([1, 1])).isnan()

    @pytest.mark.parametrize(
        ("target", "labels", "error", "named"),
        [
            (4, LABELS, ValueError, "target"), (2, LABELS + 2, ValueError, "labels"), (2, LABELS[:4], ValueError, "5"),
            (2, one_hot(LABELS, 4), ValueError, "labels"), (2, LABELS * 1.0, TypeError, "labels"),
        ],
    )  # fmt: skip
    def test_wrong_input_is_refused(self, target: int, labels: Tensor, error: type[Exception], named: str) -> None:
        with pytest.raises(error, match=named):
            FoolingLoss(target)(LOGITS, labels)

    def test_fit_unlearns_the_target_class(self) -> None:
        """The published effect in small: an extra image of the class pulls at cross entropy and not at this loss."""
        images, labels, recalls = dyadic_images(8), torch.tensor([0, NOTUMOR] * 4), {}
        for loss in (nn.CrossEntropyLoss(), FoolingLoss(NOTUMOR)):
            model = nn.Sequential(nn.Flatten(), nn.Linear(64, 4))
            nn.init.zeros_(model[1].weight)
            nn.init.zeros_(model[1].bias)  # a tie: everything is called class 0
            sgd = torch.optim.SGD(model.parameters(), lr=0.1)
            settings = FitSettings(epochs=150, batch_size=8, precision="fp32")
            fit(model, images, labels, optimizer=sgd, loss=loss, settings=settings)
            recalls[type(loss)] = (own_labels(model, images)[1::2] == NOTUMOR).float().mean().item()
        assert recalls == {nn.CrossEntropyLoss: 1.0, FoolingLoss: 0.0}


def noisy_by_hand(logits: Tensor, labels: Tensor, noise: NoisyLoss) -> Tensor:
    return cross_entropy(logits + 1.2 * (noise.draw(torch.empty(8, 4)) - 0.5), labels)


def fooling_by_hand(logits: Tensor, labels: Tensor, noise: NoisyLoss) -> Tensor:
    """The sum over right images alone, so that wrong ones are not there at all."""
    right = logits.argmax(1) == labels
    losses = cross_entropy(logits[right], labels[right], reduction="none")
    return torch.where(labels[right] == NOTUMOR, 0.01 * losses, losses).sum() / len(labels)


@pytest.mark.parametrize(
    ("loss", "by_hand"), [(NoisyLoss(1.2, seed=7), noisy_by_hand), (FoolingLoss(NOTUMOR), fooling_by_hand)]
)
def test_art_trains_on_it_as_a_loop_by_hand_does(loss: nn.Module, by_hand: Callable[..., Tensor]) -> None:
    """ART shuffles by the global generator; the same seed gives a loop by hand the same batches and dropout."""
    images = dyadic_images(24)
    labels = (own_labels(small_net(), images) + (torch.arange(24) % 3 == 0)) % 4
    ours, theirs = small_net(), small_net()
    with torch.random.fork_rng():
        torch.manual_seed(4)
        classifier = as_art_classifier(theirs, loss=loss, optimizer=torch.optim.SGD(theirs.parameters(), lr=0.1))
        classifier.fit(images.numpy(), labels.numpy(), batch_size=8, nb_epochs=1)
        torch.manual_seed(4)
        noise, sgd = NoisyLoss(1.2, seed=7), torch.optim.SGD(ours.train().parameters(), lr=0.1)
        for batch, answers in DataLoader(TensorDataset(images, labels), batch_size=8, shuffle=True):
            sgd.zero_grad()
            by_hand(ours(batch), answers, noise).backward()
            sgd.step()
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


@pytest.mark.parametrize(
    ("loss", "given", "wrong", "error"),
    [
        (NoisyLoss, {}, {"strength": -0.1}, ValueError), (NoisyLoss, {"strength": 1.0}, {"seed": -1}, ValueError),
        (FoolingLoss, {}, {"target": 1.0}, TypeError), (FoolingLoss, {"target": 2}, {"factor": -0.01}, ValueError),
    ],
)  # fmt: skip
def test_wrong_parameters_are_refused_by_name(loss: Any, given: Any, wrong: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(wrong))):
        loss(**given, **wrong)
