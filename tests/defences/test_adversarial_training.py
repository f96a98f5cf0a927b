"""Batches for adversarial training: what is appended, and what it does to the model."""

from typing import Any

import pytest
import torch
from torch import Tensor
from toy_models import assert_unchanged, dyadic_images, own_labels, small_net, state_of, unsettle

from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.core.errors import UserError
from mri_robust.core.registry import Spec
from mri_robust.defences.adversarial_training import AdversarialTraining

IMAGES = dyadic_images(8)
LABELS = own_labels(small_net(), IMAGES)
EPSILONS = (0.01, 0.03, 0.09)
STUDY = (0.1855, 0.3668)
each_attack = pytest.mark.parametrize("attack", ["fgsm", "pgd"])


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@each_attack
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
        assert min(abs(eps - moved) for eps in EPSILONS) < 1e-6  # the corner of one of the balls is reached
        sizes.add(min(EPSILONS, key=lambda eps: abs(eps - moved)))
    assert sizes == set(EPSILONS)


def test_one_epsilon_is_the_attack_itself_from_its_own_start() -> None:
    images, _ = AdversarialTraining("fgsm", (0.05,))(small_net().train(), IMAGES, LABELS, seeded())
    assert torch.equal(images[8:], FGSM(0.05)(small_net(), IMAGES, LABELS))
    defence, generator = AdversarialTraining("pgd", (0.05,), (("steps", 3),)), seeded()
    images, _ = defence(small_net().train(), IMAGES, LABELS, seeded())
    torch.randint(1, (), generator=generator)  # which epsilon
    assert torch.equal(images[8:], PGD(0.05, steps=3)(small_net(), IMAGES, LABELS, generator=generator))


def test_options_are_the_attacks_and_a_share_follows_the_drawn_epsilon() -> None:
    options = (("steps", 5), ("alpha", 0.01), ("clip", "end"), ("bounds", STUDY))
    path = "mri_robust.defences.adversarial_training:AdversarialTraining"
    spec = Spec.of(path, attack="pgd", epsilons=EPSILONS, options=options, train_mode=True)
    assert spec.build().attack_at(0.03) == PGD(0.03, alpha=0.01, steps=5, clip="end", bounds=STUDY)
    assert AdversarialTraining("pgd", (0.08,), (("steps", 7),)).attack_at(0.08).step_size == 0.02
    shared = AdversarialTraining("pgd", EPSILONS, alpha_share=0.5)
    assert [shared.attack_at(eps).alpha for eps in EPSILONS] == [eps / 2 for eps in EPSILONS]


@each_attack
def test_crafting_leaves_the_model_and_the_global_generator_alone(attack: str) -> None:
    model = unsettle(small_net())
    before, generator = state_of(model), torch.get_rng_state()
    AdversarialTraining(attack, EPSILONS)(model, IMAGES, LABELS, seeded())
    assert_unchanged(model, before)
    assert torch.equal(torch.get_rng_state(), generator)


@each_attack
def test_crafting_in_train_mode_moves_the_batchnorm_statistics_and_nothing_else(attack: str) -> None:
    model = small_net().train()
    before = state_of(model)
    AdversarialTraining(attack, EPSILONS, train_mode=True)(model, IMAGES, LABELS, seeded())
    after = state_of(model)
    changed = {name for name, value in after.items() if isinstance(value, Tensor) and not value.equal(before[name])}
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    assert changed == {f"value {layer}.{buffer}" for layer in ("features.1", "features.5") for buffer in buffers}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"attack": "cw"}, "cw"),
        ({"epsilons": ()}, "epsilons"),
        ({"epsilons": (0.1, 0.0)}, "epsilon"),
        ({"epsilons": (0.1, 8)}, "eps.*8"),
        ({"epsilons": ("0.1",)}, "epsilon"),
        ({"attack": "pgd", "options": (("steps", 0),)}, "steps"),
        ({"options": (("steps", 3),)}, "steps"),
        ({"attack": "pgd", "alpha_share": -1.0}, "alpha"),
    ],
)
def test_wrong_values_are_refused_by_name(change: dict[str, Any], named: str) -> None:
    with pytest.raises((TypeError, UserError, ValueError), match=named):
        AdversarialTraining(**{"attack": "fgsm", "epsilons": (0.1,)} | change)
