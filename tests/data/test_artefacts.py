"""MRI artefacts: what holds for every one, and each against TorchIO's or MONAI's transform on the same parameters."""

from __future__ import annotations

import dataclasses
import math
import sys
import warnings
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from mri_robust.data.artefacts import ARTEFACTS, WORST
from mri_robust.data.artefacts.bias_field import BiasField, add_bias_field, monomials
from mri_robust.data.artefacts.ghosting import Ghosting, add_ghosts
from mri_robust.data.artefacts.gibbs import Gibbs, cut_frequencies
from mri_robust.data.artefacts.motion import Motion, add_motion
from mri_robust.data.artefacts.resolution import Resolution, lose_resolution
from mri_robust.data.artefacts.rician_noise import RicianNoise, add_rician_noise
from mri_robust.data.artefacts.spike import Spike, add_spike
from mri_robust.data.dataset import load_dataset

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import monai.transforms
    import torchio

FLOAT32 = 2e-6
"""What float32 Fourier transforms in another order may differ by."""
SIDES = [(32, 32), (28, 45)]
"""An even square, and sides of another length each, one of them odd."""


@pytest.fixture(scope="module")
def heads() -> Tensor:
    """Eight synthetic slices, float32 [8, 1, 40, 40]."""
    return torch.from_numpy(np.array(load_dataset("phantom:train=8,test=8", size=40).test.images)) / 255


def noisy(height: int, width: int) -> Tensor:
    """Two images [2, 1, H, W] of every frequency, in a black border of 6 pixels."""
    images = torch.zeros(2, 1, height, width)
    images[..., 6:-6, 6:-6] = torch.rand(2, 1, height - 12, width - 12, generator=torch.Generator().manual_seed(4))
    return images


def drawn(name: str, level: int, images: Tensor, seed: int = 0) -> Tensor:
    result: Tensor = ARTEFACTS.load(name).severity(level)(images, torch.Generator().manual_seed(seed))
    return result


def test_the_seven_artefacts_are_registered() -> None:
    known = {"bias-field", "ghosting", "gibbs", "motion", "resolution", "rician-noise", "spike"}
    assert set(ARTEFACTS.names()) == known


@pytest.mark.parametrize("name", ARTEFACTS.names())
class TestEveryArtefact:
    def test_is_a_frozen_value_that_names_its_source(self, name: str) -> None:
        artefact = ARTEFACTS.load(name).severity(3)
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(artefact, dataclasses.fields(artefact)[0].name, 0.5)
        assert eval(repr(artefact), {type(artefact).__name__: type(artefact)}) == artefact
        assert len({ARTEFACTS.load(name).severity(level) for level in range(WORST + 1)}) == WORST + 1
        assert "Source: " in (type(artefact).__doc__ or "")
        assert sys.modules[type(artefact).__module__].__doc__

    def test_level_0_changes_nothing_and_no_other_level_is_without_effect(self, name: str, heads: Tensor) -> None:
        assert torch.allclose(drawn(name, 0, heads), heads, rtol=0, atol=FLOAT32)
        assert all(not torch.equal(drawn(name, level, heads), heads) for level in range(1, WORST + 1))

    def test_every_level_distorts_more_than_the_one_below(self, name: str, heads: Tensor) -> None:
        changes = [float((drawn(name, level, heads) - heads).square().mean()) for level in range(WORST + 1)]
        assert all(low < high for low, high in pairwise(changes)), changes

    @pytest.mark.parametrize("sides", SIDES)
    def test_keeps_type_shape_and_range_and_its_input(self, name: str, sides: tuple[int, int]) -> None:
        images = noisy(*sides)
        kept = images.clone()
        result = drawn(name, WORST, images)
        assert result.dtype == torch.float32
        assert result.shape == images.shape
        assert 0 <= result.min() < result.max() <= 1
        assert torch.equal(images, kept)

    def test_the_generator_decides_and_the_global_one_is_left_alone(self, name: str, heads: Tensor) -> None:
        before = torch.get_rng_state()
        once, again = drawn(name, 3, heads), drawn(name, 3, heads)
        assert torch.equal(once, again)
        assert torch.equal(torch.get_rng_state(), before)
        if name not in ("gibbs", "resolution"):  # which draw nothing
            assert not torch.equal(once, drawn(name, 3, heads, seed=1))

    def test_how_images_are_batched_changes_none_of_them(self, name: str, heads: Tensor) -> None:
        artefact, generator = ARTEFACTS.load(name).severity(4), torch.Generator().manual_seed(0)
        parts = torch.cat([artefact(part, generator) for part in heads.split([1, 5, 2])])
        assert torch.allclose(parts, drawn(name, 4, heads), rtol=0, atol=FLOAT32)

    def test_grey_as_three_equal_channels_stays_grey(self, name: str, heads: Tensor) -> None:
        colour = drawn(name, 4, heads.repeat(1, 3, 1, 1))
        assert torch.allclose(colour, drawn(name, 4, heads).expand_as(colour), rtol=0, atol=FLOAT32)

    @pytest.mark.parametrize("level", [-1, WORST + 1, 2.5])
    def test_refuses_levels_that_are_not_there(self, name: str, level: float) -> None:
        with pytest.raises(ValueError, match="from 0 to 5"):
            ARTEFACTS.load(name).severity(level)


@pytest.mark.parametrize(
    "make",
    [
        lambda: BiasField(-1),
        lambda: BiasField(0.5, order=1.5),
        lambda: Ghosting(0, 1.0),
        lambda: Ghosting(4, math.nan),
        lambda: Ghosting(4, 1.0, restore=1.5),
        lambda: Gibbs(1.1),
        lambda: Motion(200, 0.1, 2),
        lambda: Motion(5, 1.5, 2),
        lambda: Motion(5, 0.1, -1),
        lambda: Resolution(0),
        lambda: RicianNoise(-0.1),
        lambda: Spike(-1),
    ],
)
def test_parameters_out_of_range_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises((TypeError, ValueError), match="must be"):
        make()


def volumes(images: Tensor, sagittal: bool = False, affine: np.ndarray | None = None) -> list[torchio.ScalarImage]:
    """Each image as TorchIO's volume of one slice, [C, H, W, 1], or with `sagittal` [C, 1, H, W]."""
    layers = images.unsqueeze(2) if sagittal else images.unsqueeze(-1)
    return [torchio.ScalarImage(tensor=layer, affine=affine) for layer in layers]


def by_torchio(transforms: list[torchio.Transform], images: Tensor) -> Tensor:
    pairs = zip(transforms, volumes(images), strict=True)
    return torch.stack([transform(volume).data.squeeze(-1) for transform, volume in pairs])


def assert_alike(ours: Tensor, theirs: Tensor, broken: Tensor, bound: float = FLOAT32) -> None:
    """Ours is the library's within the bound, and a copy with a wrong parameter is far from it."""
    assert float((ours - theirs).abs().max()) <= bound
    assert float((broken - theirs).abs().max()) > max(1e-3, 100 * bound)


@pytest.mark.parametrize("sides", SIDES)
class TestAgainstTheLibraries:
    @pytest.mark.parametrize("order", [0, 2, 3])
    def test_bias_field_is_torchios(self, sides: tuple[int, int], order: int) -> None:
        """TorchIO's polynomial has a third axis, whose terms are 0 in a slice: its first power alone is compared."""
        if sides[0] % 2 or sides[1] % 2:
            sides = (28, 44)  # TorchIO's grid of an odd side has one point too many, and it fails
        images = noisy(*sides)
        ours = torch.randn(2, len(monomials(order)), generator=torch.Generator().manual_seed(1)) / 2
        transforms = []
        for coefficients in ours:
            padded = []
            for (row, column), value in zip(monomials(order), coefficients.tolist(), strict=True):
                padded += [value] + [0.7] * (order - row - column)
            transforms.append(torchio.transforms.BiasField(padded, order))
        wrong = ours.flip(1) if order else 2 * ours
        theirs = by_torchio(transforms, images)
        assert_alike(add_bias_field(images, ours, order), theirs, add_bias_field(images, wrong, order))

    @pytest.mark.parametrize("restore", [None, 0.0, 0.3])
    def test_ghosting_is_torchios(self, sides: tuple[int, int], restore: float | None) -> None:
        images, axes = noisy(*sides), torch.tensor([0, 1])
        transforms = [torchio.transforms.Ghosting(4, axis, 0.8, restore) for axis in (0, 1)]
        right = {"num_ghosts": 4, "intensity": 0.8, "restore": restore}
        theirs = by_torchio(transforms, images)
        for wrong in ({"num_ghosts": 5}, {"intensity": 0.7}, {"restore": 0.6}):
            assert_alike(add_ghosts(images, axes, **right), theirs, add_ghosts(images, axes, **(right | wrong)))
        assert_alike(add_ghosts(images, axes, **right), theirs, add_ghosts(images, 1 - axes, **right))

    def test_spike_is_torchios(self, sides: tuple[int, int]) -> None:
        images, positions = noisy(*sides), torch.tensor([[0.3, 0.55], [0.71, 0.4]])
        transforms = [
            torchio.transforms.Spike(np.array([[*position, 0.0]], np.float32), 0.6) for position in positions.tolist()
        ]
        theirs, ours = by_torchio(transforms, images), add_spike(images, positions, 0.6)
        assert_alike(ours, theirs, add_spike(images, positions, 0.5))
        assert_alike(ours, theirs, add_spike(images, positions.flip(0), 0.6))

    def test_spike_is_monais_where_it_adds_in_phase(self, sides: tuple[int, int]) -> None:
        """MONAI sets a point's log magnitude and keeps its phase: the same where k-space is real and positive.

        Its way through log and exp of float32 values up to some 100 costs a bound of 1e-4.
        """
        half = noisy(*sides)
        mirrored = (half + half.flip(-2, -1).roll((1, 1), (-2, -1))) / 2  # even about pixel (0, 0)
        kspace = torch.fft.fftshift(torch.fft.fft2(mirrored[:1]), dim=(-2, -1))[0, 0]
        row, column = np.unravel_index(int(kspace.real.flatten().argsort()[-4]), sides)
        assert float(kspace.real[row, column]) > 1
        level = math.log(float(kspace[row, column].real) + 0.5 * float(kspace.abs().max()))
        theirs = monai.transforms.KSpaceSpikeNoise((row, column), level)(mirrored[0]).as_tensor()[None]
        position = torch.tensor([[(row + 0.5) / sides[0], (column + 0.5) / sides[1]]])
        assert_alike(add_spike(mirrored[:1], position, 0.5), theirs, add_spike(mirrored[:1], position, 0.4), 1e-4)

    def test_rician_noise_is_monais_on_its_own_draws(self, sides: tuple[int, int]) -> None:
        images = noisy(*sides)[:1]
        transform = monai.transforms.RandRicianNoise(prob=1.0, std=0.1, sample_std=False)
        transform.set_random_state(seed=3)
        theirs = transform(images[0]).as_tensor()[None]
        real, imaginary = (torch.as_tensor(each)[None].float() for each in (transform._noise1, transform._noise2))
        gaussian = add_rician_noise(images, real, torch.zeros_like(real))
        assert_alike(add_rician_noise(images, real, imaginary), theirs, gaussian)

    @pytest.mark.parametrize("alpha", [0.0, 0.2, 0.5, 0.8, 1.0])
    def test_gibbs_is_monais(self, sides: tuple[int, int], alpha: float) -> None:
        images = noisy(*sides)
        theirs = torch.stack([monai.transforms.GibbsNoise(alpha)(image).as_tensor() for image in images])
        wrong = alpha - 0.1 if alpha else 0.5
        broken = cut_frequencies(images, wrong)
        assert_alike(cut_frequencies(images, alpha), theirs, broken)

    @pytest.mark.parametrize("zoom", [0.8, 0.5, 0.25])
    def test_resolution_is_monais(self, sides: tuple[int, int], zoom: float) -> None:
        images = noisy(*sides)
        low = monai.transforms.RandSimulateLowResolution(1.0, "area", "bilinear", (zoom, zoom))
        theirs = torch.stack([low(image).as_tensor() for image in images])
        assert_alike(lose_resolution(images, zoom), theirs, lose_resolution(images, zoom - 0.1))

    @pytest.mark.parametrize("times", [(0.2, 0.45, 0.8), (0.6, 0.9, 0.95), (0.1, 0.2, 0.3)])
    def test_motion_is_torchios(self, sides: tuple[int, int], times: tuple[float, ...]) -> None:
        """TorchIO fills k-space along a volume's last axis, and turns it about the physical origin: the middle here.

        Outside the image it takes the least pixel and we take black, which are the same on a black border. SimpleITK
        interpolates in float64 and grid_sample in float32, whose places of up to 45 pixels are off by 1e-5: the
        bound is that, for pixels of at most 1.
        """
        images = noisy(*sides)
        chance = torch.Generator().manual_seed(7)
        degrees = 20 * torch.rand(2, 3, generator=chance) - 10
        shifts = 6 * torch.rand(2, 3, 2, generator=chance) - 3
        affine = np.diag([-1.0, -1.0, 1.0, 1.0])  # SimpleITK's directions
        affine[:3, 3] = [0, (sides[0] - 1) / 2, -(sides[1] - 1) / 2]
        theirs = []
        for volume, turns, moves in zip(volumes(images, True, affine), degrees, shifts, strict=True):
            rotations = np.zeros((3, 3), np.float32)
            rotations[:, 0] = turns
            translations = np.zeros((3, 3), np.float32)
            translations[:, 1:] = moves
            transform = torchio.transforms.Motion(rotations, translations, np.array(times, np.float32), "linear")
            theirs.append(transform(volume).data[:, 0])
        when = torch.tensor([times, times])
        ours = add_motion(images, degrees, shifts, when)
        for broken in (
            add_motion(images, -degrees, shifts, when),
            add_motion(images, degrees, shifts.flip(-1), when),
            add_motion(images, degrees, shifts, when * 0.9),
        ):
            assert_alike(ours, torch.stack(theirs), broken, 1e-5)


def test_noise_in_black_is_rayleighs() -> None:
    """The magnitude of pure noise has mean std * sqrt(pi / 2) and mean square 2 * std^2."""
    noise = RicianNoise(0.1)(torch.zeros(4, 1, 64, 64), torch.Generator().manual_seed(0))
    assert float(noise.mean()) == pytest.approx(0.1 * math.sqrt(math.pi / 2), rel=0.02)
    assert float(noise.square().mean()) == pytest.approx(0.02, rel=0.03)


def test_ghosts_are_shifted_copies_of_the_head() -> None:
    """Every 4th line weaker by s: the image less s / 4 of the sum of itself shifted by quarters of the height."""
    image = noisy(32, 32)[:1]
    ghosts = add_ghosts(image, torch.tensor([0]), num_ghosts=4, intensity=0.8, restore=0.0)
    copies = sum(image.roll(8 * turn, -2) for turn in range(4))
    assert torch.allclose(ghosts, image - 0.2 * copies, atol=FLOAT32)


def test_a_spike_is_a_wave_as_high_as_its_share_of_the_mean() -> None:
    image = noisy(32, 32)[:1]
    wave = add_spike(image, torch.tensor([[0.5, 20.5 / 32]]), 0.7) - image
    exact = 0.7 * image.mean() * torch.cos(2 * math.pi * 4 * torch.arange(32) / 32)
    assert torch.allclose(wave, exact.expand_as(wave), atol=FLOAT32)


def test_a_movement_puts_the_columns_of_k_space_before_it_into_another_place() -> None:
    """Before a quarter of the scan the head lay 2 rows up and 3 columns to the right of where it was in the middle."""
    image = noisy(32, 32)[:1]
    shift, when = torch.tensor([[[2.0, -3.0]]]), torch.tensor([[0.25]])
    ours = add_motion(image, torch.zeros(1, 1), shift, when)[0, 0].numpy()
    middle = image[0, 0].double().numpy()
    before = np.roll(middle, (-2, 3), (0, 1))
    kspace = np.where(np.arange(32) < 8, *(np.fft.fftshift(np.fft.fft2(each)) for each in (before, middle)))
    assert np.abs(ours - np.fft.ifft2(np.fft.ifftshift(kspace)).real).max() < 1e-5


def test_larger_pixels_hold_the_mean_of_theirs() -> None:
    image = noisy(32, 32)[:1]
    blocks = image.reshape(1, 1, 16, 2, 16, 2).mean((3, 5))
    small = lose_resolution(image, 0.5)
    # linear enlargement by 2 puts 9/16 of the own block, 3/16 of each neighbour and 1/16 across the corner in a pixel
    exact = 9 * blocks[..., 4, 4] + 3 * (blocks[..., 3, 4] + blocks[..., 4, 3]) + blocks[..., 3, 3]
    assert float(small[..., 8, 8]) == pytest.approx(float(exact) / 16, abs=1e-6)
