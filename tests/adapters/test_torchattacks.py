"""torchattacks' attacks on our models, and ours in scripts that are written for torchattacks."""

import inspect
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchattacks
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset
from toy_models import (
    Nameless,
    SmallNet,
    assert_unchanged,
    dyadic_images,
    own_labels,
    seeded,
    small_net,
    state_of,
    unsettle,
)  # fmt: skip

from mri_robust import FGSM, PGD, as_torchattack
from mri_robust.adapters.torchattacks import LibraryAttack
from mri_robust.core.rng import seeded_globals

IMAGES = dyadic_images(24)
LABELS = own_labels(small_net(), IMAGES)
EPS, ALPHA = 16 / 256, 4 / 256
STEPS = {"eps": EPS, "alpha": ALPHA, "steps": 6}
PLAIN = {**STEPS, "random_start": False}
PAIRS: dict[str, tuple[Any, Any]] = {
    "fgsm": (partial(as_torchattack, FGSM, eps=EPS), partial(torchattacks.FGSM, eps=EPS)),
    "pgd": (partial(as_torchattack, PGD, **PLAIN), partial(torchattacks.PGD, **PLAIN)),
}
MODES = {
    "default": lambda attack: None,
    "by label": lambda attack: attack.set_mode_targeted_by_label(quiet=True),
    "by function": lambda attack: attack.set_mode_targeted_by_function(lambda x, y: (y + 2) % 4, quiet=True),
    "least likely": lambda attack: attack.set_mode_targeted_least_likely(quiet=True),
    "second least likely": lambda attack: attack.set_mode_targeted_least_likely(2, quiet=True),
    "random": lambda attack: attack.set_mode_targeted_random(quiet=True),
}


def accuracy(images: Tensor) -> float:
    return float((own_labels(small_net(), images) == LABELS).float().mean())


OWN = {"FGSM": {}, "PGD": {"steps": 4}, "APGD": {"steps": 4}, "APGDT": {"steps": 4}, "Square": {"n_queries": 20}}
LEAST = {
    "steps": 2, "n_queries": 4, "max_iterations": 10, "binary_search_steps": 1, "nb_sample": 4, "max_batch_size": 4,
    "popsize": 4, "max_patches": 2, "m": 2, "N": 2, "noise_batch_size": 2, "eps": 0.05, "max_epsilon": 0.05,
}  # fmt: skip
"""The least budget of each attack that has the option."""


class Picky(Nameless):
    """Refuses an empty batch; shown colours, it sees their mean."""

    classes = SmallNet.classes

    def forward(self, images: Tensor) -> Tensor:
        assert len(images)
        return super().forward(images.mean(1, keepdim=True))


@pytest.mark.parametrize("name", sorted(set(torchattacks.__all__) - set(torchattacks.__wrapper__)))
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("right", [True, False])
def test_every_attack_of_torchattacks_gives_images_in_its_ball_and_the_model_back(
    name: str, channels: int, right: bool
) -> None:
    """Of grey and colour images that are all right or all wrong, also with another default dtype."""
    model, images = unsettle(Picky(small_net())), IMAGES[:3].repeat(1, channels, 1, 1)
    library, before, kept = getattr(torchattacks, name), state_of(model), torch.get_default_dtype()
    options = {key: LEAST[key] for key in inspect.signature(library).parameters if key in LEAST}
    try:
        torch.set_default_dtype(torch.float64)
        with seeded_globals(0), torch.inference_mode():
            crafted = as_torchattack(name, model, **options)(images.clone(), (LABELS[:3] + (not right)) % 4)
    finally:
        torch.set_default_dtype(kept)
    assert_unchanged(model, before)
    assert (crafted.shape, crafted.dtype, crafted.requires_grad) == (images.shape, torch.float32, False)
    assert 0 <= crafted.min() <= crafted.max() <= 1
    size = 2 if name in ("PGDL2", "PGDRSL2") else torch.inf
    if {"eps", "max_epsilon"} & options.keys():
        assert torch.linalg.vector_norm((crafted - images).flatten(1), size, dim=1).max() <= 0.05 + 1e-6


def test_attacks_for_three_channels_and_ten_classes_are_the_same_on_grey_images_and_four() -> None:
    """Without blur, TIFGSM is BIM; JSMA without a target aims at the next class."""
    make = partial(as_torchattack, model=small_net())
    blurred = make("TIFGSM", **STEPS, len_kernel=1, diversity_prob=0)
    assert torch.allclose(blurred(IMAGES, LABELS), make("BIM", **STEPS)(IMAGES, LABELS), atol=1e-6)
    blurred.set_mode_targeted_by_label(quiet=True)
    assert accuracy(blurred(IMAGES, LABELS)) == 1
    free, aimed = (make("JSMA", gamma=0.05) for _ in range(2))
    aimed.set_mode_targeted_by_function(lambda images, labels: (labels + 1) % 4, quiet=True)
    crafted = free(IMAGES, LABELS)
    assert torch.equal(crafted, aimed(IMAGES, LABELS))
    assert (own_labels(small_net(), crafted) == (LABELS + 1) % 4).any()


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("plain", [False, True])
def test_torchattacks_own_fool_and_leave_global_generators(name: str, plain: bool) -> None:
    """APGDT tries every other class while an image stands: with 10 classes assumed it would fail here."""
    model, states = small_net(), (torch.get_rng_state(), np.random.get_state()[1].copy())
    if plain:
        crafted = LibraryAttack(name, 0.05, tuple(OWN[name].items()))(model, IMAGES, LABELS)
        assert torch.equal(torch.get_rng_state(), states[0])
        np.testing.assert_array_equal(np.random.get_state()[1], states[1])
    else:
        crafted = as_torchattack(name, model, eps=0.05, **OWN[name])(IMAGES, LABELS)
    assert (crafted - IMAGES).abs().max() <= 0.05 + 1e-6
    assert accuracy(crafted) < 1
    if name == "FGSM":
        assert torch.equal(crafted, FGSM(0.05)(small_net(), IMAGES, LABELS))


@pytest.mark.parametrize("name", ["PGD", "APGD", "APGDT", "Square"])
def test_a_plain_call_is_torchattacks_with_the_seed_of_the_generator(name: str) -> None:
    attack = LibraryAttack(name, 0.03, tuple(OWN[name].items()))
    counted = {"PGD": {}, "APGDT": {"seed": 0, "n_classes": 4}}.get(name, {"seed": 0})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = getattr(torchattacks, name)(small_net(), eps=0.03, **OWN[name], **counted)(IMAGES, LABELS)
    assert torch.equal(attack(small_net(), IMAGES, LABELS), theirs)
    generators = [seeded(seed) for seed in (1, 1, 2)]
    one, same, other = (attack(small_net(), IMAGES, LABELS, generator=generator) for generator in generators)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_a_plain_call_counts_the_classes_of_a_model_that_states_none_and_knows_both_norms() -> None:
    for apgdt in (
        partial(LibraryAttack("APGDT", 1e-6, (("steps", 2),)), Nameless(small_net())),
        as_torchattack("APGDT", small_net(), eps=1e-6, steps=2),
        as_torchattack("APGDT", Nameless(small_net()), eps=1e-6, steps=2, n_classes=4),
    ):
        assert accuracy(apgdt(IMAGES, LABELS)) == 1  # all wrong classes of survivors are tried
    crafted = LibraryAttack("APGD", 1.0, (("steps", 5),), norm="l2")(small_net(), IMAGES, LABELS)
    lengths = (crafted - IMAGES).flatten(1).norm(dim=1)
    assert 0.9 < lengths.max() <= 1 + 1e-5
    for wrong in (("PDG", 0.1), ("attack", 0.1), ("APGD", 0.1, (("epsilon", 3),)), ("APGD", 0.1, (), "l1")):
        with pytest.raises((TypeError, ValueError), match=r"PDG|attack|epsilon|l1"):
            LibraryAttack(*wrong)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("pair", PAIRS)
def test_ours_give_the_same_bits_in_every_mode(pair: str, mode: str) -> None:
    labels = (LABELS + 1) % 4 if mode == "by label" else LABELS
    made = []
    for build in PAIRS[pair]:
        attack = build(small_net())
        MODES[mode](attack)
        torch.manual_seed(5)  # what torchattacks draws its random targets from
        made.append(attack(IMAGES, labels))
    assert torch.equal(*made)
    assert not torch.equal(made[0], IMAGES)


def test_modes_and_parameters_can_be_changed_between_calls_as_in_torchattacks() -> None:
    targets, attack = (LABELS + 1) % 4, as_torchattack(PGD, small_net(), **PLAIN, targeted=True)
    assert torch.equal(attack(IMAGES, targets), PGD(**PLAIN, targeted=True)(small_net(), IMAGES, targets))
    assert attack.get_mode() == "targeted(label)"
    attack.set_mode_default()
    assert torch.equal(attack(IMAGES, LABELS), PGD(**PLAIN)(small_net(), IMAGES, LABELS))
    attack = as_torchattack(FGSM, small_net(), eps=EPS)
    attack.eps = 2 * EPS
    assert torch.equal(attack(IMAGES, LABELS), torchattacks.FGSM(small_net(), eps=2 * EPS)(IMAGES, LABELS))


def test_random_starts_are_new_in_every_call_and_come_from_the_seed_alone() -> None:
    before = torch.get_rng_state()
    attack, again, other = (as_torchattack(PGD, small_net(), **STEPS, seed=seed) for seed in (3, 3, 4))
    first, second = attack(IMAGES, LABELS), attack(IMAGES, LABELS)
    assert not torch.equal(first, second)
    assert torch.equal(again(IMAGES, LABELS), first)
    assert torch.equal(again(IMAGES, LABELS), second)
    assert not torch.equal(other(IMAGES, LABELS), first)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("attack", [partial(as_torchattack, PGD, **STEPS), partial(as_torchattack, "FGSM", eps=EPS)])
def test_the_model_is_given_back_also_by_save_and_after_an_error(attack: Any, tmp_path: Path) -> None:
    model = unsettle(small_net())
    before, made = state_of(model), attack(model)
    made.set_mode_targeted_least_likely(quiet=True)
    made(IMAGES, LABELS)
    assert_unchanged(model, before)
    made.set_mode_default()
    made.save(DataLoader(TensorDataset(IMAGES, LABELS), 8), tmp_path / "saved.pt", verbose=False)
    assert_unchanged(model, before)
    saved = torch.load(tmp_path / "saved.pt")
    assert torch.equal(saved["labels"], LABELS)
    assert 0 < (saved["adv_inputs"] - IMAGES).abs().max() <= EPS + 1e-6
    with pytest.raises((ValueError, IndexError)):
        attack(model)(IMAGES, LABELS + 9)
    assert_unchanged(model, before)


@pytest.mark.parametrize("first", [0, 1])
def test_multiattack_takes_them_beside_torchattacks_own(first: int) -> None:
    """The first attack's images where it fools, the second's where only that does, the image itself for survivors."""
    model = Nameless(small_net()).eval()
    weak, strong = PAIRS["fgsm"][first](model), PAIRS["pgd"][1 - first](model)
    weak.eps = EPS / 8
    crafted = torchattacks.MultiAttack([weak, strong])(IMAGES, LABELS)
    one, two = weak(IMAGES, LABELS), strong(IMAGES, LABELS)
    by_one, by_two = ((own_labels(model, each) != LABELS).view(-1, 1, 1, 1) for each in (one, two))
    assert by_one.any()
    assert (by_two & ~by_one).any()
    expected = torch.where(by_one, one, torch.where(by_two, two, IMAGES))
    assert (crafted - expected).abs().max() < 1e-6


def test_what_cannot_be_done_is_refused() -> None:
    net, attack = small_net(), as_torchattack(FGSM, small_net(), eps=EPS)
    attack.set_model_training_mode(False)
    for refused, word in (
        (lambda: attack.set_normalization_used([0.5], [0.25]), "normalisation"),
        (lambda: attack.set_model_training_mode(batchnorm_training=True), "eval mode"),
        (lambda: as_torchattack(FGSM, net, eps=4), "eps"),
        (lambda: as_torchattack(PGD, net, eps=EPS, steps="x"), "steps"),
        (lambda: as_torchattack("PDG", net), "PDG"),
        (lambda: as_torchattack("__doc__", net), "__doc__"),
        (lambda: as_torchattack("PGD", net, epsilon=0.1), "epsilon"),
        (lambda: as_torchattack("APGDT", Nameless(net)), "n_classes"),
        (lambda: as_torchattack("FGSM", net)(IMAGES * 255, LABELS), "255"),
    ):
        with pytest.raises((TypeError, ValueError), match=word):
            refused()
