"""What goes wrong in a scan without an attacker: seven artefacts, each with five levels of severity.

`severity("motion", 3)` is an `Artefact`, a frozen dataclass of its physical parameters; it is called with images and a
generator.
"""

from __future__ import annotations

from mri_robust.data.artefacts.image import Artefact, BiasField, Resolution, RicianNoise
from mri_robust.data.artefacts.kspace import Ghosting, Gibbs, Motion, Spike

ARTEFACTS: dict[str, type[Artefact]] = {
    "bias-field": BiasField,
    "ghosting": Ghosting,
    "gibbs": Gibbs,
    "motion": Motion,
    "resolution": Resolution,
    "rician-noise": RicianNoise,
    "spike": Spike,
}
SEVERITIES: dict[str, dict[str, tuple[float, ...]]] = {
    "bias-field": {"coefficients": (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)},
    # TorchIO's fewest ghosts, which are the brightest, up to its greatest intensity.
    "ghosting": {"num_ghosts": (4, 4, 4, 4, 4, 4), "intensity": (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)},
    "gibbs": {"alpha": (0.0, 0.16, 0.32, 0.48, 0.64, 0.8)},
    # ROOD-MRI's; its 10 mm are .04 of a field of view of 240 mm.
    "motion": {
        "degrees": (0.0, 1.0, 2.0, 3.0, 4.0, 5.0),
        "translation": (0.0, 0.008, 0.016, 0.024, 0.032, 0.04),
        "moves": (0, 2, 4, 6, 8, 10),
    },
    "resolution": {"zoom": (1.0, 1 / 1.6, 1 / 2.2, 1 / 2.8, 1 / 3.4, 1 / 4)},  # pixels up to 4 times as wide
    "rician-noise": {"std": (0.0, 0.03, 0.06, 0.09, 0.12, 0.15)},
    "spike": {"intensity": (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)},  # 1 is the least that TorchIO draws
}
"""Artefact -> parameter -> its value at levels 0 (no effect) to 5: equal steps, as in ROOD-MRI, arXiv 2203.06060."""
WORST = 5
"""The highest level of severity."""


def severity(name: str, level: int) -> Artefact:
    """The artefact `name` at a level from 0 to 5.

    Raises:
        ValueError: there is no such level.
    """
    if level not in range(WORST + 1):
        raise ValueError(f"severity must be a whole number from 0 to {WORST}, got {level!r}")
    return ARTEFACTS[name](**{parameter: values[level] for parameter, values in SEVERITIES[name].items()})
