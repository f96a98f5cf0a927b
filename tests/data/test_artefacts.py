"""MRI artefacts: what holds for every one, and each against TorchIO's or MONAI's transform on the same draws."""

import math
import warnings
from itertools import pairwise
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from mri_robust.data.artefacts import ARTEFACTS, SEVERITIES, WORST, severity
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
    return torch.from_numpy(np.array(load_dataset("phantom:train=8,test=8", size=40).test.images)) / 255


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def noisy(height: int, width: int) -> Tensor:
    """Two images [2, 1, H, W] of every frequency, in a black border of 6 pixels."""
    images = torch.zeros(2, 1, height, width)
    images[..., 6:-6, 6:-6] = torch.rand(2, 1, height - 12, width - 12, generator=seeded(4))
    return images


@pytest.mark.parametrize("name", ARTEFACTS)
class TestEveryArtefact:
    def test_each_level_distorts_more_than_the_one_below_and_0_nothing(self, name: str, heads: Tensor) -> None:
        assert all(len(values) == WORST + 1 for values in SEVERITIES[ARTEFACTS[name]].values())
        spoilt = [severity(name, level)(heads, seeded()) for level in range(WORST + 1)]
        changes = [float((each - heads).square().mean()) for each in spoilt]
        assert torch.allclose(spoilt[0], heads, rtol=0, atol=FLOAT32)
        assert all(low < high for low, high in pairwise(changes)), changes
        for level in (-1, WORST + 1, 2.5):
            with pytest.raises(ValueError, match="severity"):
                severity(name, level)

    @pytest.mark.parametrize("sides", SIDES)
    def test_the_generator_decides_and_batches_and_channels_change_nothing(self, name: str, sides) -> None:
        artefact, generator, before = severity(name, WORST), seeded(), torch.get_rng_state()
        images = noisy(*sides)
        kept, once = images.clone(), artefact(images, seeded())
        assert (once.dtype, once.shape) == (torch.float32, images.shape)
        assert 0 <= once.min() < once.max() <= 1
        assert torch.equal(images, kept)
        assert torch.equal(once, artefact(images, seeded()))
        assert torch.equal(once, artefact(images, seeded(1))) == (name in ("gibbs", "resolution"))
        assert torch.equal(torch.get_rng_state(), before)
        parts = torch.cat([artefact(part, generator) for part in images.split(1)])
        colour = artefact(images.repeat(1, 3, 1, 1), seeded())
        assert torch.allclose(parts, once, rtol=0, atol=FLOAT32)
        assert torch.allclose(colour, once.expand_as(colour), rtol=0, atol=FLOAT32)


WRONG = {"gibbs": {"alpha": 1.1}, "motion": {"degrees": 5, "translation": 0.1, "moves": -1}, "resolution": {"zoom": 0}}
WRONG |= {"rician-noise": {"std": math.nan}, "spike": {"intensity": -1}, "bias-field": {"coefficients": "1"}}
WRONG |= {"ghosting": {"num_ghosts": 0, "intensity": 1.0}}


@pytest.mark.parametrize("name", WRONG)
def test_parameters_out_of_range_are_refused(name: str) -> None:
    with pytest.raises((TypeError, ValueError), match="must be"):
        ARTEFACTS[name](noisy(20, 20), seeded(), **WRONG[name])


def by_torchio(transforms: list[torchio.Transform], images: Tensor) -> Tensor:
    volumes = [torchio.ScalarImage(tensor=image.unsqueeze(-1)) for image in images]
    pairs = zip(transforms, volumes, strict=True)
    return torch.stack([transform(volume).data.squeeze(-1) for transform, volume in pairs])


def assert_alike(name: str, theirs: Tensor, right: dict, *wrong: dict, bound: float = FLOAT32) -> None:
    """Ours is the library's within the bound, and with each wrong parameter far from it."""
    images, theirs = noisy(*theirs.shape[-2:]), theirs.clamp(0, 1)
    assert float((ARTEFACTS[name](images, seeded(), **right) - theirs).abs().max()) <= bound
    for each in wrong:
        broken = ARTEFACTS[name](images, seeded(), **(right | each))
        assert float((broken - theirs).abs().max()) > max(1e-3, 100 * bound)


@pytest.mark.parametrize("sides", SIDES)
class TestAgainstLibraries:
    def test_bias_field_is_torchios(self, sides) -> None:
        exponents = [(row, column) for row in range(4) for column in range(4 - row)]
        transforms = []
        for coefficients in 2 * torch.rand(2, len(exponents), generator=seeded()) - 1:
            padded = []  # TorchIO also asks for coefficients along the third axis, which is 0 here
            for (row, column), value in zip(exponents, coefficients.tolist(), strict=True):
                padded += [value] + [0.7] * (3 - row - column)
            transforms.append(torchio.transforms.BiasField(padded, 3))
        theirs = by_torchio(transforms, noisy(*sides))
        assert_alike("bias-field", theirs, {"coefficients": 1.0}, {"coefficients": 0.8})

    def test_ghosting_is_torchios(self, sides) -> None:
        axes = torch.randint(2, (2,), generator=seeded()).tolist()
        theirs = by_torchio([torchio.transforms.Ghosting(4, axis, 0.8, None) for axis in axes], noisy(*sides))
        assert_alike("ghosting", theirs, {"num_ghosts": 4, "intensity": 0.8}, {"num_ghosts": 5}, {"intensity": 0.7})

    def test_spike_is_torchios(self, sides) -> None:
        places = torch.rand(2, 2, generator=seeded()).tolist()
        transforms = [torchio.transforms.Spike(np.array([[*place, 0.0]], np.float32), 0.6) for place in places]
        assert_alike("spike", by_torchio(transforms, noisy(*sides)), {"intensity": 0.6}, {"intensity": 0.5})

    def test_rician_noise_is_monais(self, sides) -> None:
        transform = monai.transforms.RandRicianNoise(prob=1.0, std=0.1, sample_std=False)
        noise = [0.1 * torch.randn(2, 1, *sides, generator=generator) for generator in [seeded()] for _ in range(2)]
        transform.R = Mock(normal=Mock(side_effect=torch.cat(noise).numpy()))
        theirs = torch.stack([torch.as_tensor(transform._add_noise(image, 0.0, 0.1)) for image in noisy(*sides)])
        assert_alike("rician-noise", theirs, {"std": 0.1}, {"std": 0.08})

    @pytest.mark.parametrize("alpha", [0.0, 0.2, 0.5, 0.8, 1.0])
    def test_gibbs_is_monais(self, sides, alpha: float) -> None:
        theirs = torch.stack([monai.transforms.GibbsNoise(alpha)(image).as_tensor() for image in noisy(*sides)])
        assert_alike("gibbs", theirs, {"alpha": alpha}, {"alpha": alpha - 0.1 if alpha else 0.5})

    @pytest.mark.parametrize("zoom", [0.8, 0.5, 0.25])
    def test_resolution_is_monais(self, sides, zoom: float) -> None:
        low = monai.transforms.RandSimulateLowResolution(1.0, "area", "bilinear", (zoom, zoom))
        theirs = torch.stack([low(image).as_tensor() for image in noisy(*sides)])
        assert_alike("resolution", theirs, {"zoom": zoom}, {"zoom": zoom - 0.1})

    @pytest.mark.parametrize("moves", [1, 3, 6])
    def test_motion_is_torchios(self, sides, moves: int) -> None:
        """TorchIO fills k-space along a volume's last axis, and turns it about the physical origin: the middle here.

        Outside the image it takes the least pixel and we take black, which are the same on a black border. SimpleITK
        interpolates in float64 and grid_sample in float32, whose places of up to 45 pixels are off by 1e-5: the
        bound is that, for pixels of at most 1.
        """
        affine, step = np.diag([-1.0, -1.0, 1.0, 1.0]), 1 / (moves + 1)  # SimpleITK's directions
        affine[:3, 3] = [0, (sides[0] - 1) / 2, -(sides[1] - 1) / 2]
        theirs = []
        for image, draw in zip(noisy(*sides), torch.rand(2, moves, 4, generator=seeded()), strict=True):
            rotations, translations = np.zeros((2, moves, 3), np.float32)
            turns, *shifts, times = (2 * draw - 1).numpy().T
            rotations[:, 0], translations[:, 1:] = 10 * turns, 0.1 * np.array(shifts).T * sides
            times = np.arange(1, moves + 1, dtype=np.float32) * step + times * step * 0.3
            transform = torchio.transforms.Motion(rotations, translations, times, "linear")
            theirs.append(transform(torchio.ScalarImage(tensor=image.unsqueeze(1), affine=affine)).data[:, 0])
        right = {"degrees": 10.0, "translation": 0.1, "moves": moves}
        assert_alike("motion", torch.stack(theirs), right, {"degrees": 8.0}, {"translation": 0.08}, bound=1e-5)
