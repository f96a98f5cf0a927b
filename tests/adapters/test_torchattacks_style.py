"""Our attacks in scripts that are written for torchattacks."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import torchattacks
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.transforms import Normalize
from toy_models import Nameless, assert_unchanged, dyadic_images, own_labels, small_net, state_of, unsettle

from mri_robust import FGSM, PGD, as_torchattack

IMAGES = dyadic_images(24)
LABELS = own_labels(small_net(), IMAGES)
EPS, ALPHA = 16 / 256, 4 / 256
STEPS = {"eps": EPS, "alpha": ALPHA, "steps": 6}
PAIRS: dict[str, tuple[Any, Any]] = {
    "fgsm": (
        lambda model: as_torchattack(FGSM, model, eps=EPS),
        lambda model: torchattacks.FGSM(model, eps=EPS),
    ),
    "pgd": (
        lambda model: as_torchattack(PGD, model, **STEPS, random_start=False),
        lambda model: torchattacks.PGD(model, **STEPS, random_start=False),
    ),
}
MODES = {
    "default": lambda attack: None,
    "by label": lambda attack: attack.set_mode_targeted_by_label(quiet=True),
    "by function": lambda attack: attack.set_mode_targeted_by_function(lambda x, y: (y + 2) % 4, quiet=True),
    "least likely": lambda attack: attack.set_mode_targeted_least_likely(quiet=True),
    "second least likely": lambda attack: attack.set_mode_targeted_least_likely(2, quiet=True),
    "random": lambda attack: attack.set_mode_targeted_random(quiet=True),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("pair", PAIRS)
def test_same_bits_as_torchattacks_in_every_mode(pair: str, mode: str) -> None:
    labels = (LABELS + 1) % 4 if mode == "by label" else LABELS
    made = []
    for build in PAIRS[pair]:
        attack = build(small_net())
        MODES[mode](attack)
        torch.manual_seed(5)  # what torchattacks draws its random targets from
        made.append(attack(IMAGES, labels))
    assert torch.equal(*made)
    assert not torch.equal(made[0], IMAGES)


def test_a_targeted_mode_is_our_targeted_attack_and_can_be_left_again() -> None:
    targets = (LABELS + 1) % 4
    attack = as_torchattack(PGD, small_net(), **STEPS, random_start=False, targeted=True)
    native = PGD(**STEPS, random_start=False, targeted=True)
    assert torch.equal(attack(IMAGES, targets), native(small_net(), IMAGES, targets))
    assert attack.get_mode() == "targeted(label)"
    attack.set_mode_default()
    assert torch.equal(attack(IMAGES, LABELS), PGD(**STEPS, random_start=False)(small_net(), IMAGES, LABELS))


def test_parameters_are_attributes_as_in_torchattacks() -> None:
    attack = as_torchattack(FGSM, small_net(), eps=EPS)
    assert "FGSM(" in repr(attack)
    assert f"eps={EPS}" in repr(attack)
    attack.eps = 2 * EPS
    assert torch.equal(attack(IMAGES, LABELS), torchattacks.FGSM(small_net(), eps=2 * EPS)(IMAGES, LABELS))
    attack.eps = 2
    with pytest.raises(ValueError, match="eps must be in"):
        attack(IMAGES, LABELS)


def test_random_starts_are_new_in_every_call_and_come_from_the_seed_alone() -> None:
    before = torch.get_rng_state()
    attack = as_torchattack(PGD, small_net(), **STEPS, seed=3)
    first, second = attack(IMAGES, LABELS), attack(IMAGES, LABELS)
    assert not torch.equal(first, second)
    again = as_torchattack(PGD, small_net(), **STEPS, seed=3)
    assert torch.equal(again(IMAGES, LABELS), first)
    assert torch.equal(again(IMAGES, LABELS), second)
    assert not torch.equal(as_torchattack(PGD, small_net(), **STEPS, seed=4)(IMAGES, LABELS), first)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("attack", [lambda model: as_torchattack(PGD, model, **STEPS), PAIRS["fgsm"][0]])
def test_the_model_is_given_back_also_by_save_and_after_an_error(attack: Any, tmp_path: Path) -> None:
    model = unsettle(small_net())
    before = state_of(model)
    made = attack(model)
    made.set_mode_targeted_least_likely(quiet=True)
    made(IMAGES, LABELS)
    assert_unchanged(model, before)
    made.save(DataLoader(TensorDataset(IMAGES, LABELS), 8), tmp_path / "saved.pt", verbose=False)
    assert_unchanged(model, before)
    with pytest.raises(ValueError, match="labels must lie in"):
        attack(model)(IMAGES, LABELS + 9)
    assert_unchanged(model, before)


def test_torchattacks_own_attacks_give_the_model_back_from_save_too(tmp_path: Path) -> None:
    model = unsettle(small_net())
    before = state_of(model)
    as_torchattack("FGSM", model, eps=EPS).save(DataLoader(TensorDataset(IMAGES, LABELS), 8), tmp_path / "saved.pt")
    assert_unchanged(model, before)


def test_save_writes_what_load_reads_and_counts_as_torchattacks_counts(tmp_path: Path) -> None:
    loader = DataLoader(TensorDataset(IMAGES, LABELS), 8)
    counted = []
    for name, build in zip(("ours", "theirs"), PAIRS["pgd"], strict=True):
        attack = build(small_net())
        counted.append(attack.save(loader, tmp_path / name, verbose=False, return_verbose=True, save_predictions=True))
    assert counted[0][:2] == counted[1][:2]
    ours, theirs = (torch.load(tmp_path / name) for name in ("ours", "theirs"))
    for key in ("adv_inputs", "labels", "preds"):
        assert torch.equal(ours[key], theirs[key])
    images, labels = next(iter(attack.load(tmp_path / "ours", batch_size=24)))
    assert torch.equal(images, ours["adv_inputs"])
    assert torch.equal(labels, LABELS)


@pytest.mark.parametrize("first", [0, 1])
def test_multiattack_takes_them_beside_torchattacks_own(first: int) -> None:
    """The first attack's images where it fools, the second's where only that does, the image itself for survivors."""
    model = small_net()
    weak, strong = PAIRS["fgsm"][first](model), PAIRS["pgd"][1 - first](model)
    weak.eps = EPS / 8
    crafted = torchattacks.MultiAttack([weak, strong])(IMAGES, LABELS)
    one, two = weak(IMAGES, LABELS), strong(IMAGES, LABELS)
    by_one, by_two = own_labels(model, one) != LABELS, own_labels(model, two) != LABELS
    assert by_one.any()
    assert (by_two & ~by_one).any()
    pick = (by_one * 1 + (~by_one & by_two) * 2).view(-1, 1, 1, 1)
    expected = torch.where(pick == 1, one, torch.where(pick == 2, two, IMAGES))
    assert (crafted - expected).abs().max() < 1e-6
    assert (own_labels(model, crafted) != LABELS).sum() == (by_one | by_two).sum()


def test_a_model_that_states_nothing_and_labels_on_a_loader() -> None:
    model = nn.Sequential(Normalize([0.5], [0.25]), Nameless(small_net()))
    ours, theirs = (build(copy.deepcopy(model)) for build in PAIRS["fgsm"])
    for images, labels in DataLoader(TensorDataset(IMAGES, LABELS), 10):
        assert torch.equal(ours(images, labels), theirs(images, labels))


@dataclass(frozen=True)
class Untargetable:
    """Adds eps."""

    eps: float

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor, **_: Any) -> Tensor:
        return (images + self.eps).clamp(0, 1)


def test_what_cannot_be_done_is_refused_in_words() -> None:
    attack = as_torchattack(FGSM, small_net(), eps=EPS)
    with pytest.raises(ValueError, match="put the normalisation into the model"):
        attack.set_normalization_used([0.5], [0.25])
    with pytest.raises(ValueError, match="eval mode only"):
        attack.set_model_training_mode(batchnorm_training=True)
    attack.set_model_training_mode(False)
    with pytest.raises(ValueError, match="eps must be in"):
        as_torchattack(FGSM, small_net(), eps=4)
    with pytest.raises(TypeError, match="alpha"):
        as_torchattack(PGD, small_net(), eps=EPS)
    untargetable = as_torchattack(Untargetable, small_net(), eps=EPS)
    assert torch.equal(untargetable(IMAGES, LABELS), (IMAGES + EPS).clamp(0, 1))
    with pytest.raises(ValueError, match="Targeted mode is not supported"):
        untargetable.set_mode_targeted_by_label()
