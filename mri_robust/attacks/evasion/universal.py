"""One perturbation for many images (Moosavi-Dezfooli et al. 2017, arXiv 1610.08401), by mini-batch ascent on a clipped
loss (Shafahi et al. 2020, arXiv 1811.11304, algorithm 2).

It is fitted once, on images that an attacker has, and then added to images that they have never seen. So it is called
otherwise than the attacks on single images, and is none of `ATTACKS`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from mri_robust.attacks.evasion import norms
from mri_robust.attacks.evasion.attack import loss_gradient
from mri_robust.attacks.evasion.norms import Norm
from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.core.validation import check_count, check_images, check_labels, check_number, class_count, to_unit_range


@dataclass(frozen=True)
class Universal:
    """d_0 = 0; d_{t+1} = project(d_t + alpha_t * step(sum over a mini-batch of grad min(loss(clip(x + d_t)), most))).

    `step` is the sign for L-inf and g / ||g||_2 for L2. The loss is the cross entropy, clipped so that no single image
    takes the whole perturbation to itself; with targets it falls instead, and is not clipped. The gradient is that at
    the clipped image, so that a pixel at 0 or 1 does not hold d back for the others.

    Attributes:
        eps: radius of the ball, [0, 1] for L-inf.
        steps: mini-batches.
        batch_size: images of each, or all where there are fewer.
        alpha: size of the first step, positive, a fifth of `eps` when None; it falls to zero in a straight line.
        most: greatest loss of an image that still counts, positive.
        targeted: labels are what the model shall say.
    """

    eps: float
    _: KW_ONLY
    steps: int = 100
    batch_size: int = 32
    alpha: float | None = None
    most: float = 9.0
    norm: Norm = "linf"
    targeted: bool = False

    def __post_init__(self) -> None:
        norms.check_ball(self.eps, self.norm)
        check_count("steps", self.steps)
        check_count("batch_size", self.batch_size)
        for name in ("most", *(["alpha"] if self.alpha is not None else [])):
            check_number(name, getattr(self, name), 0.0, open_low=True)

    @property
    def step_size(self) -> float:
        """`alpha`, or a fifth of `eps`."""
        return self.eps / 5 if self.alpha is None else self.alpha

    def __call__(
        self, model: nn.Module, images: Tensor, labels: Tensor, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """The perturbation, float32 [1, C, H, W] in the eps-ball, on the model's device; the model is left as it was.

        `images` are float32 in [0, 1] or uint8, [N, C, H, W], and `labels` int64 [N]: the true ones, or targets when
        `targeted`; both may lie on any device. The generator, on the CPU, of seed 0 when None, draws the mini-batches.
        What it gives is to be added to images and clipped to [0, 1]. TypeError or ValueError where the arguments are
        not as said, UserError where logits are not finite.
        """
        first = to_unit_range(images[:1].detach())
        check_images(images if images.dtype != torch.uint8 else first)
        device = device_of(model)
        with eval_mode(model):
            check_labels(labels, images, class_count(model, first))
            found = torch.zeros_like(first, device=device)
            batches = self._batches(len(images), generator or torch.Generator().manual_seed(0))
            for step, places in zip(range(self.steps), batches, strict=False):
                there = places.to(images.device)
                seen = (to_unit_range(images[there].detach()).to(device) + found).clamp(0, 1)
                slope, _ = loss_gradient(model, seen, labels[places.to(labels.device)].to(device), self._loss)
                way = norms.ascent_direction(slope.sum(0, keepdim=True), self.norm)
                alpha = self.step_size * (1 - step / self.steps)
                found = norms.project(found + (-alpha if self.targeted else alpha) * way, self.eps, self.norm)
        return found

    def _batches(self, images: int, generator: torch.Generator) -> Iterator[Tensor]:
        """Places of mini-batches without an end: each pass takes every image once, in another order."""
        while True:
            yield from torch.randperm(images, generator=generator).split(self.batch_size)

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        loss = functional.cross_entropy(logits, labels, reduction="none")
        return loss if self.targeted else loss.clamp(max=self.most)
