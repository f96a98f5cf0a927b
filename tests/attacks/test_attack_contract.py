"""What holds for every registered attack."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from toy_models import assert_unchanged, dyadic_images, small_net, state_of, unsettle

from mri_robust.attacks.registry import EVASION

ARGUMENTS: dict[str, Any] = {"eps": 0.03, "alpha": 0.01, "steps": 2}


def build(name: str) -> Any:
    """An attack with values for the parameters that have no default."""
    attack = EVASION.load(name)
    needed = [f.name for f in dataclasses.fields(attack) if f.init and f.default is dataclasses.MISSING]
    return attack(**{field: ARGUMENTS[field] for field in needed})


def test_fgsm_and_pgd_are_registered() -> None:
    assert {"fgsm", "pgd"} <= set(EVASION.names())


@pytest.mark.parametrize("name", EVASION.names())
class TestEveryAttack:
    def test_is_a_frozen_value(self, name: str) -> None:
        attack = build(name)
        with pytest.raises(dataclasses.FrozenInstanceError):
            attack.eps = 0.5
        assert attack == build(name)
        assert len({attack, build(name)}) == 1
        assert eval(repr(attack), {type(attack).__name__: type(attack)}) == attack
        assert dataclasses.replace(attack, eps=0.25) != attack

    def test_names_its_source(self, name: str) -> None:
        import sys

        texts = [sys.modules[type(build(name)).__module__].__doc__ or "", type(build(name)).__doc__ or ""]
        assert any("arXiv" in text for text in texts)
        assert "Raises:" in texts[1]

    def test_draws_its_start_before_it_is_called(self, name: str) -> None:
        attack, model, images, labels = build(name), small_net(), dyadic_images(3), torch.tensor([0, 1, 2])
        starts = attack.draw_start(images, torch.Generator().manual_seed(3))
        given = attack(model, images, labels, start=None if starts is None else starts[0])
        assert starts is None or starts.shape[1:] == images.shape
        assert torch.equal(given, attack(model, images, labels, generator=torch.Generator().manual_seed(3)))

    def test_keeps_the_call_contract(self, name: str) -> None:
        model, images = unsettle(small_net()), dyadic_images(3)
        before, kept = state_of(model), images.clone()
        crafted = build(name)(model, images, torch.tensor([0, 1, 2]), generator=torch.Generator().manual_seed(0))
        assert crafted.shape == images.shape
        assert crafted.dtype == torch.float32
        assert not crafted.requires_grad
        assert 0 <= crafted.min() <= crafted.max() <= 1
        assert not torch.equal(crafted, images)
        assert torch.equal(images, kept)
        assert_unchanged(model, before)
