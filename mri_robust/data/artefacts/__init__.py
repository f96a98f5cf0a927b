"""What goes wrong in a scan without an attacker; one file an artefact, each defines `ARTEFACT`.

An artefact is a frozen dataclass of its physical parameters. Called with images, float32 [N, C, H, W] in [0, 1], and a
generator, it draws what is left to chance, image after image, so that no image depends on how others are batched; then
it applies that to all channels alike, and clamps to [0, 1] at the very end. `severity(level)` makes one of a level.
"""

from mri_robust.core.registry import Registry

ARTEFACTS = Registry("mri_robust.data.artefacts", attribute="ARTEFACT", kind="artefact")
WORST = 5
"""The highest level of severity."""


def strength(level: int) -> float:
    """The share of an artefact's greatest strength at a level: equal steps, from 0 at level 0 to 1 at level 5.

    Source: equal steps as in ROOD-MRI, arXiv 2203.06060; each artefact names its greatest strength.

    Raises:
        ValueError: there is no such level.
    """
    if level not in range(WORST + 1):
        raise ValueError(f"severity must be a whole number from 0 to {WORST}, got {level!r}")
    return level / WORST
