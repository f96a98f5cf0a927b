"""A training that was cut short and gone on with ends where an undisturbed one ends, bit for bit."""

import contextlib
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from mri_robust.attacks.training_time.drunk_optimizer import DrunkOptimizer
from mri_robust.attacks.training_time.noisy_loss import NoisyLoss
from mri_robust.core.errors import UserError
from mri_robust.training import Changes, FitSettings, fit, keep_training, resume_training

EPOCHS = 4
GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.integers(0, 255, (40, 1, 8, 8), dtype=np.uint8)
LABELS = GENERATOR.integers(0, 4, 40)
schedulers = torch.optim.lr_scheduler


class Cut(Exception):
    """The power went."""


adam = partial(torch.optim.Adam, lr=0.01, weight_decay=1e-4, fused=True)
momentum = partial(torch.optim.SGD, lr=0.01, momentum=0.9)
plateau = partial(schedulers.ReduceLROnPlateau, factor=0.1, patience=0, threshold=10.0)
cosine = partial(schedulers.CosineAnnealingLR, T_max=EPOCHS)


def drunk(parameters: Any) -> torch.optim.Optimizer:
    return DrunkOptimizer(DrunkOptimizer(adam(parameters), perturbation=0.5), scale=0.3, perturbation=0.1, seed=2)


def jitter(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return (images + 0.1 * torch.randn(images.shape, generator=generator)).clamp(0, 1)


def train(make: Any, schedule: Any, loss: Any = nn.CrossEntropyLoss, *, resume: Any = None, cut: int = 0) -> Any:
    """The trained model, its record, and the epochs that were done. Weights of four dimensions, and BatchNorm."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 5, 3), nn.Flatten(), nn.Linear(80, 4)
        )
    optimizer, begun = make(model.parameters()), []
    inner = optimizer
    while isinstance(inner, DrunkOptimizer):
        inner = inner.base

    def on_epoch(_: nn.Module) -> dict:
        begun.append(1)
        if len(begun) == cut:
            raise Cut
        return {}

    how = FitSettings(epochs=EPOCHS, batch_size=16, precision="fp32", resume=resume, on_epoch=on_epoch)
    scheduler = schedule(inner) if schedule else None
    parts = {"optimizer": optimizer, "scheduler": scheduler, "loss": loss(), "changes": Changes(augment=jitter)}
    return model, fit(model, IMAGES, LABELS, settings=how, **parts), len(begun)


PARTS = [(adam, cosine), (adam, plateau, lambda: NoisyLoss(2.0, seed=5)), (drunk, None), (momentum, cosine)]


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("cut", [2, 4])
def test_a_cut_training_goes_on_bit_for_bit(parts: tuple[Any, ...], cut: int, tmp_path: Path) -> None:
    whole, history, _ = train(*parts)
    path = tmp_path / "model.partial.safetensors"
    with pytest.raises(Cut):
        train(*parts, resume=path, cut=cut)
    gone_on, resumed, epochs = train(*parts, resume=path)
    assert epochs == EPOCHS - cut + 1  # what was kept is not done again
    for name, value in whole.state_dict().items():
        assert torch.equal(value, gone_on.state_dict()[name]), name
    assert [{**record, "seconds": 0} for record in resumed] == [{**record, "seconds": 0} for record in history]


def test_a_training_of_another_model_or_no_training_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.partial.safetensors"
    with pytest.raises(Cut):
        train(adam, None, resume=path, cut=2)
    other = nn.Sequential(nn.Flatten(), nn.Linear(64, 4))
    with pytest.raises(UserError, match="another training"):
        fit(other, IMAGES, LABELS, optimizer=momentum(other.parameters()), settings=FitSettings(epochs=2, resume=path))


def test_numbers_texts_and_nested_tensors_come_back_as_they_were_and_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path, optimizer = tmp_path / "state.safetensors", momentum(nn.Linear(2, 2).parameters())
    plain = {0: [1, 2.5, None, float("inf"), True], "b": "text", "c": [{"d": [3]}]}
    state = {"t": torch.arange(3), "u": [torch.ones(2, 0)], "plain": plain}
    keep_training(
        path, {"x": SimpleNamespace(state_dict=lambda: state), "y": None, "optimizer": optimizer}, [{"l": 0.5}]
    )
    found: dict[str, Any] = {}
    parts = {"x": SimpleNamespace(load_state_dict=found.update), "optimizer": optimizer}
    assert resume_training(path, parts) == [{"l": 0.5}]
    assert torch.equal(found["t"], torch.arange(3))
    assert found["u"][0].shape == (2, 0)
    assert found["plain"] == plain
    content, missed = path.read_bytes(), []
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with contextlib.suppress(UserError):
            resume_training(path, parts)
            missed.append(place)
    assert not missed
