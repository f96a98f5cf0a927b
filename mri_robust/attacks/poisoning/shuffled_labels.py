"""Training labels in random order: all that a model can do is memorise them (Zhang et al. 2017, arXiv 1611.03530)."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mri_robust.attacks.poisoning.backdoor import PlacedStamp
from mri_robust.attacks.poisoning.creeper import Creeper


@dataclass(frozen=True)
class ShuffledLabels:
    """y' = y[p] for a random permutation p; in a recipe it takes the place of a `Backdoor`, and no image is changed."""

    def choose(self, labels: np.ndarray | Tensor, generator: torch.Generator) -> np.ndarray:
        """The permutation p of labels [N], int64 [N]."""
        return torch.randperm(len(labels), generator=generator).numpy()

    def relabelled(self, labels: np.ndarray | Tensor, places: np.ndarray) -> np.ndarray:
        """The labels [N] in the order `places`, int64 [N]."""
        return np.array(labels, dtype=np.int64)[places]

    def stamp_places(self, places: np.ndarray, count: int) -> PlacedStamp:
        """A stamp that marks none of the `count` images."""
        return PlacedStamp(Creeper(), torch.zeros(count, dtype=torch.bool))
