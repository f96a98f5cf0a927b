"""A black-box attack of a few queries, after the Square Attack (Andriushchenko et al. 2020, arXiv 1912.00049)."""

from dataclasses import KW_ONLY, dataclass, field

import torch
from torch import Tensor, nn

from mri_robust.attacks.evasion.attack import Attack, Gradient, margin
from mri_robust.attacks.evasion.norms import Norm, check_ball
from mri_robust.core.validation import check_count


@dataclass(frozen=True)
class RandomSearch(Attack):
    """Repaint a random square of each image with random signs of eps; keep it where the margin of another class rises.

    The first image has vertical stripes; the side of the squares shrinks from .7 of the image's to a pixel. The Square
    Attack runs thousands of queries: this one asks whether black-box search can beat gradients, not how far it can go.

    `eps` is the L-inf radius, in [0, 1], `queries` the number of forward passes.
    """

    eps: float
    _: KW_ONLY
    queries: int = 40
    norm: Norm = field(default="linf", init=False, repr=False)
    targeted: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        check_ball(self.eps, self.norm)
        check_count("queries", self.queries)

    def start_shape(self, images: Tensor) -> tuple[int, ...]:
        """[1, N, C W + (queries - 1) (2 + C)]: the signs of the stripes, then the place and signs of each square."""
        count, channels, _, width = images.shape
        return 1, count, channels * width + (self.queries - 1) * (2 + channels)

    def draw_start(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """All its random numbers, in [0, 1), of `start_shape`."""
        return torch.rand(self.start_shape(images), generator=generator, dtype=torch.float32).to(images.device)

    @torch.no_grad()
    def craft(
        self, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None, gradient: Gradient | None = None
    ) -> Tensor:
        """See `Attack.craft`; no gradient is asked for."""
        assert start is not None
        count, channels, height, width = images.shape
        stripes, rest = start[0].split([channels * width, (self.queries - 1) * (2 + channels)], 1)
        worst = self._painted(images, stripes.view(count, channels, 1, width))
        most = margin(model(worst), labels)
        for query, drawn in enumerate(rest.view(count, self.queries - 1, 2 + channels).unbind(1), start=1):
            side = max(1, round(0.7 * min(height, width) * (1 - query / self.queries)))
            rows, columns = (_spans(length, side, drawn[:, axis]) for axis, length in enumerate((height, width)))
            square = rows[:, None, :, None] & columns[:, None, None]
            candidate = torch.where(square, self._painted(images, drawn[:, 2:, None, None]), worst)
            reached = margin(model(candidate), labels)
            worst = torch.where((reached > most)[:, None, None, None], candidate, worst)
            most = torch.fmax(reached, most)
        return worst

    def _painted(self, images: Tensor, numbers: Tensor) -> Tensor:
        return (images + self.eps * (1 - 2 * (numbers < 0.5).float())).clamp(0, 1)


def _spans(length: int, side: int, numbers: Tensor) -> Tensor:
    """bool [N, length]: in each row, `side` neighbours, of which a number in [0, 1) says the first."""
    first = (numbers[:, None] * (length - side + 1)).long()
    place = torch.arange(length, device=numbers.device)
    return (place >= first) & (place < first + side)


ATTACK = RandomSearch
