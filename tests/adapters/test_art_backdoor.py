"""The whole poisoned training set made by hand equals the one that ART makes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from art.attacks.poisoning import PoisoningAttackBackdoor
from torch import Tensor

from mri_robust.adapters.art import as_art_backdoor, stamp
from mri_robust.attacks.poisoning.backdoor import Backdoor
from mri_robust.attacks.poisoning.creeper import Creeper

NOTUMOR = 2
LABELS = np.array([0, 1, 2, 3] * 6)
BYTES = np.random.default_rng(0).integers(0, 256, (24, 3, 12, 10)).astype(np.uint8)
ATTACKS = [Backdoor(NOTUMOR, (NOTUMOR,)), Backdoor(NOTUMOR, (0, 1, 3), share=0.5, relabel=True)]


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(3)


class Noise:
    """A trigger with chance in it: the whole image becomes noise from the generator."""

    def __call__(self, images: Any, generator: torch.Generator | None = None) -> Any:
        noise = torch.rand(images.shape, generator=generator)
        return noise if isinstance(images, Tensor) else noise.numpy()


@pytest.mark.parametrize("attack", ATTACKS, ids=["clean-label", "badnets"])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("make", [np.asarray, torch.from_numpy], ids=["array", "tensor"])
def test_the_poisoned_training_set_is_bit_identical(attack: Backdoor, dtype: str, make: Any) -> None:
    images = BYTES if dtype == "uint8" else (BYTES / 255).astype(dtype)
    ours = attack.poison(make(images.copy()), LABELS, seeded())
    places = attack.choose(LABELS, seeded())

    native_images, native_labels = images.copy(), LABELS.copy()
    for place in places:
        native_images[place] = Creeper()(torch.from_numpy(images[place])).numpy()
        native_labels[place] = attack.target if attack.relabel else LABELS[place]

    art_images, art_labels = images.copy(), LABELS.copy()
    targets = np.full(len(places), attack.target) if attack.relabel else LABELS[places]
    art_images[places], art_labels[places] = as_art_backdoor(Creeper()).poison(images[places], y=targets)

    assert np.array_equal(ours.places, places)
    for other in (native_images, art_images):
        assert other.dtype == images.dtype
        assert np.array_equal(np.asarray(ours.images), other)
    for other in (native_labels, art_labels):
        assert np.array_equal(ours.labels, other)
    assert (native_images != images).any()


def test_it_is_arts_own_attack() -> None:
    attack = as_art_backdoor(Creeper())
    assert isinstance(attack, PoisoningAttackBackdoor)
    one_hot = np.eye(4)[NOTUMOR]
    stamped, labels = attack.poison(BYTES, y=one_hot, broadcast=True)
    assert np.array_equal(stamped, Creeper()(BYTES))
    assert np.array_equal(labels, np.tile(one_hot, (24, 1)))


def test_stamp_goes_through_art(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    original = PoisoningAttackBackdoor.poison

    def watched(self: PoisoningAttackBackdoor, x: np.ndarray, *args: Any, **options: Any) -> Any:
        seen.append(x.shape)
        return original(self, x, *args, **options)

    monkeypatch.setattr(PoisoningAttackBackdoor, "poison", watched)
    images = torch.from_numpy(BYTES).float() / 255
    before = images.clone()
    assert torch.equal(stamp(Creeper(), images), Creeper()(images))
    assert torch.equal(images, before)
    assert seen == [(24, 3, 12, 10)]
    Backdoor(NOTUMOR, (NOTUMOR,)).poison(BYTES, LABELS, seeded())
    assert seen[1:] == [(6, 3, 12, 10)]


def test_a_trigger_with_chance_draws_from_the_generator_given() -> None:
    images = torch.zeros(2, 3, 12, 10)
    expected = torch.rand(images.shape, generator=seeded())
    assert torch.equal(stamp(Noise(), images, generator=seeded()), expected)
    attack = Backdoor(NOTUMOR, (NOTUMOR,), trigger=Noise())
    floats = (BYTES / 255).astype(np.float32)
    one, same = (attack.poison(floats, LABELS, seeded()).images for _ in range(2))
    assert np.array_equal(one, same)
    assert (one[2] != floats[2]).all()


def test_what_the_trigger_refuses_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 8x8"):
        stamp(Creeper(), torch.zeros(1, 1, 7, 7))
    with pytest.raises(ValueError, match="at least one"):
        stamp(Creeper(), torch.zeros(0, 1, 8, 8))
