"""The wrapper that every model of this package is: pixels in, logits out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.data.dataset import MEAN, STD
from mri_robust.models.architectures import ARCHITECTURES

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's red, green and blue in [0, 1], which pretrained networks expect."""


class Classifier(nn.Module):
    """A network with its normalisation inside.

    Takes float32 images [N, C, S, S] in [0, 1], S = `image_size`; gives logits [N, len(classes)]. C is 3, or 1: the
    network sees a grey image as three equal channels, so an attacker has one value per pixel and cannot colour it.

    Attributes:
        network: the module that takes normalised images [N, 3, S, S].
        architecture: its name in the registry.
        classes: class names, in the order of the logits.
        image_size: height and width in pixels.
        channels: `grey` or `rgb`, what the model was made for.
        mean, std: normalisation, one number [] or one per channel [3, 1, 1].

    Raises:
        ValueError: `mean` or `std` is neither one number nor three.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: nn.Module,
        *,
        architecture: str,
        classes: tuple[str, ...],
        image_size: int,
        channels: str = "grey",
        mean: float | Sequence[float] = MEAN,
        std: float | Sequence[float] = STD,
    ) -> None:
        super().__init__()
        self.network, self.architecture, self.classes = network, architecture, tuple(classes)
        self.image_size, self.channels = image_size, channels
        self.register_buffer("mean", _one_or_three(mean))
        self.register_buffer("std", _one_or_three(std))

    def forward(self, images: Tensor) -> Tensor:
        """Logits of images [N, 1 or 3, S, S] in [0, 1].

        Raises:
            ValueError: the images are of another size.
        """
        if images.shape[-2:] != (self.image_size, self.image_size):
            given = "x".join(map(str, images.shape[-2:]))
            raise ValueError(f"the model takes {self.image_size}x{self.image_size} images, got {given}")
        coloured = images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images
        return self.network((coloured - self.mean) / self.std)

    def description(self) -> dict[str, object]:
        """What it takes to build this module again, as plain data."""
        return {
            "architecture": self.architecture,
            "classes": list(self.classes),
            "image_size": self.image_size,
            "channels": self.channels,
            "mean": _plain(self.mean),
            "std": _plain(self.std),
        }


def build_model(
    architecture: str,
    *,
    classes: tuple[str, ...],
    image_size: int,
    channels: str = "grey",
    weights: str = "none",
    mean: float | Sequence[float] = MEAN,
    std: float | Sequence[float] = STD,
) -> Classifier:
    """A new `Classifier` of a registered architecture; random weights are drawn from the global generator.

    `weights` are `none` (random), `imagenet`, or the path of a state dict; mean 0 and std 1 leave pixels raw.

    Raises:
        UserError: unknown architecture, or weights that cannot be had.
    """
    network = ARCHITECTURES.load(architecture)(len(classes), image_size, weights)
    return Classifier(
        network,
        architecture=architecture,
        classes=classes,
        image_size=image_size,
        channels=channels,
        mean=mean,
        std=std,
    )


def penultimate_features(model: nn.Module, batches: Iterable[Tensor]) -> np.ndarray:
    """The inputs of the model's last `nn.Linear` for batches of images [n, C, H, W] in [0, 1], float32 [N, D].

    The model is left as it was; ValueError where it has no linear layer.
    """
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise ValueError("the model has no linear layer whose inputs could be its features")
    found: list[np.ndarray] = []

    def keep(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        found.append(inputs[0].detach().float().flatten(1).cpu().numpy())

    with linear[-1].register_forward_pre_hook(keep), eval_mode(model), torch.no_grad():
        for batch in batches:
            model(batch.to(device_of(model)))
    return np.concatenate(found)


def _one_or_three(values: float | Sequence[float]) -> Tensor:
    numbers = torch.tensor(values, dtype=torch.float32)
    if numbers.numel() not in (1, 3):
        raise ValueError(f"normalisation takes one number or three, got {values!r}")
    return numbers.reshape((3, 1, 1) if numbers.numel() == 3 else ())


def _plain(values: Tensor) -> float | list[float]:
    numbers = [round(float(value), 8) for value in values.flatten()]
    return numbers if values.ndim else numbers[0]
