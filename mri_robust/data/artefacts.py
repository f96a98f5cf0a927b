"""What goes wrong in a scan without an attacker: seven artefacts, each with five levels of severity.

Each is a function of images, float32 [N, C, H, W] in [0, 1], a CPU generator, and physical parameters. What is random
is drawn image after image, so that no image depends on how others are batched, then applied to all channels alike, and
clamped to [0, 1]. A parameter out of range raises TypeError or ValueError. K-space is the plane of spatial frequencies
that a scanner records.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Generator, Tensor
from torch.nn.functional import adaptive_avg_pool2d, affine_grid, grid_sample, interpolate

from mri_robust.core.validation import check_count, check_number

_JITTER = 0.3  # how far a movement may stray from its even place in time, in steps between them; as in TorchIO


def bias_field(images: Tensor, generator: Generator, *, coefficients: float) -> Tensor:
    """The receive coil hears one side better: a factor, the exponential of a polynomial of order 3.

    Its coefficients are drawn from [-coefficients, coefficients]; y and x run from -1 to 1 over rows and columns.
    Source: Van Leemput et al., IEEE Transactions on Medical Imaging 18 (1999), 885-896; as in TorchIO's `BiasField`.
    """
    check_number("coefficients", coefficients, 0)
    exponents = [(row, column) for row in range(4) for column in range(4 - row)]
    drawn = (2 * torch.rand(len(images), len(exponents), generator=generator) - 1) * coefficients
    y, x = (torch.linspace(-1, 1, side, device=images.device) for side in images.shape[-2:])
    terms = torch.stack([y[:, None] ** row * x[None, :] ** column for row, column in exponents])
    return (images * torch.einsum("nk,khw->nhw", drawn.to(images.device), terms).exp()[:, None]).clamp(0, 1)


def resolution(images: Tensor, generator: Generator, *, zoom: float) -> Tensor:
    """A faster scan: pixels that each hold the mean of a larger square (partial volume), enlarged to the usual size.

    Of the pixels along a side the share `zoom`, in (0, 1], is left; they are interpolated linearly.
    Source: ROOD-MRI, arXiv 2203.06060; MONAI's `RandSimulateLowResolution` with mode `area`.
    """
    check_number("zoom", zoom, 0, 1, open_low=True)
    height, width = images.shape[-2:]
    coarse = adaptive_avg_pool2d(images, (max(1, round(height * zoom)), max(1, round(width * zoom))))
    return interpolate(coarse, (height, width), mode="bilinear", align_corners=False).clamp(0, 1)


def rician_noise(images: Tensor, generator: Generator, *, std: float) -> Tensor:
    """Grain that brightens what is black: sqrt((images + real)^2 + imaginary^2), both noises normal with `std`.

    Source: Gudbjartsson and Patz, Magnetic Resonance in Medicine 34 (1995), 910-914; as in MONAI's `RandRicianNoise`.
    """
    check_number("std", std, 0)
    noise = torch.stack([torch.randn(2, 1, *images.shape[-2:], generator=generator) for _ in images])
    real, imaginary = (noise * std).to(images.device).unbind(1)
    return torch.hypot(images + real, imaginary).clamp(0, 1)


def ghosting(images: Tensor, generator: Generator, *, num_ghosts: int, intensity: float) -> Tensor:
    """Something that pulses weakens every n-th line of k-space: faint copies of the head along a random axis.

    Lines weaker by the share s, `intensity` (over 1 they change sign), give n copies of s / n of the brightness, a
    field of view / n apart. The middle line stays as it is.
    Source: TorchIO's `Ghosting`, arXiv 2003.04696.
    """
    check_count("num_ghosts", num_ghosts)
    check_number("intensity", intensity, 0)

    def gains(lines: int) -> Tensor:
        gain = torch.ones(lines, device=images.device)
        gain[::num_ghosts] = 1 - intensity
        gain[lines // 2] = 1
        return gain

    by_rows = torch.randint(2, (len(images),), generator=generator).to(images.device) == 0
    rows, columns = map(gains, images.shape[-2:])
    mask = torch.where(by_rows[:, None, None], rows[:, None], columns[None, :])
    return _from_kspace(_to_kspace(images) * mask[:, None]).clamp(0, 1)


def gibbs(images: Tensor, generator: Generator, *, alpha: float) -> Tensor:
    """The scan stops before the fine frequencies: ripples beside every edge, and no fine detail.

    Of k-space the disc of radius (1 - alpha) * max(H, W) / sqrt(2) about the middle of its corners is kept.
    Source: Stadler et al., European Radiology 17 (2007), 1242-1255; the cut is that of MONAI's `GibbsNoise`.
    """
    check_number("alpha", alpha, 0, 1)
    radius = (1 - alpha) * max(images.shape[-2:]) / 2**0.5
    y, x = (torch.arange(side, device=images.device) - (side - 1) / 2 for side in images.shape[-2:])
    return _from_kspace(_to_kspace(images) * (torch.hypot(y[:, None], x[None, :]) <= radius)).clamp(0, 1)


def spike(images: Tensor, generator: Generator, *, intensity: float) -> Tensor:
    """A spark in the scanner room: one wrong point of k-space, stripes of one direction and width in the image.

    To the point, `intensity` times the greatest magnitude of k-space is added: stripes so many times the mean high.
    Source: TorchIO's `Spike`, arXiv 2003.04696; Zhuo and Gullapalli, RadioGraphics 26 (2006), 275-297.
    """
    check_number("intensity", intensity, 0)
    places = torch.rand(len(images), 2, generator=generator).to(images.device)
    row, column = (places * torch.tensor(images.shape[-2:], device=images.device)).floor().long().unbind(1)
    kspace = _to_kspace(images)
    kspace[torch.arange(len(images)), :, row, column] += intensity * kspace.abs().amax((-2, -1))
    return _from_kspace(kspace).clamp(0, 1)


def motion(images: Tensor, generator: Generator, *, degrees: float, translation: float, moves: int) -> Tensor:
    """The head moves suddenly, at random times: k-space is put together, column after column, from its positions.

    Each of the `moves` turns it by up to `degrees`, in [0, 180], and shifts it by up to `translation`, a share of the
    height and width, either way. The middle of k-space is the unmoved head's.
    Source: Shaw et al., "MRI k-Space Motion Artefact Augmentation" (MIDL 2019), as in TorchIO's `Motion`.
    """
    check_number("degrees", degrees, 0, 180)
    check_number("translation", translation, 0, 1)
    check_count("moves", moves, 0)
    drawn, step = 2 * torch.rand(len(images), moves, 4, generator=generator) - 1, 1 / (moves + 1)
    times = (torch.arange(1, moves + 1) * step + drawn[..., 3] * step * _JITTER).to(images.device)  # 0 to 1, rising
    turns = (drawn[..., 0] * degrees).to(images.device)
    shifts = (drawn[..., 1:3] * translation * torch.tensor(images.shape[-2:])).to(images.device)  # rows, columns
    columns = torch.arange(images.shape[-1], device=images.device)
    position = ((images.shape[-1] * times).int()[:, :, None] <= columns).sum(1)
    middle = (times <= 0.5).sum(1, keepdim=True)
    # Where the head is at the middle of k-space, which holds the bulk of the image, counts as unmoved.
    position = torch.where(position == middle, 0, torch.where(position == 0, middle, position))
    kspace = _to_kspace(images)
    for move in range(moves):
        moved = _to_kspace(_moved(images, turns[:, move], shifts[:, move]))
        kspace = torch.where((position == move + 1)[:, None, None, :], moved, kspace)
    return _from_kspace(kspace).clamp(0, 1)


def _moved(images: Tensor, degrees: Tensor, shifts: Tensor) -> Tensor:
    """Each image turned about its middle and shifted, interpolated linearly; black comes in from outside."""
    height, width = images.shape[-2:]
    sine, cosine = degrees.deg2rad().sin(), degrees.deg2rad().cos()
    # affine_grid counts in halves of the image, x before y.
    along_x = torch.stack([cosine, sine * height / width, shifts[:, 1] * 2 / width], dim=1)
    along_y = torch.stack([-sine * width / height, cosine, shifts[:, 0] * 2 / height], dim=1)
    grid = affine_grid(torch.stack([along_x, along_y], dim=1), list(images.shape), align_corners=False)
    return grid_sample(images, grid, align_corners=False)


def _to_kspace(images: Tensor) -> Tensor:  # [..., H, W], frequency 0 in the middle, at (H // 2, W // 2)
    return torch.fft.fftshift(torch.fft.fft2(images), (-2, -1))


def _from_kspace(kspace: Tensor) -> Tensor:
    return torch.fft.ifft2(torch.fft.ifftshift(kspace, (-2, -1))).real


WORST = 5  # the highest level of severity
SEVERITIES: dict[Callable[..., Tensor], dict[str, tuple[float, ...]]] = {
    bias_field: {"coefficients": (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)},
    # TorchIO's fewest ghosts, which are the brightest, up to its greatest intensity.
    ghosting: {"num_ghosts": (4, 4, 4, 4, 4, 4), "intensity": (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)},
    gibbs: {"alpha": (0.0, 0.16, 0.32, 0.48, 0.64, 0.8)},
    # ROOD-MRI's; its 10 mm are .04 of a field of view of 240 mm.
    motion: {
        "degrees": (0.0, 1.0, 2.0, 3.0, 4.0, 5.0),
        "translation": (0.0, 0.008, 0.016, 0.024, 0.032, 0.04),
        "moves": (0, 2, 4, 6, 8, 10),
    },
    resolution: {"zoom": (1.0, 1 / 1.6, 1 / 2.2, 1 / 2.8, 1 / 3.4, 1 / 4)},  # pixels up to 4 times as wide
    rician_noise: {"std": (0.0, 0.03, 0.06, 0.09, 0.12, 0.15)},
    spike: {"intensity": (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)},  # 1 is the least that TorchIO draws
}
"""Artefact -> parameter -> its value at levels 0 (no effect) to 5: equal steps, as in ROOD-MRI, arXiv 2203.06060."""
ARTEFACTS = {artefact.__name__.replace("_", "-"): artefact for artefact in SEVERITIES}


def severity(name: str, level: int) -> Callable[[Tensor, Generator], Tensor]:
    """The artefact `name` at a level from 0 to 5; raises ValueError where there is no such level."""
    if level not in range(WORST + 1):
        raise ValueError(f"severity must be a whole number from 0 to {WORST}, got {level!r}")
    artefact = ARTEFACTS[name]
    return partial(artefact, **{parameter: values[level] for parameter, values in SEVERITIES[artefact].items()})
