"""PGD on whole grey levels: what 8 bits keep, the radius between two levels, and PGD where both walk the same grid."""

import pytest
import torch
import toy_models as toy
from torch import Tensor

from mri_robust.attacks.evasion.grid_pgd import GridPGD
from mri_robust.attacks.evasion.pgd import PGD

STORED = torch.randint(0, 256, (12, 1, 8, 8), generator=toy.seeded(4), dtype=torch.uint8)
IMAGES = STORED.float() / 255
LABELS = toy.own_labels(toy.small_net(), IMAGES)


def in_a_file(images: Tensor) -> Tensor:
    """What uint8 keeps."""
    return (images * 255).round().to(torch.uint8).float() / 255


@pytest.mark.parametrize(("eps", "reach"), [(0.4, 0), (0.99, 0), (1, 1), (1.7, 1), (4, 4), (8.5, 8)])
@pytest.mark.parametrize("restarts", [1, 3])
def test_its_images_are_whole_greys_within_the_whole_levels_of_the_radius(
    eps: float, reach: int, restarts: int
) -> None:
    crafted = GridPGD(eps / 255, steps=5, restarts=restarts)(toy.small_net(), IMAGES, LABELS)
    assert torch.equal(in_a_file(crafted), crafted)
    moved = (crafted * 255).round() - STORED
    assert moved.abs().max() == reach
    assert (crafted - IMAGES).abs().max() <= eps / 255 + 1e-6


def test_between_levels_it_rounds_into_the_ball_or_leaves_the_pixel_alone() -> None:
    between = torch.full((1, 1, 8, 8), 127.5 / 255)
    label = toy.own_labels(toy.small_net(), between)
    assert torch.equal(GridPGD(0.2 / 255, steps=2)(toy.small_net(), between, label), between)
    crafted = GridPGD(0.6 / 255, steps=2)(toy.small_net(), between, label)
    assert set((crafted * 255).flatten().tolist()) <= {127.0, 128.0}


def test_it_walks_as_pgd_does_where_pgd_stays_on_the_grid() -> None:
    whole = {"alpha": 1 / 255, "steps": 4, "random_start": False}
    ours, plain = (attack(3 / 255, **whole)(toy.small_net(), IMAGES, LABELS) for attack in (GridPGD, PGD))
    assert (ours - plain).abs().max() < 1e-6
    assert not torch.equal(ours, IMAGES)


def test_steps_are_whole_levels_of_the_depth() -> None:
    assert [GridPGD(eps / 255).step_size for eps in (1, 4, 9)] == pytest.approx([1 / 255, 1 / 255, 2 / 255])
    assert GridPGD(1 / 255, levels=4096).step_size == pytest.approx(4 / 4095)
    deep = GridPGD(0.4 / 255, levels=4096, steps=3)(toy.small_net(), (IMAGES * 4095).round() / 4095, LABELS)
    assert (deep * 4095 - (deep * 4095).round()).abs().max() < 1e-3
    with pytest.raises(ValueError, match="levels"):
        GridPGD(0.1, levels=1)
    with pytest.raises(TypeError, match="norm"):
        GridPGD(0.1, norm="l2")
