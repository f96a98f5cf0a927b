"""A black-box attack of a few queries, after the Square Attack (Andriushchenko et al. 2020, arXiv 1912.00049)."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field

import torch
from torch import Tensor, nn

from mri_robust.attacks.evasion.attack import Attack, Gradient
from mri_robust.attacks.evasion.norms import Norm
from mri_robust.core.validation import check_count, check_number


@dataclass(frozen=True)
class RandomSearch(Attack):
    """Repaint a random square of each image with random signs of eps; keep it where the margin of the label falls.

    The first image has vertical stripes, the side of the squares shrinks from .7 of the image's to a pixel. The Square
    Attack runs thousands of queries: this one asks whether black-box search can beat gradients, not how far it can go.

    Attributes:
        eps: L-inf radius in pixels, in [0, 1].
        queries: forward passes.

    Raises:
        TypeError, ValueError: a parameter of the wrong type or out of range.
    """

    eps: float
    _: KW_ONLY
    queries: int = 40
    norm: Norm = field(default="linf", init=False, repr=False)
    targeted: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        check_number("eps", self.eps, 0.0, 1.0)
        check_count("queries", self.queries)

    def draw_start(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """All its random numbers, in [0, 1): [1, N, C W + (queries - 1) (2 + C)], on the CPU."""
        return torch.rand(1, len(images), self._count(images), generator=generator)

    def check_start(self, start: Tensor, images: Tensor) -> None:
        """Check numbers that were given.

        Raises:
            ValueError: they are not as `draw_start` gives them.
        """
        wanted = [1, len(images), self._count(images)]
        if list(start.shape) != wanted:
            raise ValueError(f"start must have shape {wanted}, got {list(start.shape)}")

    @torch.no_grad()
    def craft(
        self, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None, gradient: Gradient | None = None
    ) -> Tensor:
        """See `Attack.craft`; no gradient is asked for."""
        numbers = self.draw_start(images, torch.Generator().manual_seed(0)) if start is None else start
        count, channels, height, width = images.shape
        stripes, rest = numbers[0].to(images.device).split([channels * width, (self.queries - 1) * (2 + channels)], 1)
        worst = self._painted(images, stripes.view(count, channels, 1, width))
        least = _margin(model(worst), labels)
        for query, drawn in enumerate(rest.view(count, self.queries - 1, 2 + channels).unbind(1), start=1):
            side = max(1, round(0.7 * min(height, width) * (1 - query / self.queries)))
            square = (
                _spans(height, side, drawn[:, 0])[:, None, :, None] & _spans(width, side, drawn[:, 1])[:, None, None]
            )
            candidate = torch.where(square, self._painted(images, drawn[:, 2:, None, None]), worst)
            margin = _margin(model(candidate), labels)
            better = margin < least
            worst = torch.where(better[:, None, None, None], candidate, worst)
            least = torch.where(better, margin, least)
        return worst

    def _count(self, images: Tensor) -> int:
        channels, width = images.shape[1], images.shape[3]
        return channels * width + (self.queries - 1) * (2 + channels)

    def _painted(self, images: Tensor, numbers: Tensor) -> Tensor:
        return (images + self.eps * (1 - 2 * (numbers < 0.5).float())).clamp(0, 1)


def _spans(length: int, side: int, numbers: Tensor) -> Tensor:
    """bool [N, length]: in each row, `side` neighbours, of which a number in [0, 1) says the first."""
    first = (numbers[:, None] * (length - side + 1)).long()
    place = torch.arange(length, device=numbers.device)
    return (place >= first) & (place < first + side)


def _margin(logits: Tensor, labels: Tensor) -> Tensor:
    """[N]: the label's logit above the greatest other one."""
    own = logits.gather(1, labels[:, None])
    others = logits.scatter(1, labels[:, None], -torch.inf)
    return own[:, 0] - others.amax(1)


ATTACK = RandomSearch
