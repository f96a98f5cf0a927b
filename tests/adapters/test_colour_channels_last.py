"""Colour images and a model in channels_last: gradients come in another order of memory, and libraries must take it."""

from __future__ import annotations

import pytest
import torch

from mri_robust.adapters import art, torchattacks
from mri_robust.adapters.torchattacks import as_torchattack
from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.evaluation.crosscheck import crosscheck
from mri_robust.models.classifier import build_model


def colour_model() -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_model("cnn", classes=("a", "b", "c", "d"), image_size=16, channels="rgb")
    return model.to(memory_format=torch.channels_last).eval()


MODEL = colour_model()
IMAGES = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(1))
LABELS = torch.tensor([0, 1, 2, 3, 0, 1])


@pytest.mark.parametrize("engine", [art.craft, torchattacks.craft], ids=["art", "torchattacks"])
@pytest.mark.parametrize("attack", [FGSM(1 / 64), PGD(1 / 64, alpha=1 / 256, steps=3)])
def test_the_libraries_craft_what_we_do(engine, attack) -> None:
    start = None if isinstance(attack, FGSM) else IMAGES
    own = attack(MODEL, IMAGES, LABELS) if start is None else attack(MODEL, IMAGES, LABELS, start=start)
    torch.testing.assert_close(engine(attack, MODEL, IMAGES, LABELS, start), own, rtol=0, atol=1e-6)


def test_l2_attacks_that_flatten_the_gradient_run() -> None:
    adversarial = as_torchattack("PGDL2", MODEL, eps=1.0, alpha=0.25, steps=3, random_start=False)(IMAGES, LABELS)
    assert (adversarial - IMAGES).flatten(1).norm(dim=1).max() <= 1.0 + 1e-5


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last], ids=["rows", "channels last"])
def test_the_whole_cross_check_passes(order: torch.memory_format) -> None:
    assert crosscheck(MODEL, IMAGES.to(memory_format=order), LABELS, steps=3).passed
