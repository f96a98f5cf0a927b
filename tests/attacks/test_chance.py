"""Randomness is passed in, and nothing else is random."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from toy_models import dyadic_images, dyadic_start, own_labels, small_net

from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.pgd import PGD

IMAGES = dyadic_images(6)
LABELS = own_labels(small_net(), IMAGES)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("restarts", [1, 3])
def test_the_generator_decides(norm: str, restarts: int) -> None:
    attack = PGD(0.3, alpha=0.02, steps=3, norm=norm, restarts=restarts)
    one, again, other = (attack(small_net(), IMAGES, LABELS, generator=seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_no_generator_is_one_seeded_with_zero() -> None:
    attack = PGD(0.1, alpha=0.02, steps=2)
    assert torch.equal(attack(small_net(), IMAGES, LABELS), attack(small_net(), IMAGES, LABELS, generator=seeded(0)))


@pytest.mark.parametrize(
    "attack",
    [FGSM(0.1), PGD(0.1, alpha=0.02, steps=2), PGD(0.1, alpha=0.02, steps=2, restarts=2, norm="l2", keep="best")],
)
def test_the_global_generators_are_not_moved(attack: Callable[..., Tensor]) -> None:
    model = small_net().train()
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    attack(model, IMAGES, LABELS)
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_before)


def test_the_inputs_are_not_written_to() -> None:
    images, labels, start = IMAGES.clone(), LABELS.clone(), dyadic_start(IMAGES, 1 / 64)
    kept = start.clone()
    PGD(1 / 64, alpha=1 / 256, steps=3)(small_net(), images, labels, start=start)
    FGSM(1 / 64)(small_net(), images, labels)
    assert torch.equal(images, IMAGES)
    assert torch.equal(labels, LABELS)
    assert torch.equal(start, kept)


def test_a_given_start_is_where_the_run_begins() -> None:
    """A step too small for float32 leaves the start as it is; the drawn start is the given one, given."""
    start = dyadic_start(IMAGES, 1 / 16)
    stuck = PGD(1 / 16, alpha=1e-12, steps=1)
    assert torch.equal(stuck(small_net(), IMAGES, LABELS, start=start), start)
    attack = PGD(1 / 16, alpha=1 / 256, steps=4, restarts=2)
    drawn = attack.draw_start(IMAGES, seeded(7))
    assert torch.equal(
        attack(small_net(), IMAGES, LABELS, start=drawn), attack(small_net(), IMAGES, LABELS, generator=seeded(7))
    )


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_one_full_step_from_the_image_is_fgsm(norm: str, targeted: bool) -> None:
    eps = 1 / 32
    step = PGD(eps, alpha=eps, steps=1, random_start=False, norm=norm, targeted=targeted)
    crafted = step(small_net(), IMAGES, LABELS)
    single = FGSM(eps, norm=norm, targeted=targeted)(small_net(), IMAGES, LABELS)
    if norm == "linf":
        assert torch.equal(crafted, single)
    else:
        torch.testing.assert_close(crafted, single, rtol=0, atol=1e-6)
