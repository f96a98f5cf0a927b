"""Models whose answers are drawn at random: found out, and averaged."""

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

DRAWS = 20  # as many as AutoAttack takes for randomised defences (Croce and Hein 2020, arXiv 2003.01690)
TOLERANCE = 1e-4
"""Greatest difference between two passes, relative to the greatest logit, of a model that draws nothing.

Sums taken in another order, as on a GPU, differ by about 1e-6 of it.
"""


class Averaged(nn.Module):
    """The expectation of a model that draws at random: log of the mean probability over `draws` passes.

    Its gradient is that of the expectation (Athalye et al. 2018, arXiv 1802.00420). Activations of one draw are in
    memory at a time, which takes another forward pass in the backward one.
    """

    def __init__(self, model: nn.Module, draws: int = DRAWS) -> None:
        super().__init__()
        self.model, self.draws, self.training = model, draws, model.training

    def forward(self, images: Tensor) -> Tensor:
        """float32 [N, K], of images [N, C, H, W]."""
        found = [checkpoint(self._one, images, use_reentrant=False) for _ in range(self.draws)]
        return torch.stack(found).logsumexp(0) - torch.tensor(float(self.draws)).log()

    def _one(self, images: Tensor) -> Tensor:
        return torch.log_softmax(self.model(images), 1)


class Noisy(nn.Module):
    """A model that sees its images through Gaussian noise, standard deviation `sigma`, of the global generator."""

    def __init__(self, model: nn.Module, sigma: float) -> None:
        super().__init__()
        self.model, self.sigma, self.training = model, sigma, model.training

    def forward(self, images: Tensor) -> Tensor:
        """The model's logits of images [N, C, H, W], noise added."""
        logits: Tensor = self.model(images + self.sigma * torch.randn_like(images))
        return logits


def differ(logits: Tensor, again: Tensor) -> bool:
    """Whether two passes over the same images gave different logits [N, K]."""
    return bool((logits - again).abs().max() > TOLERANCE * logits.abs().max())


def is_random(model: nn.Module, images: Tensor) -> bool:
    """Whether the model, in eval mode, answers twice about the same images [N, C, H, W] and not alike."""
    with torch.no_grad():
        return differ(model(images), model(images))
