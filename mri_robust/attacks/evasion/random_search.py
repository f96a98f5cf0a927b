"""A black-box attack of a few queries, after the Square Attack (Andriushchenko et al. 2020, arXiv 1912.00049)."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

import torch
from torch import Tensor, nn

from mri_robust.core.eval_mode import eval_mode
from mri_robust.core.validation import check_count, check_images, check_number


@dataclass(frozen=True)
class RandomSearch:
    """Repaint a random square of each image with random signs of eps; keep it where the margin of the label falls.

    The start is vertical stripes, the side of the squares shrinks from .7 of the image's to a pixel. The Square Attack
    runs thousands of queries: this one asks whether black-box search can beat gradients, not how far it can go.

    Attributes:
        eps: L-inf radius in pixels, in [0, 1].
        queries: forward passes.

    Raises:
        TypeError, ValueError: a parameter of the wrong type or out of range.
    """

    eps: float
    _: KW_ONLY
    queries: int = 40

    def __post_init__(self) -> None:
        check_number("eps", self.eps, 0.0, 1.0)
        check_count("queries", self.queries)

    def __call__(
        self, model: nn.Module, images: Tensor, labels: Tensor, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Adversarial images, float32 [N, C, H, W] in [0, 1] and the eps-ball; the model is left as it was.

        Args:
            model: gives logits; its gradient is not asked for.
            images: float32 [N, C, H, W] in [0, 1].
            labels: int64 [N].
            generator: what stripes, squares and signs are drawn from, on the CPU; a fresh one seeded with 0 when None.
        """
        check_images(images)
        generator = generator or torch.Generator().manual_seed(0)
        count, channels, height, width = images.shape
        with eval_mode(model), torch.no_grad():
            worst = self._painted(images, _signs((count, channels, 1, width), generator))
            least = _margin(model(worst), labels)
            for query in range(1, self.queries):
                side = max(1, round(0.7 * min(height, width) * (1 - query / self.queries)))
                square = _spans(count, height, side, generator)[:, None, :, None]
                square = (square & _spans(count, width, side, generator)[:, None, None, :]).to(images.device)
                painted = self._painted(images, _signs((count, channels, 1, 1), generator))
                candidate = torch.where(square, painted, worst)
                margin = _margin(model(candidate), labels)
                better = margin < least
                worst = torch.where(better[:, None, None, None], candidate, worst)
                least = torch.where(better, margin, least)
        return worst

    def _painted(self, images: Tensor, signs: Tensor) -> Tensor:
        return (images + self.eps * signs.to(images.device)).clamp(0, 1)


def _signs(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return 2.0 * torch.randint(0, 2, shape, generator=generator) - 1


def _spans(count: int, length: int, side: int, generator: torch.Generator) -> Tensor:
    """bool [count, length]: in each row, `side` neighbours at a random place."""
    first = torch.randint(0, length - side + 1, (count, 1), generator=generator)
    place = torch.arange(length)
    return (place >= first) & (place < first + side)


def _margin(logits: Tensor, labels: Tensor) -> Tensor:
    """[N]: the label's logit above the greatest other one."""
    own = logits.gather(1, labels[:, None])
    others = logits.scatter(1, labels[:, None], -torch.inf)
    return own[:, 0] - others.amax(1)


ATTACK = RandomSearch
