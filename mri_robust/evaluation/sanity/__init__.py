"""Sanity checks that run with every curve: when is a robust accuracy a mirage?

After Carlini et al. 2019 (arXiv 1902.06705), Athalye et al. 2018 (arXiv 1802.00420) and Tramer et al. 2020
(arXiv 2002.08347). A check is a file in `checks` with a `CHECK`: (Evidence) -> Finding.
"""

from __future__ import annotations

from torch import Tensor, nn

from mri_robust.core.progress import OnStep, silent
from mri_robust.core.registry import Registry
from mri_robust.evaluation.sanity.evidence import EPS, Accuracies, gather
from mri_robust.evaluation.sanity.finding import Finding

__all__ = ["CHECKS", "Finding", "sanity_checks"]

CHECKS = Registry(
    "mri_robust.evaluation.sanity.checks", attribute="CHECK", kind="sanity check", group="mri_robust.sanity_checks"
)


def sanity_checks(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    eps: float = EPS,
    seed: int = 0,
    observed: Accuracies | None = None,
    on_step: OnStep | None = None,
) -> list[Finding]:
    """What every check says of a model and the images of its curve, in about 90 passes over at most 32 images.

    Args:
        model: takes pixels in [0, 1], gives logits; left as it was.
        images: float32 [N, C, H, W] in [0, 1]. Others are reported by the check `range` and clipped for the rest.
        labels: int64 [N].
        eps: size in pixels of the attacks that are compared with each other.
        seed: of the choice of images, of PGD's starts and of the random search.
        observed: the curve's own figures, attack (`fgsm`, `pgd`, `square`) -> epsilon in pixels -> accuracy in [0, 1];
            the comparisons of attacks look at these too.
        on_step: called as (what is going on, attacks done, attacks in all).

    Returns:
        One finding a check, tripped or not, in the order of `CHECKS.names()`.

    Raises:
        TypeError, ValueError: images, labels or eps are not as said.
    """
    evidence = gather(model, images, labels, eps=eps, seed=seed, observed=observed or {}, on_step=on_step or silent)
    return [CHECKS.load(name)(evidence) for name in CHECKS.names()]
