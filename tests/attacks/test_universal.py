"""One perturbation for many images against its closed form on a linear model, and ART's."""

from typing import Any

import pytest
import torch
from toy_models import Linear, assert_unchanged, dyadic_images, own_labels, seeded, small_net, state_of, unsettle

from mri_robust.adapters.art import fit_universal
from mri_robust.attacks.evasion import ATTACKS
from mri_robust.attacks.evasion.universal import Universal
from mri_robust.core.eval_mode import eval_mode

EPS = 1 / 64
IMAGES = 0.25 + dyadic_images(40) / 2
WEIGHT = torch.randn(2, 64, generator=seeded(3))
GAP = (WEIGHT[1] - WEIGHT[0]).reshape(1, 1, 8, 8)


@pytest.mark.parametrize(("norm", "eps"), [("linf", EPS), ("l2", 0.25)])
@pytest.mark.parametrize("targeted", [False, True])
def test_of_a_linear_model_it_is_the_steepest_direction(norm: Any, eps: float, targeted: bool) -> None:
    """Images of class 0 are moved along w_1 - w_0: its sign in L-inf, itself in L2, and to the surface of the ball."""
    labels = torch.full((40,), int(targeted))
    found = Universal(eps, norm=norm, targeted=targeted)(Linear(WEIGHT, torch.zeros(2)), IMAGES, labels)
    truth = eps * (GAP.sign() if norm == "linf" else GAP / GAP.norm())
    torch.testing.assert_close(found, truth, rtol=0, atol=1e-6)


def test_images_that_are_lost_no_longer_count() -> None:
    """Those of class 1 are wrong by more than the clipped loss; those of class 0 alone say where to go."""
    bias = torch.tensor([12.0, 0.0])
    images, labels = IMAGES * 0.01, torch.zeros(40, dtype=torch.int64)
    labels[:30] = 1  # the loss of each is about 12
    clipped, whole = (Universal(EPS, most=most)(Linear(WEIGHT, bias), images, labels) for most in (9.0, 100.0))
    torch.testing.assert_close(clipped, EPS * GAP.sign(), rtol=0, atol=1e-6)
    torch.testing.assert_close(whole, -EPS * GAP.sign(), rtol=0, atol=1e-6)


def test_a_pixel_that_is_clipped_in_one_image_moves_for_the_others() -> None:
    images = IMAGES.clone()
    images[:39] = (GAP > 0).float()  # they cannot move
    found = Universal(EPS)(Linear(WEIGHT, torch.zeros(2)), images, torch.zeros(40, dtype=torch.int64))
    torch.testing.assert_close(found, EPS * GAP.sign(), rtol=0, atol=1e-6)


def test_keeps_the_attacks_contract() -> None:
    model, labels = unsettle(small_net()), torch.arange(40) % 4
    before, drawn = state_of(model), torch.get_rng_state()
    attack = Universal(EPS, steps=5, batch_size=8)
    found = attack(model, IMAGES, labels, generator=seeded(1))
    assert_unchanged(model, before)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert (found.shape, found.dtype, found.requires_grad) == ((1, 1, 8, 8), torch.float32, False)
    assert 0 < found.abs().max() <= EPS
    assert torch.equal(found, attack(model, IMAGES, labels, generator=seeded(1)))
    assert not torch.equal(found, attack(model, IMAGES, labels, generator=seeded(2)))
    grey = (IMAGES * 255).round().byte()
    assert torch.equal(attack(model, grey, labels), attack(model, grey.float() / 255, labels))
    assert "universal" not in ATTACKS
    wrong: list[tuple[Any, Any]] = [
        (IMAGES * 255, labels),
        (IMAGES[0], labels),
        (IMAGES, labels + 1),
        (IMAGES, labels[1:]),
    ]
    for images, truth in wrong:
        with pytest.raises(ValueError, match=r"images|labels"):
            attack(model, images, truth)
    for options in ({"steps": 0}, {"batch_size": 0}, {"most": 0.0}, {"alpha": 0.0}, {"norm": "l1"}):
        with pytest.raises(ValueError, match=next(iter(options))):
            Universal(EPS, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_arts_lies_in_the_ball_fools_what_it_saw_and_is_the_same_again(norm: Any) -> None:
    model = unsettle(small_net())
    with eval_mode(model):
        labels = own_labels(model, IMAGES)
    before, eps = state_of(model), 0.5 if norm == "linf" else 4.0
    first, again = (fit_universal(Universal(eps, norm=norm), model, IMAGES, labels, passes=2, seed=1) for _ in range(2))
    assert_unchanged(model, before)
    assert torch.equal(first, again)
    size = first.abs().max() if norm == "linf" else first.norm()
    assert 0 < size <= eps * (1 + 1e-6)
    with eval_mode(model):
        assert (own_labels(model, (IMAGES + first).clamp(0, 1)) == labels).float().mean() < 0.8
    with pytest.raises(ValueError, match="targets"):
        fit_universal(Universal(eps, norm=norm, targeted=True), model, IMAGES, labels, passes=1, seed=1)


def test_arts_takes_two_classes() -> None:
    model = Linear(WEIGHT, torch.zeros(2))
    found = fit_universal(Universal(EPS), model, IMAGES[:4], own_labels(model, IMAGES[:4]), passes=1, seed=0)
    assert found.shape == (1, 1, 8, 8)
