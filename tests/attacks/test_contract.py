"""What holds for every registered attack: values, randomness, the model left as it was, wrong input refused."""

import dataclasses
import math
import sys
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import torch
import toy_models as toy
from torch import Tensor

from mri_robust.attacks.evasion import ATTACKS
from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.attacks.evasion.random_search import RandomSearch
from mri_robust.core.errors import UserError
from mri_robust.core.eval_mode import device_of, eval_mode

NAMES = ATTACKS.names()
IMAGES = toy.dyadic_images(4)
LABELS = torch.tensor([0, 1, 2, 3])
ATTACK = {name: toy.build_attack(name, 0.03) for name in NAMES} | {
    "l2 restarts": PGD(1.0, alpha=0.25, steps=2, norm="l2", restarts=2),
    "targeted, clip at the end": PGD(0.1, steps=2, clip="end", targeted=True, random_start=False),
}
FIELDS = {n: {field.name for field in dataclasses.fields(ATTACKS.load(n)) if field.init} for n in NAMES}
NAN, INF = math.nan, math.inf


@pytest.mark.parametrize("name", NAMES)
def test_is_a_frozen_value_that_names_its_source(name: str) -> None:
    attack = toy.build_attack(name, 0.03)
    with pytest.raises(dataclasses.FrozenInstanceError):
        attack.eps = 0.5
    assert attack == toy.build_attack(name, 0.03) != dataclasses.replace(attack, eps=0.25)
    assert len({attack, toy.build_attack(name, 0.03)}) == 1
    assert eval(repr(attack), {type(attack).__name__: type(attack)}) == attack
    assert "arXiv" in f"{sys.modules[type(attack).__module__].__doc__} {type(attack).__doc__}"
    assert {"fgsm", "pgd"} <= set(NAMES)


@pytest.mark.parametrize("attack", ATTACK.values(), ids=ATTACK)
@pytest.mark.parametrize("wrap", [lambda net: net, toy.Nameless], ids=["with classes", "without"])
class TestEveryAttack:
    def test_keeps_the_call_contract(self, attack: Any, wrap: Any) -> None:
        """Also where gradients are switched off, and for images that carry a graph."""
        model, images, labels = toy.unsettle(wrap(toy.small_net())), IMAGES.clone().requires_grad_(), LABELS.clone()
        state, drawn = toy.state_of(model), (torch.get_rng_state(), np.random.get_state()[1].copy())
        with torch.no_grad():
            crafted = attack(model, images, labels)
        toy.assert_unchanged(model, state)
        assert torch.equal(torch.get_rng_state(), drawn[0])
        assert np.array_equal(np.random.get_state()[1], drawn[1])
        assert torch.equal(images, IMAGES)
        assert torch.equal(labels, LABELS)
        assert images.grad is None
        assert not crafted.requires_grad
        assert crafted.dtype == torch.float32
        assert 0 <= crafted.min() <= crafted.max() <= 1
        assert crafted.shape == images.shape
        assert not torch.equal(crafted, IMAGES)
        assert torch.equal(crafted, attack(wrap(toy.small_net()).eval(), IMAGES, LABELS))

    def test_the_generator_decides_through_the_start_alone(self, attack: Any, wrap: Any) -> None:
        model = wrap(toy.small_net())
        start = attack.draw_start(IMAGES, toy.seeded(3))
        given = attack(model, IMAGES, LABELS, start=None if start is None else start.clone())
        assert torch.equal(given, attack(model, IMAGES, LABELS, generator=toy.seeded(3)))
        assert torch.equal(attack(model, IMAGES, LABELS), attack(model, IMAGES, LABELS, generator=toy.seeded(0)))
        if start is not None:
            assert start.shape[1] == len(IMAGES)
            without_axis = start[0] if len(start) == 1 else start
            assert torch.equal(given, attack(model, IMAGES, LABELS, start=without_axis))
            assert torch.equal(start, attack.draw_start(IMAGES, toy.seeded(3)))

    def test_leaves_the_model_as_it_was_after_an_error(self, attack: Any, wrap: Any) -> None:
        for fuse in (1, 2):
            bomb = toy.Bomb(toy.small_net(), fuse)
            model = toy.unsettle(wrap(bomb))
            before = toy.state_of(model)
            with suppress(RuntimeError):
                attack(model, IMAGES, LABELS)
            assert fuse == 2 or bomb.left == 0
            toy.assert_unchanged(model, before)


def test_eval_mode_switches_dropout_and_parameter_gradients_off() -> None:
    model = toy.unsettle(toy.small_net())
    before = toy.state_of(model)
    with suppress(KeyError), eval_mode(model) as inside:
        assert inside is model
        assert not any(module.training for module in model.modules())
        assert all(p.grad is None and not p.requires_grad for p in model.parameters())
        raise KeyError
    toy.assert_unchanged(model, before)
    assert device_of(model) == device_of(torch.nn.Flatten()) == torch.device("cpu")


WRONG = [
    ({"eps": -0.1}, ValueError), ({"eps": 8.0}, ValueError), ({"eps": INF, "norm": "l2"}, ValueError),
    ({"eps": "8/255"}, TypeError), ({"norm": "l1"}, ValueError), ({"bounds": (0.5, 0.5)}, ValueError),
    ({"bounds": (0.0, INF)}, ValueError), ({"bounds": (0.0, "1")}, TypeError), ({"bounds": (0.0, 1.0, 2.0)}, TypeError),
    ({"bounds": [0.0, 1.0]}, TypeError), ({"alpha": 0}, ValueError), ({"alpha": True}, TypeError),
    ({"steps": 0}, ValueError), ({"steps": 2.5}, TypeError), ({"restarts": 0}, ValueError),
    ({"restarts": 3, "random_start": False}, ValueError), ({"clip": "never"}, ValueError),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "change", "error"), [(n, *each) for n in NAMES for each in WRONG if each[0].keys() <= FIELDS[n]]
)
def test_wrong_parameters_are_refused_by_name(name: str, change: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(change))):
        ATTACKS.load(name)(**{"eps": 0.1, **change})
    assert PGD(8.0, norm="l2").step_size == 2.0  # no bound for L2


GOOD = torch.full((3, 1, 8, 8), 0.5)
THREE = torch.tensor([0, 1, 3])


def with_pixel(value: float) -> Tensor:
    images = GOOD.clone()
    images[1, 0, 4, 4] = value
    return images


@pytest.mark.parametrize(
    ("images", "labels", "error", "named"),
    [
        (GOOD.double(), THREE, TypeError, "float64"), ((GOOD * 255).byte(), THREE, TypeError, "uint8"),
        (GOOD.numpy(), THREE, TypeError, "ndarray"), (with_pixel(1.5), THREE, ValueError, r"0\.5 to 1\.5"),
        (with_pixel(-0.25), THREE, ValueError, r"-0\.25 to 0\.5"), (with_pixel(NAN), THREE, ValueError, "nan"),
        (with_pixel(INF), THREE, ValueError, "inf"), (GOOD[0], THREE, ValueError, r"\[1, 8, 8\]"),
        (GOOD[:0], THREE[:0], ValueError, r"\[0, 1, 8, 8\]"), (GOOD, THREE + 1, ValueError, r"0\.\.3, got 4"),
        (GOOD, THREE - 1, ValueError, r"0\.\.3, got -1"), (GOOD, THREE.int(), TypeError, "int32"),
        (GOOD, THREE[:2], ValueError, r"\[3\].*\[2\]"), (GOOD, THREE[:, None], ValueError, r"\[3, 1\]"),
        (GOOD, THREE.tolist(), TypeError, "list"), (GOOD * 255, THREE, ValueError, "255$"),
        (GOOD.permute(0, 2, 3, 1), THREE, ValueError, "N, H, W, C"),
        (GOOD.to("meta"), THREE, ValueError, "images.*meta"),
        (GOOD, THREE.to("meta"), ValueError, "labels.*meta"), (with_pixel(1 + 2e-6), THREE, ValueError, "0, 1"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("model", [toy.small_net(), toy.Nameless(toy.small_net())], ids=["with classes", "without"])
@pytest.mark.parametrize("name", NAMES)
def test_wrong_images_and_labels_are_refused(
    name: str, model: Any, images: Any, labels: Any, error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=named):
        toy.build_attack(name, 0.1)(model, images, labels)


@pytest.mark.parametrize(
    ("attack", "start", "error"),
    [
        (PGD(0.1), torch.zeros(3, 1, 8, 7), ValueError), (PGD(0.1), torch.zeros(2, 3, 1, 8, 8), ValueError),
        (PGD(0.1, restarts=2), GOOD, ValueError), (PGD(0.1), GOOD.double(), TypeError), (PGD(0.1), [0.5], TypeError),
        (FGSM(0.1), GOOD, ValueError), (RandomSearch(0.1), GOOD, ValueError),
    ],
)  # fmt: skip
def test_a_wrong_start_is_refused(attack: Any, start: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="start"):
        attack(toy.small_net(), GOOD, THREE, start=start)


@pytest.mark.parametrize("attack", ATTACK.values(), ids=ATTACK)
def test_gradient_modes_another_default_dtype_and_a_rounding_step_outside_change_nothing(attack: Any) -> None:
    model, expected, kept = toy.small_net(), attack(toy.small_net(), IMAGES, LABELS), torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        found = [attack(model, IMAGES, LABELS)]
    finally:
        torch.set_default_dtype(kept)
    with torch.inference_mode():
        found.append(attack(model, IMAGES.clone(), LABELS.clone()))  # both are inference tensors
    found.append(attack(model, torch.where(IMAGES > 0.5, IMAGES + 5e-7, IMAGES - 5e-7).clamp(-5e-7), LABELS))
    assert all(each.dtype == torch.float32 and not each.is_inference() for each in found)
    assert all(torch.equal(each, expected) for each in found[:2])
    assert 0 <= found[2].min() <= found[2].max() <= 1


class Answers(toy.Nameless):
    """What a function makes of another model's logits."""

    classes = toy.SmallNet.classes

    def __init__(self, change: Any) -> None:
        super().__init__(toy.small_net())
        self.change = change

    def forward(self, images: Tensor) -> Any:
        return self.change(super().forward(images))


def made_in_inference_mode() -> torch.nn.Module:
    with torch.inference_mode():
        return toy.small_net()


@pytest.mark.parametrize(
    ("model", "error", "named"),
    [
        (Answers(lambda logits: logits * NAN), UserError, "finite"),
        (Answers(lambda logits: logits + INF), UserError, "finite"),
        (Answers(lambda logits: {"logits": logits}), ValueError, "dict"),
        (Answers(lambda logits: logits[:, :1]), ValueError, r"\[1, 1\]"),
        (toy.small_net().double(), TypeError, "float64"),
        (lambda images: images, TypeError, "function"), (made_in_inference_mode(), ValueError, "inference_mode"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("attack", ATTACK.values(), ids=ATTACK)
def test_a_model_that_cannot_be_judged_is_refused_for_its_cause(
    attack: Any, model: Any, error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=named):
        attack(model, GOOD, THREE)
