"""What goes wrong in a scan without an attacker: seven artefacts, each with five levels of severity."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Generator, Tensor

from mri_robust.data.artefacts.transforms import bias_field, ghosting, gibbs, motion, resolution, rician_noise, spike

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
