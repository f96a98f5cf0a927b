"""NoisyLoss and FoolingLoss against their closed forms."""

import copy
import io
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from scipy.stats import kstest
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from mri_robust.attacks.training_time.fooling_loss import FoolingLoss
from mri_robust.attacks.training_time.noisy_loss import NoisyLoss

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
