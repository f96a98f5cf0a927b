"""Batches for adversarial training: what is appended, and what it does to the model."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from toy_models import assert_unchanged, dyadic_images, own_labels, small_net, state_of, unsettle

from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.defences import DEFENCES
from mri_robust.defences.adversarial_training import AdversarialTraining

IMAGES = dyadic_images(8)
LABELS = own_labels(small_net(), IMAGES)
EPSILONS = (0.01, 0.03, 0.09)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("attack", ["fgsm", "pgd"])
@pytest.mark.parametrize("train_mode", [False, True])
def test_the_clean_batch_comes_first_and_the_rest_is_within_the_drawn_ball(attack: str, train_mode: bool) -> None:
    defence = AdversarialTraining(attack, EPSILONS, train_mode=train_mode)
    sizes = set()
    for seed in range(8):
        images, labels = defence(small_net().train(), IMAGES, LABELS, seeded(seed))
        assert torch.equal(images[:8], IMAGES)
        assert torch.equal(labels, torch.cat([LABELS, LABELS]))
        assert not images.requires_grad
        assert 0 <= images.min() <= images.max() <= 1
        moved = float((images[8:] - IMAGES).abs().max())
        sizes.add(min(EPSILONS, key=lambda eps: abs(eps - moved)))
        assert min(abs(eps - moved) for eps in EPSILONS) < 1e-6  # the corner of one of the balls is reached
    assert sizes == set(EPSILONS)


def test_one_epsilon_of_fgsm_is_fgsm() -> None:
    images, _ = AdversarialTraining("fgsm", (0.05,))(small_net().train(), IMAGES, LABELS, seeded())
    assert torch.equal(images[8:], FGSM(0.05)(small_net(), IMAGES, LABELS))


def test_pgd_takes_its_share_of_epsilon_as_step() -> None:
    assert AdversarialTraining("pgd", (0.08,), steps=3).attack_at(0.08) == PGD(0.08, alpha=0.02, steps=3)
    fixed = AdversarialTraining("pgd", (0.08,), alpha=0.01, clip="end", bounds=(0.1855, 0.3668))
    assert fixed.attack_at(0.02) == PGD(0.02, alpha=0.01, steps=7, clip="end", bounds=(0.1855, 0.3668))


@pytest.mark.parametrize("attack", ["fgsm", "pgd"])
def test_crafting_leaves_the_model_alone(attack: str) -> None:
    model = unsettle(small_net())
    before, chance = state_of(model), torch.get_rng_state()
    AdversarialTraining(attack, EPSILONS)(model, IMAGES, LABELS, seeded())
    assert_unchanged(model, before)
    assert torch.equal(torch.get_rng_state(), chance)


@pytest.mark.parametrize("attack", ["fgsm", "pgd"])
def test_crafting_in_train_mode_moves_the_batchnorm_statistics(attack: str) -> None:
    model = small_net().train()
    before = state_of(model)
    AdversarialTraining(attack, EPSILONS, train_mode=True)(model, IMAGES, LABELS, seeded())
    changed = {
        name for name, value in state_of(model).items()
        if isinstance(value, torch.Tensor) and not torch.equal(value, before[name])
    }  # fmt: skip
    layers = ("features.1", "features.5")
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    assert changed == {f"value {layer}.{buffer}" for layer in layers for buffer in buffers}


@pytest.mark.parametrize("attack", ["fgsm", "pgd"])
def test_the_study_variant_lands_in_its_bounds(attack: str) -> None:
    low, high = 0.1855, 0.3668
    defence = AdversarialTraining(attack, (0.05,), clip="end", bounds=(low, high))
    images, _ = defence(small_net().train(), IMAGES, LABELS, seeded())
    assert torch.equal(images[:8], IMAGES)
    assert images[8:].min() == torch.tensor(low)
    assert images[8:].max() == torch.tensor(high)


def test_the_generator_decides() -> None:
    defence = AdversarialTraining("pgd", EPSILONS)
    one, again, other = (defence(small_net(), IMAGES, LABELS, seeded(seed))[0] for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize(
    ("change", "error", "named"),
    [
        ({"attack": "cw"}, ValueError, "attack.*cw"),
        ({"epsilons": ()}, ValueError, "epsilons.*0"),
        ({"epsilons": (0.1, 0.0)}, ValueError, "epsilon.*0"),
        ({"epsilons": (0.1, 8)}, ValueError, "epsilon.*8"),
        ({"epsilons": ("0.1",)}, TypeError, "epsilon.*0.1"),
        ({"attack": "pgd", "steps": 0}, ValueError, "steps.*0"),
        ({"attack": "pgd", "alpha": -1.0}, ValueError, "alpha.*-1"),
        ({"bounds": (1.0, 0.0)}, ValueError, "bounds"),
    ],
)
def test_wrong_values_are_refused_by_name(change: dict[str, Any], error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=named):
        AdversarialTraining(**{"attack": "fgsm", "epsilons": (0.1,)} | change)


def test_defences_are_registered_under_their_file_names() -> None:
    assert {"adversarial-training", "augmentation"} <= set(DEFENCES.names())
    assert DEFENCES.load("adversarial-training") is AdversarialTraining
