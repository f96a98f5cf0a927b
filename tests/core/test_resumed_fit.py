"""A training that was cut short and gone on with ends where an undisturbed one ends, bit for bit."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mri_robust.attacks.training_time.drunk_optimizer import DrunkOptimizer
from mri_robust.attacks.training_time.noisy_loss import NoisyLoss
from mri_robust.core.errors import UserError
from mri_robust.models.training_state import load_training, save_training
from mri_robust.training import Changes, FitSettings, fit

EPOCHS = 4
CHANCE = np.random.default_rng(0)
IMAGES = CHANCE.integers(0, 255, (40, 1, 8, 8), dtype=np.uint8)
LABELS = CHANCE.integers(0, 4, 40)


class Cut(Exception):
    """The power went."""


def small_net() -> nn.Module:
    """Convolutions and BatchNorm: weights of four dimensions, and running statistics."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 5, 3), nn.Flatten(), nn.Linear(80, 4)
        )


def adam(model: nn.Module, **options: object) -> torch.optim.Optimizer:
    return torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=1e-4, fused=True, **options)  # type: ignore[arg-type]


def drunk(model: nn.Module) -> torch.optim.Optimizer:
    return DrunkOptimizer(DrunkOptimizer(adam(model), perturbation=0.5, seed=1), scale=0.3, perturbation=0.1, seed=2)


def momentum(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)


def plateau(optimizer: torch.optim.Optimizer) -> object:
    return torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.1, patience=0, threshold=10.0)


def cosine(optimizer: torch.optim.Optimizer) -> object:
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)


def jitter(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return (images + 0.1 * torch.randn(images.shape, generator=generator)).clamp(0, 1)


def train(make_optimizer, make_scheduler, loss, resume: Path | None = None, cut: int | None = None):
    model = small_net()
    optimizer = make_optimizer(model)
    inner = optimizer
    while isinstance(inner, DrunkOptimizer):
        inner = inner.base
    begun = []

    def on_epoch(_: nn.Module) -> dict:
        begun.append(1)
        if len(begun) == cut:
            raise Cut
        return {}

    history = fit(
        model,
        IMAGES,
        LABELS,
        optimizer=optimizer,
        scheduler=make_scheduler(inner) if make_scheduler else None,
        loss=loss(),
        settings=FitSettings(epochs=EPOCHS, batch_size=16, precision="fp32", resume=resume, on_epoch=on_epoch),
        changes=Changes(augment=jitter),
    )
    return model, history, len(begun)


@pytest.mark.parametrize(
    ("make_optimizer", "make_scheduler", "loss"),
    [
        (adam, cosine, nn.CrossEntropyLoss),
        (adam, plateau, lambda: NoisyLoss(2.0, seed=5)),
        (drunk, None, nn.CrossEntropyLoss),
        (momentum, cosine, nn.CrossEntropyLoss),
    ],
)
@pytest.mark.parametrize("cut", [2, 4])
def test_a_cut_training_goes_on_bit_for_bit(make_optimizer, make_scheduler, loss, cut, tmp_path):
    parts = make_optimizer, make_scheduler, loss
    whole, history, _ = train(*parts)
    path = tmp_path / "model.partial.safetensors"
    with pytest.raises(Cut):
        train(*parts, resume=path, cut=cut)
    gone_on, resumed, epochs = train(*parts, resume=path)
    assert epochs == EPOCHS - cut + 1  # what was kept is not done again
    for name, value in whole.state_dict().items():
        assert torch.equal(value, gone_on.state_dict()[name]), name
    assert [{**record, "seconds": 0} for record in resumed] == [{**record, "seconds": 0} for record in history]


def test_a_training_of_another_model_is_refused(tmp_path):
    path = tmp_path / "other.partial.safetensors"
    with pytest.raises(Cut):
        train(adam, None, nn.CrossEntropyLoss, resume=path, cut=2)
    with pytest.raises(UserError, match="is of another training"):
        fit(
            nn.Sequential(nn.Flatten(), nn.Linear(64, 4)),
            IMAGES,
            LABELS,
            optimizer=torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1),
            settings=FitSettings(epochs=2, resume=path),
        )


def test_numbers_texts_and_nested_tensors_come_back_as_they_were(tmp_path):
    state = {"a": {0: torch.arange(3), "b": [1, 2.5, None, float("inf"), True]}, "c": [{"d": torch.ones(2, 0)}]}
    path = tmp_path / "state.safetensors"
    save_training(path, state)
    found = load_training(path)
    assert torch.equal(found["a"][0], torch.arange(3))
    assert found["a"]["b"] == [1, 2.5, None, float("inf"), True]
    assert found["c"][0]["d"].shape == (2, 0)


def test_a_flipped_bit_is_noticed_wherever_it_is(tmp_path):
    path = tmp_path / "state.safetensors"
    save_training(path, {"weights": torch.randn(20, generator=torch.Generator().manual_seed(0)), "rate": 0.125})
    content = path.read_bytes()
    missed = []
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with contextlib.suppress(UserError):
            load_training(path)
            missed.append(place)
    assert not missed
