"""Attacks that may change a part of the image alone: against closed forms, and a region of everything is none."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from toy_models import Linear, dyadic_images, own_labels, small_net

from mri_robust import APGD, FGSM, FMN, PGD
from mri_robust.adapters.torchattacks import LibraryAttack
from mri_robust.attacks.evasion.epsilon_sweep import run_attack
from mri_robust.attacks.evasion.search import Part
from mri_robust.attacks.evasion.strongest import worst_case
from mri_robust.data.dataset import Dataset, Split
from mri_robust.data.regions import regions
from mri_robust.evaluation.evaluation import Context
from mri_robust.evaluation.worst_case import WorstCase

MODEL = small_net()
IMAGES = dyadic_images(24)
LABELS = own_labels(MODEL, IMAGES)
EPSILONS = (1 / 64, 1 / 32, 1 / 16)
MASK = torch.rand(24, 1, 8, 8, generator=torch.Generator().manual_seed(3)) < 0.4
EVERYWHERE = torch.ones_like(MASK)
KINDS: dict[str, Any] = {
    "fgsm": FGSM,
    "pgd": partial(PGD, steps=4, restarts=2),
    "pgd l2": lambda eps: PGD(8 * eps, steps=4, norm="l2"),
    "apgd": partial(APGD, steps=8, restarts=2),
    "apgd l2": lambda eps: APGD(8 * eps, steps=8, norm="l2"),
    "apgd targeted": partial(APGD, steps=8, targets=3, loss="dlr"),
    "theirs": partial(LibraryAttack, "PGD", options=(("steps", 4),)),
}
NORMS = {"linf": 1, "l2": 2}
"""Norm -> the order of its dual."""


@pytest.mark.parametrize("kind", KINDS)
def test_a_region_of_everything_gives_the_bits_of_the_plain_attack(kind: str) -> None:
    plain, whole = (Part.of(IMAGES, LABELS, region=region) for region in (None, EVERYWHERE))
    crafted = [run_attack(MODEL, part, KINDS[kind](1 / 16)) for part in (plain, whole)]
    assert torch.equal(*crafted)
    assert not torch.equal(crafted[0], IMAGES)
    stages = [KINDS[kind], FMN(steps=8)]
    for copies in ((), (small_net(),)):
        found = [worst_case(MODEL, part, EPSILONS, stages, copies=copies) for part in (plain, whole)]
        assert torch.equal(found[0][1], found[1][1])
        for before, after in zip(found[0][0], found[1][0], strict=True):
            assert torch.equal(before.fooled.index, after.fooled.index)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_outside_of_the_region_changes_and_something_inside_does(kind: str) -> None:
    seen: list[Tensor] = []

    class Watched(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            seen.append(images.detach().clone())
            return MODEL(images)

    part = Part.of(IMAGES, LABELS, region=MASK)
    changed = run_attack(Watched().eval(), part, KINDS[kind](1 / 16)) != IMAGES
    assert not (changed & ~MASK).any()
    assert changed.flatten(1).any(1).all()
    if kind != "theirs":  # whose steps outside are put back at the end
        whole = [images for images in seen if len(images) == len(IMAGES)]
        assert len(whole) > 1 or kind == "fgsm"
        assert not any(((images != IMAGES) & ~MASK).any() for images in whole)


@pytest.mark.parametrize("norm", NORMS)
def test_the_least_epsilon_of_a_linear_model_is_the_margin_over_the_dual_norm_inside(norm: Any) -> None:
    generator = torch.Generator().manual_seed(5)
    images = 0.4 + 0.2 * torch.rand((24, 1, 8, 8), generator=generator)
    weight = torch.randn(2, 64, generator=generator)
    model = Linear(weight, -weight.sum(1) / 2).eval()
    labels, apart = own_labels(model, images), (weight[1] - weight[0]).double()
    inside = apart * MASK.flatten(1)
    margin = ((images.double().flatten(1) - 0.5) @ apart).abs()
    expected = margin / torch.linalg.vector_norm(inside, NORMS[norm], dim=1)
    epsilons = expected.quantile(torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64)).tolist()
    part = Part.of(images, labels, region=MASK)
    after, least = worst_case(model, part, epsilons, [partial(PGD, steps=20, norm=norm), FMN(norm=norm)])
    assert (after[0].fooled.index == torch.searchsorted(torch.tensor(epsilons).double(), expected)).all()
    assert torch.allclose(least, expected, rtol=0.01)


def test_the_head_is_the_largest_bright_part_with_its_holes_and_a_flat_image_has_none() -> None:
    y, x = np.mgrid[:40, :40]
    disc = (y - 20) ** 2 + (x - 20) ** 2 < 144
    hole = (y - 20) ** 2 + (x - 20) ** 2 < 16
    image = np.where(disc & ~hole, 150, 10).astype(np.uint8)
    image[1:4, 1:4] = 255  # a label
    images = np.stack([np.stack([image] * 3), np.full((3, 40, 40), 7, np.uint8)])
    found = {name: regions(images, name)[:, 0] for name in ("all", "head", "background", "frame")}
    assert (found["head"][0] == disc).all()
    assert (found["background"][0] == ~disc).all()
    assert not found["head"][1].any()
    assert not found["background"][1].any()
    assert found["all"].all()
    assert (found["frame"] == ((np.minimum(y, x) < 4) | (np.maximum(y, x) >= 36))).all()


def test_an_image_without_the_region_is_named_and_counts_as_not_attacked() -> None:
    images = (IMAGES.numpy() * 255).round().astype(np.uint8)
    images[5] = 120
    labels = own_labels(MODEL, torch.from_numpy(images).float() / 255)
    test = Split(images, labels.numpy(), tuple(f"{place}.png" for place in range(len(images))))
    context = Context(MODEL, Dataset("toy", test, test, MODEL.classes, "toy"))
    rows = list(WorstCase((0.5,), 24, steps=4, restarts=1, budget="pgd", region="head")(context))
    [last] = [row["right"] for row in rows if row.get("epsilon") == 0.5 and "right" in row]
    [finding] = [each for each in context.artefacts["findings"] if each["check"] == "empty-region"]
    assert (finding["tripped"], finding["figure"]) == (True, pytest.approx(1 / 24))
    assert " 5.png" in finding["message"].replace("(", " ").replace(")", " ")
    assert last[context.artefacts["minimal_epsilon"]["files"].index("5.png")] == "1"
    assert "0" in last
    assert {row["region"] for row in rows if row["attack"] == "worst-case"} == {"head"}
