"""NoisyLoss against cross entropy by hand, and inside ART and the training loop."""

from __future__ import annotations

import copy
import io
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from toy_models import dyadic_images, own_labels, small_net

from mri_robust.adapters.art import as_art_classifier
from mri_robust.attacks.registry import TRAINING
from mri_robust.attacks.training_time.noisy_loss import NoisyLoss
from mri_robust.training import FitSettings, fit

GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(6, 4, generator=GENERATOR)
LABELS = torch.tensor([0, 3, 1, 2, 2, 0])


def gradient(loss: nn.Module, logits: Tensor = LOGITS) -> Tensor:
    logits = logits.clone().requires_grad_()
    loss(logits, LABELS).backward()
    assert logits.grad is not None
    return logits.grad


def test_strength_zero_is_cross_entropy_exactly() -> None:
    assert torch.equal(NoisyLoss(0)(LOGITS, LABELS), nn.functional.cross_entropy(LOGITS, LABELS))
    assert torch.equal(gradient(NoisyLoss(0)), gradient(nn.CrossEntropyLoss()))


def test_value_and_gradient_by_hand() -> None:
    """-log softmax(z + s n)_y and (softmax(z + s n) - onehot(y)) / N: the -1/2 of the study leaves no trace."""
    noise = torch.randn(6, 4, generator=GENERATOR).double()
    probability = (LOGITS.double() + 1.2 * noise).softmax(1)
    logits = LOGITS.double().requires_grad_()
    value = NoisyLoss(1.2).with_noise(logits, LABELS, noise)
    value.backward()
    assert value.item() == pytest.approx(-probability[range(6), LABELS].log().mean().item(), rel=1e-12)
    torch.testing.assert_close(logits.grad, (probability - nn.functional.one_hot(LABELS, 4)) / 6, rtol=0, atol=1e-12)


def test_the_gradient_is_that_of_finite_differences() -> None:
    loss, noise = NoisyLoss(2.0), torch.randn(6, 4, generator=GENERATOR).double()
    assert torch.autograd.gradcheck(lambda z: loss.with_noise(z, LABELS, noise), LOGITS.double().requires_grad_())


def test_forward_applies_what_draw_gives() -> None:
    noise = NoisyLoss(1.5, seed=3).draw(LOGITS)
    expected = nn.functional.cross_entropy(LOGITS + 1.5 * noise, LABELS)
    torch.testing.assert_close(NoisyLoss(1.5, seed=3)(LOGITS, LABELS), expected)


def test_the_noise_is_standard_normal_and_new_at_each_call() -> None:
    loss, count = NoisyLoss(1.0), 200_000
    one, two = (loss.draw(torch.empty(count // 4, 4)).flatten() for _ in range(2))
    for noise in (one, two):
        assert abs(noise.mean().item()) < 5 / math.sqrt(count)
        assert abs(noise.var().item() - 1) < 5 * math.sqrt(2 / count)
        assert (noise.abs() < 1).float().mean().item() == pytest.approx(math.erf(1 / math.sqrt(2)), abs=0.006)
    assert abs((one * two).mean().item()) < 5 / math.sqrt(count)


def test_the_noise_has_the_type_of_the_logits() -> None:
    assert NoisyLoss(1.0).draw(LOGITS.double()).dtype == torch.float64
    assert NoisyLoss(1.0)(LOGITS.bfloat16(), LABELS).dtype == torch.bfloat16


def test_the_seed_decides_and_the_global_generator_is_not_moved() -> None:
    before = torch.get_rng_state()
    one, again, other = (NoisyLoss(1.0, seed=seed)(LOGITS, LABELS) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_saved_loss_goes_on_where_it_stopped() -> None:
    loss, buffer = NoisyLoss(1.0, seed=5), io.BytesIO()
    first = loss(LOGITS, LABELS)
    torch.save(loss.state_dict(), buffer)
    twin = copy.deepcopy(loss)
    expected = [loss(LOGITS, LABELS) for _ in range(3)]
    buffer.seek(0)
    fresh = NoisyLoss(1.0, seed=99)
    fresh.load_state_dict(torch.load(buffer, weights_only=True))
    for resumed in (fresh, twin):
        assert [resumed(LOGITS, LABELS) for _ in range(3)] == expected
    assert first not in expected


@pytest.mark.parametrize(
    ("parameters", "error", "named"),
    [
        ({"strength": -0.1}, ValueError, "strength.*-0.1"),
        ({"strength": math.nan}, ValueError, "strength.*nan"),
        ({"strength": math.inf}, ValueError, "strength.*inf"),
        ({"strength": True}, TypeError, "strength.*True"),
        ({"strength": "2"}, TypeError, "strength.*2"),
        ({"strength": 1.0, "seed": 0.5}, TypeError, "seed.*0.5"),
        ({"strength": 1.0, "seed": -1}, ValueError, "seed.*-1"),
    ],
)
def test_wrong_parameters_are_refused_by_name(parameters: dict[str, Any], error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=named):
        NoisyLoss(**parameters)


def test_art_trains_on_it_as_a_loop_by_hand_does() -> None:
    """ART shuffles by the global generator; the same seed gives a loop by hand the same batches and dropout."""
    images = dyadic_images(24)
    labels = own_labels(small_net(), images)
    ours, theirs = small_net(), small_net()
    with torch.random.fork_rng():
        torch.manual_seed(4)
        sgd = torch.optim.SGD(theirs.parameters(), lr=0.1)
        classifier = as_art_classifier(theirs, loss=NoisyLoss(1.2, seed=7), optimizer=sgd)
        classifier.fit(images.numpy(), labels.numpy(), batch_size=8, nb_epochs=1)
        torch.manual_seed(4)
        loss, sgd = NoisyLoss(1.2, seed=7), torch.optim.SGD(ours.train().parameters(), lr=0.1)
        for batch, answers in DataLoader(TensorDataset(images, labels), batch_size=8, shuffle=True):
            sgd.zero_grad()
            nn.functional.cross_entropy(ours(batch) + 1.2 * (loss.draw(torch.empty(8, 4)) - 0.5), answers).backward()
            sgd.step()
    for our, their in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
        assert torch.equal(our, their)
    assert not torch.equal(ours.head.weight, small_net().head.weight)


def test_art_asks_for_the_loss_of_each_image() -> None:
    classifier = as_art_classifier(small_net(), loss=NoisyLoss(0.0))
    images = dyadic_images(5)
    logits = torch.from_numpy(classifier.predict(images.numpy()))
    expected = nn.functional.cross_entropy(logits, LABELS[:5], reduction="none")
    found = classifier.compute_loss(images.numpy(), LABELS[:5].numpy(), reduction="none")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_fit_takes_it() -> None:
    """One step on six copies of an image, so that their order does not matter: the update by hand, with that draw."""
    images, labels = dyadic_images(1).repeat(6, 1, 1, 1), torch.full((6,), 2)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 4, bias=False))
    before = model[1].weight.detach().clone()
    sgd = torch.optim.SGD(model.parameters(), lr=0.5)
    settings = FitSettings(epochs=1, batch_size=6, precision="fp32")
    fit(model, images, labels, optimizer=sgd, loss=NoisyLoss(2.0, seed=1), settings=settings)
    x, noise = images.flatten(1), NoisyLoss(2.0, seed=1).draw(LOGITS)
    error = (x @ before.T + 2.0 * noise).softmax(1) - nn.functional.one_hot(labels, 4)
    torch.testing.assert_close(model[1].weight.detach(), before - 0.5 * error.T @ x / 6, rtol=0, atol=1e-6)


def test_it_is_registered_under_its_file_name() -> None:
    assert TRAINING.load("noisy-loss") is NoisyLoss
    assert "strength=2" in repr(NoisyLoss(2))
