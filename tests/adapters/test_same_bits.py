"""Native, ART and torchattacks give the same bits from the same start."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from toy_models import Nameless, dyadic_images, dyadic_start, own_labels, small_net

from mri_robust.adapters import art, torchattacks
from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.pgd import PGD

EPS, ALPHA = 1 / 64, 1 / 256
STUDY_BOUNDS = (0.1855, 0.3668)
IMAGES = dyadic_images(24)
LABELS = own_labels(small_net(), IMAGES)
STEPS = PGD(EPS, alpha=ALPHA, steps=10)
L2 = PGD(1.0, alpha=0.25, steps=10, norm="l2")

each_library = pytest.mark.parametrize("engine", [art.craft, torchattacks.craft], ids=["art", "torchattacks"])


def native(attack: FGSM | PGD, labels: Tensor, start: Tensor | None) -> Tensor:
    return attack(small_net(), IMAGES, labels, start=start)


@each_library
@pytest.mark.parametrize("bounds", [(0.0, 1.0), STUDY_BOUNDS])
@pytest.mark.parametrize("targeted", [False, True])
def test_fgsm(engine: object, bounds: tuple[float, float], targeted: bool) -> None:
    attack = FGSM(EPS, targeted=targeted, bounds=bounds)
    labels = (LABELS + 1) % 4 if targeted else LABELS
    assert torch.equal(native(attack, labels, None), engine(attack, small_net(), IMAGES, labels, None))


@each_library
@pytest.mark.parametrize("start", [IMAGES, dyadic_start(IMAGES, EPS)], ids=["image", "injected"])
@pytest.mark.parametrize("targeted", [False, True])
def test_linf_pgd(engine: object, start: Tensor, targeted: bool) -> None:
    attack = replace(STEPS, targeted=targeted)
    labels = (LABELS + 1) % 4 if targeted else LABELS
    crafted = native(attack, labels, start)
    assert torch.equal(crafted, engine(attack, small_net(), IMAGES, labels, start))
    other_start = native(attack, labels, dyadic_start(IMAGES, EPS, seed=9))
    assert not torch.equal(crafted, other_start)


def test_l2_projected_then_clipped_is_torchattacks() -> None:
    start = L2.draw_start(IMAGES, torch.Generator().manual_seed(0))[0]
    assert torch.equal(native(L2, LABELS, start), torchattacks.craft(L2, small_net(), IMAGES, LABELS, start))


def test_l2_clipped_then_projected_is_near_art_after_one_step() -> None:
    one = replace(L2, steps=1, clip="before")
    difference = native(one, LABELS, IMAGES) - art.craft(one, small_net(), IMAGES, LABELS, IMAGES)
    assert difference.abs().max() < 1e-6


def test_the_study_clip_at_the_end() -> None:
    attack = PGD(0.08, alpha=0.02, steps=10, clip="end", bounds=STUDY_BOUNDS)
    start = attack.draw_start(IMAGES, torch.Generator().manual_seed(0))[0]
    assert start.min() < 0
    crafted = native(attack, LABELS, start)
    assert torch.equal(crafted, art.craft(attack, small_net(), IMAGES, LABELS, start))
    # torchattacks works in stretched pixels, which rounds otherwise.
    stretched = torchattacks.craft(attack, small_net(), IMAGES, LABELS, start)
    assert ((crafted - stretched).abs() < 1e-5).float().mean() > 0.95


@each_library
def test_a_model_that_states_nothing_is_measured(engine: object) -> None:
    crafted = engine(STEPS, Nameless(small_net()), IMAGES, LABELS, IMAGES)
    assert torch.equal(crafted, native(STEPS, LABELS, IMAGES))


@each_library
@pytest.mark.parametrize("change", [{"keep": "best"}, {"restarts": 2}])
def test_what_the_libraries_do_not_have_is_refused(engine: object, change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="one given start"):
        engine(replace(STEPS, **change), small_net(), IMAGES, LABELS, IMAGES)


@each_library
def test_an_attack_the_libraries_do_not_have_is_refused(engine: object) -> None:
    class Noise:
        norm = "linf"

    with pytest.raises(ValueError, match="has no Noise"):
        engine(Noise(), small_net(), IMAGES, LABELS, IMAGES)


def test_torchattacks_has_no_l2_fgsm() -> None:
    with pytest.raises(ValueError, match="FGSM in norm l2"):
        torchattacks.craft(FGSM(0.1, norm="l2"), small_net(), IMAGES, LABELS, None)


@each_library
def test_the_global_generators_are_not_moved(engine: object) -> None:
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    engine(STEPS, small_net(), IMAGES, LABELS, IMAGES)
    engine(FGSM(EPS), small_net(), IMAGES, LABELS, None)
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_before)
