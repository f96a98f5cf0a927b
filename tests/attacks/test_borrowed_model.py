"""A model comes back from an attack exactly as it was lent."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
import torch
from torch import Tensor, nn
from toy_models import Bomb, Nameless, assert_unchanged, dyadic_images, small_net, state_of, unsettle

from mri_robust.adapters import art, torchattacks
from mri_robust.adapters.torchattacks import as_torchattack
from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.core.eval_mode import eval_mode

IMAGES = dyadic_images(4)
LABELS = torch.tensor([0, 1, 2, 3])
STEPS = PGD(1 / 64, alpha=1 / 256, steps=3)
L2 = PGD(1.0, alpha=0.25, steps=3, norm="l2")

Use = Callable[[nn.Module], Tensor]
USES: dict[str, Use] = {
    "fgsm": lambda model: FGSM(0.1)(model, IMAGES, LABELS),
    "pgd": lambda model: STEPS(model, IMAGES, LABELS),
    "pgd restarts best": lambda model: PGD(0.1, alpha=0.1, steps=2, restarts=2, keep="best")(model, IMAGES, LABELS),
    "art fgsm": lambda model: art.craft(FGSM(0.1), model, IMAGES, LABELS, None),
    "art pgd": lambda model: art.craft(STEPS, model, IMAGES, LABELS, IMAGES),
    "art pgd l2": lambda model: art.craft(L2, model, IMAGES, LABELS, IMAGES),
    "torchattacks fgsm": lambda model: torchattacks.craft(FGSM(0.1), model, IMAGES, LABELS, None),
    "torchattacks pgd": lambda model: torchattacks.craft(STEPS, model, IMAGES, LABELS, IMAGES),
    "torchattacks pgd end": lambda model: torchattacks.craft(
        PGD(0.1, alpha=0.1, steps=2, clip="end"), model, IMAGES, LABELS, IMAGES
    ),
    "as_torchattack": lambda model: as_torchattack("PGD", model, eps=0.1, steps=2, random_start=False)(IMAGES, LABELS),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
@pytest.mark.parametrize("wrap", [lambda net: net, Nameless], ids=["stated", "nameless"])
def test_after_an_attack(use: Use, wrap: Callable[[nn.Module], nn.Module]) -> None:
    model = unsettle(wrap(small_net()))
    before = state_of(model)
    use(model)
    assert_unchanged(model, before)


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
@pytest.mark.parametrize("fuse", [1, 2])
def test_after_an_error_in_the_middle_of_an_attack(use: Use, fuse: int, request: pytest.FixtureRequest) -> None:
    if fuse == 2 and "fgsm" in request.node.callspec.id:
        fuse = 1  # one gradient is all that FGSM takes
    model = unsettle(Bomb(small_net(), fuse))
    before = state_of(model)
    with pytest.raises(RuntimeError, match="boom"):
        use(model)
    assert_unchanged(model, before)


def test_crafting_is_in_eval_mode_whatever_mode_the_model_is_in() -> None:
    for use in USES.values():
        assert torch.equal(use(small_net().eval()), use(unsettle(small_net())))


def test_borrowing_holds_eval_mode_and_no_parameter_gradients() -> None:
    model = unsettle(small_net())
    before = state_of(model)
    with suppress(KeyError), eval_mode(model) as lent:
        assert lent is model
        assert not any(module.training for module in model.modules())
        assert not any(parameter.requires_grad for parameter in model.parameters())
        raise KeyError
    assert_unchanged(model, before)


def test_attacks_work_where_gradients_are_switched_off() -> None:
    with torch.no_grad():
        inside = FGSM(0.1)(small_net(), IMAGES, LABELS), STEPS(small_net(), IMAGES, LABELS)
    assert torch.equal(inside[0], FGSM(0.1)(small_net(), IMAGES, LABELS))
    assert torch.equal(inside[1], STEPS(small_net(), IMAGES, LABELS))
