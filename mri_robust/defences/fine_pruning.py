"""Fine-pruning: take out the channels that clean images leave idle, then train on clean images (Liu et al. 2018)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mri_robust.attacks.evasion.attack import predict
from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.core.validation import check_count, check_number, to_unit_range
from mri_robust.training import FitSettings, fit

BATCH = 64
Images = np.ndarray | Tensor  # clean images, uint8 [N, C, H, W], or float32 in [0, 1]


@dataclass(frozen=True)
class FinePruning:
    """Prune the channels of the last convolution that are least active on clean images, then fine-tune on these.

    A backdoor lives in neurons that only the trigger wakes. Channels go in rising order of their mean activation, some
    at a time, as long as the accuracy on the clean images drops by no more than `drop`; those that would take it
    further stay. Source: Liu, Dolan-Gavitt and Garg 2018, arXiv 1805.12185.

    `drop` is in [0, 1], `portions` the number of steps from none to all of the channels; the others are those of the
    fine-tuning, by Adam.
    """

    drop: float = 0.04
    portions: int = 16
    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 1e-4

    def __post_init__(self) -> None:
        check_number("drop", self.drop, 0.0, 1.0)
        check_number("learning_rate", self.learning_rate, 0.0, open_low=True)
        for name in ("portions", "epochs", "batch_size"):
            check_count(name, getattr(self, name))

    def counts(self, model: nn.Module) -> list[int]:
        """The numbers of pruned channels that are tried, from 0 up; all channels are never pruned."""
        channels = last_convolution(model)[0].out_channels
        return [channels * step // self.portions for step in range(self.portions)]

    def choose(self, model: nn.Module, images: Images, labels: np.ndarray) -> np.ndarray:
        """The channels to prune, in the order in which they go, int64; the model is left as it was."""
        order, chosen, least = pruning_order(model, images), 0, -np.inf
        for count in self.counts(model):
            with channels_off(model, order[:count]):
                accuracy = float((_predicted(model, images) == labels).mean())
            if accuracy < least:
                break
            chosen, least = count, accuracy - self.drop if count == 0 else least
        return order[:chosen]

    def tune(self, model: nn.Module, images: Images, labels: np.ndarray, pruned: np.ndarray, **settings: Any) -> None:
        """Train `model` in place on the clean images, `pruned` channels held at zero; `settings` of `FitSettings`."""
        optimizer = torch.optim.Adam(model.parameters(), lr=self.learning_rate, fused=True)
        how = FitSettings(epochs=self.epochs, batch_size=self.batch_size, **settings)
        with channels_off(model, pruned):
            fit(model, images, labels, optimizer=optimizer, settings=how)


def pruning_order(model: nn.Module, images: Images) -> np.ndarray:
    """Channels of the last convolution, int64, from the least to the most active on the images.

    Activity is the mean over images and pixels of what leaves the layer, its BatchNorm and a ReLU.
    """
    convolution, last = last_convolution(model)
    total = torch.zeros(convolution.out_channels, dtype=torch.float64)

    def add(_: nn.Module, __: Any, output: Tensor) -> None:
        total.add_(output.float().relu().mean(dim=(2, 3)).sum(0).double().cpu())

    with last.register_forward_hook(add):
        _predicted(model, images)
    return np.argsort(total.numpy(), kind="stable")


def prune_channels(model: nn.Module, channels: np.ndarray) -> None:
    """Set the parameters of these channels of the last convolution to zero, in place: nothing leaves by them."""
    with torch.no_grad():
        for module in last_convolution(model):
            for parameter in module.parameters(recurse=False):
                parameter[torch.as_tensor(channels, dtype=torch.int64)] = 0


@contextmanager
def channels_off(model: nn.Module, channels: np.ndarray) -> Iterator[None]:
    """Hold these channels of the last convolution at zero."""
    convolution, last = last_convolution(model)
    on = torch.ones(convolution.out_channels, 1, 1, device=device_of(model))
    on[torch.as_tensor(channels, dtype=torch.int64)] = 0
    with last.register_forward_hook(lambda _, __, output: output * on.to(output.dtype)):
        yield


def last_convolution(model: nn.Module) -> tuple[nn.Conv2d, nn.Module]:
    """The last convolution, or ValueError, and what its channels leave by: the BatchNorm right after it, or itself."""
    pairs = list(pairwise([*model.modules(), nn.Identity()]))
    for convolution, after in reversed(pairs):
        if isinstance(convolution, nn.Conv2d):
            return convolution, after if isinstance(after, nn.BatchNorm2d) else convolution
    raise ValueError("fine-pruning needs a model with a convolution")


def _predicted(model: nn.Module, images: Images) -> np.ndarray:
    """The classes of images, int64 [N]; the model is left as it was."""
    batches = (to_unit_range(images[begin : begin + BATCH]) for begin in range(0, len(images), BATCH))
    with eval_mode(model):
        return np.concatenate([predict(model, batch.to(device_of(model))).cpu().numpy() for batch in batches])
