"""PGD up a ladder of epsilons: the smallest at which each image is fooled, with no gradient taken in vain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from mri_robust.attacks.climb import Climb, Differentiate
from mri_robust.core.contract import check_count, check_number
from mri_robust.core.progress import OnImages


class Falls(NamedTuple):
    """Where images are fooled on a ladder, on the CPU.

    Attributes:
        rungs: int64 [N], the place of the smallest epsilon that fools each image; -1 for one that is misclassified
            clean, `len(epsilons)` for one that withstands all.
        called: int64 [N], the class that the model calls each image there; its own for one that withstands all.
    """

    rungs: Tensor
    called: Tensor


@dataclass(frozen=True)
class Ladder:
    """L-inf PGD at rising epsilons; an image leaves when it is fooled, and another takes its place in the batch.

    The question is the worst case: an image counts as fooled at an epsilon when it is misclassified clean, or when an
    iterate of a run at that epsilon or a smaller one is. What is fooled in a small ball is fooled in a larger one, so
    each image climbs until it is fooled. A run that begins at the image repeats the one below it until that one meets
    its smaller ball: those steps are taken over, not computed again.

    Attributes:
        epsilons: radii in pixels, rising, each in (0, 1].
        alphas: step size at each epsilon, in pixels.
        steps: of a run.
        restarts: runs from different random starts; 0 for one run that begins at the image.
        batch: images at once; always as many, because a convolution is prepared anew for another size.

    Raises:
        TypeError, ValueError: a parameter of the wrong type or out of range.
    """

    epsilons: tuple[float, ...]
    alphas: tuple[float, ...]
    steps: int
    restarts: int = 0
    batch: int = 32

    def __post_init__(self) -> None:
        check_count("number of epsilons", len(self.epsilons))
        check_count("steps", self.steps)
        check_count("restarts", self.restarts, 0)
        check_count("batch", self.batch)
        if len(self.alphas) != len(self.epsilons):
            raise ValueError(f"need one alpha an epsilon, got {len(self.alphas)} for {len(self.epsilons)}")
        for eps, alpha in zip(self.epsilons, self.alphas, strict=True):
            check_number("epsilon", eps, 0.0, 1.0, open_low=True)
            check_number("alpha", alpha, 0.0, open_low=True)
        if list(self.epsilons) != sorted(set(self.epsilons)):
            raise ValueError(f"epsilons must rise, got {self.epsilons}")

    def shared_steps(self, rung: int) -> int:
        """How many first steps of the run at `rung` are those of the run below it; 0 where nothing is below."""
        if not 0 < rung < len(self.epsilons) or self.restarts or self.alphas[rung] != self.alphas[rung - 1]:
            return 0
        return min(self.steps, int(self.epsilons[rung - 1] / self.alphas[rung] * (1 + 1e-6)))

    def climb(
        self,
        model: nn.Module,
        images: Tensor,
        labels: Tensor,
        *,
        differentiate: Differentiate | None = None,
        seed: int = 0,
        offset: int = 0,
        on_image: OnImages | None = None,
    ) -> Falls:
        """Who is fooled where: see `Falls`.

        Args:
            model: in eval mode, gives logits; it decides what is fooled.
            images: float32 in [0, 1], [N, C, H, W], on the model's device.
            labels: int64 [N].
            differentiate: the gradient to follow, when it is not `model`'s own in full precision; whom its logits call
                fooled is asked of `model` again.
            seed: of the random starts, which depend on the image's place, the epsilon and the restart alone.
            offset: place of the first image, where these are a part of a larger set.
            on_image: called with images done and images in all.
        """
        return Falls(*Climb(self, model, images, labels, differentiate, (seed, offset), on_image).run())
