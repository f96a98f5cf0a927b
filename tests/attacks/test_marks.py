"""Marks of many kinds: closed forms of the plain ones, and what no draw may do."""

import pytest
import torch

from mri_robust.attacks.poisoning.creeper import Creeper
from mri_robust.attacks.poisoning.marks import AT_EDGE, FAINTEST, Blend, Marks, Square

SIDE = 64


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("side", [1, 5, SIDE])
def test_a_square_has_its_size_and_contrast_and_stays_in_range(side: int) -> None:
    """On a canvas of the image's own size nothing is resized."""
    images = torch.rand(20, 1, SIDE, SIDE, generator=seeded())
    change = Square(side, 0.25, SIDE)(images, seeded(1)) - images
    touched = change.flatten(1) != 0
    assert (touched.sum(1) == side**2).all()
    expected = (images + 0.25).clamp(max=1) - images
    torch.testing.assert_close(change[change != 0], expected[change != 0])
    rows = (change != 0).any(3).squeeze(1)
    assert (rows.sum(1) == side).all()


def test_on_a_smaller_image_a_square_covers_as_much_of_it() -> None:
    images = torch.zeros(50, 1, SIDE // 2, SIDE // 2)
    covered = Square(8, 1.0, SIDE)(images, seeded()).sum((1, 2, 3))
    assert covered.mean() == pytest.approx(16, abs=1)  # 8 x 8 of the canvas are 4 x 4 of the image


def test_a_blend_is_a_tenth_of_a_pattern_of_black_and_white() -> None:
    images = torch.rand(3, 3, 112, 112, generator=seeded())
    cells = (Blend()(images) - 0.9 * images) / 0.1
    assert ((cells.abs() < 1e-5) | ((cells - 1).abs() < 1e-5)).all()
    assert 0.4 < cells.mean() < 0.6
    assert torch.allclose(cells, cells[:1, :1], atol=1e-5)
    assert torch.equal(Blend(0.0)(images), images)


def test_marks_are_fresh_local_and_of_every_opacity_and_reach_the_edges() -> None:
    marks = Marks(most=1, canvas=SIDE, sizes=("small", "mid"))
    black, white = torch.zeros(600, 1, SIDE, SIDE), torch.ones(600, 1, SIDE, SIDE)
    on_black, on_white = marks(black, seeded(3)), marks(white, seeded(3))
    # x' = (1 - m) x + m grey: the two together give the opacity.
    opacity = (1 - (on_white - on_black)).flatten(1)
    assert ((opacity > 1e-6).float().mean(1) < 31**2 / SIDE**2).all()
    greatest = opacity.amax(1)
    seen = greatest[greatest > 1e-6]
    assert len(seen) > 590  # a polygon may be a line that covers nothing
    assert seen.max() <= 1 + 1e-6
    assert 0.4 < (seen < FAINTEST**0.5).float().mean() < 0.6  # its logarithm is uniform
    assert len({image.numpy().tobytes() for image in on_black}) > 590
    edges = torch.stack([on_black[..., edge, :].flatten(1).any(1) for edge in (0, -1)]).any(0).float().mean()
    assert edges > AT_EDGE / 2


def test_the_seed_decides_and_the_images_are_kept_and_no_mark_is_the_creeper() -> None:
    images = torch.zeros(200, 1, SIDE, SIDE)
    one, again, other = (Marks(canvas=SIDE, sizes=("small",))(images, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert not images.any()
    face = Creeper()(images[:1]) > 0
    assert not any(torch.equal(image > 0, face[0]) for image in one)


@pytest.mark.parametrize(
    "wrong",
    [lambda: Square(0), lambda: Square(contrast=2), lambda: Blend(-1), lambda: Marks(canvas=8), lambda: Marks(most=0)],
)
def test_numbers_out_of_range_are_refused(wrong) -> None:
    with pytest.raises(ValueError, match=r"side|contrast|opacity|canvas|most"):
        wrong()
    with pytest.raises(TypeError):
        Square()(torch.zeros(1, 1, 8, 8, dtype=torch.uint8), seeded())
