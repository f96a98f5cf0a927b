"""What every model of this package is: pixels in, logits out. One network, or an ensemble of several (section 5.2)."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.data.dataset import MEAN, STD
from mri_robust.models.architectures import ARCHITECTURES

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Mean of ImageNet's red, green and blue in [0, 1], which pretrained networks expect."""
IMAGENET_STD = (0.229, 0.224, 0.225)  # their standard deviations


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
        mean, std: normalisation, one number [] or one per channel [3, 1, 1]; 0 and 1 leave pixels raw.

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
        self.network, self.architecture = network, architecture
        self.classes, self.image_size, self.channels = tuple(classes), image_size, channels
        self.register_buffer("mean", _one_or_three(mean))
        self.register_buffer("std", _one_or_three(std))

    def forward(self, images: Tensor) -> Tensor:
        """Logits of images [N, 1 or 3, S, S] in [0, 1]; ValueError for images of another size."""
        if images.shape[-2:] != (self.image_size, self.image_size):
            given = "x".join(map(str, images.shape[-2:]))
            raise ValueError(f"the model takes {self.image_size}x{self.image_size} images, got {given}")
        return self.network(self.normalised(images))

    def normalised(self, images: Tensor) -> Tensor:
        """What the network sees, [N, 3, S, S], of images [N, 1 or 3, S, S] in [0, 1]."""
        if images.shape[1] == 1:
            images = images.expand(-1, 3, -1, -1)
        return (images - self.mean) / self.std

    def description(self) -> dict[str, Any]:
        """What `build_model` takes to build this module again, as plain data."""
        about = {name: getattr(self, name) for name in ("architecture", "image_size", "channels")}
        return {**about, "classes": list(self.classes), "mean": _plain(self.mean), "std": _plain(self.std)}


class Ensemble(nn.Module):
    """logits(x) = sum of shares[i] * members[i](x); an attack on it sees the gradient of the sum.

    The study weights CNN_FGSM 1/4, CNN_PGD 1/4 and ResNet_PGD 1/2. ValueError without members, for another number of
    shares, or where members differ in classes, image size or channels.
    """

    shares: Tensor
    architecture = "ensemble"

    def __init__(self, members: Sequence[Classifier], shares: Sequence[float]) -> None:
        super().__init__()
        if not members or len(members) != len(shares):
            raise ValueError(f"an ensemble needs a share per member, got {len(members)} members, {len(shares)} shares")
        shapes = {(member.classes, member.image_size, member.channels) for member in members}
        if len(shapes) > 1:
            raise ValueError(f"ensemble members differ in classes, image size or channels: {sorted(shapes, key=str)}")
        self.members = nn.ModuleList(members)
        self.register_buffer("shares", torch.tensor([float(share) for share in shares]))
        self.classes, self.image_size, self.channels = shapes.pop()

    def forward(self, images: Tensor) -> Tensor:
        """Summed logits [N, classes] of images [N, C, S, S] in [0, 1]."""
        return self.combine([member(images) for member in self.members])

    def combine(self, logits: Sequence[Tensor]) -> Tensor:
        """The weighted sum of the members' logits, each [N, classes]."""
        return torch.stack([share * each for share, each in zip(self.shares, logits, strict=True)]).sum(0)

    def description(self) -> dict[str, Any]:
        """What it takes to build this module again, as plain data."""
        members = [member.description() for member in self.members if isinstance(member, Classifier)]
        about = {name: getattr(self, name) for name in ("architecture", "image_size", "channels")}
        shares = [round(share, 8) for share in self.shares.tolist()]
        return {**about, "classes": list(self.classes), "members": members, "shares": shares}


def build_model(
    architecture: str, *, classes: tuple[str, ...], image_size: int, weights: str = "none", **more: Any
) -> Classifier:
    """A new `Classifier` of a registered architecture; random weights are drawn from the global generator.

    `weights` are `none` (random), `imagenet`, or the path of a state dict; `channels=`, `mean=` and `std=` are those of
    `Classifier`. UserError for an unknown architecture, or weights that cannot be had.
    """
    network = ARCHITECTURES.load(architecture)(len(classes), image_size, weights)
    return Classifier(network, architecture=architecture, classes=classes, image_size=image_size, **more)


def penultimate_features(model: nn.Module, batches: Iterable[Tensor]) -> np.ndarray:
    """The inputs of the model's last `nn.Linear` for batches of images [n, C, H, W] in [0, 1], float32 [N, D]. The
    model is left as it was; ValueError where it has no linear layer."""
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
    numbers = values if isinstance(values, Sequence) else [values]
    if len(numbers) not in (1, 3):
        raise ValueError(f"normalisation takes one number or three, got {values!r}")
    return torch.tensor([float(number) for number in numbers]).reshape((3, 1, 1) if len(numbers) == 3 else ())


def _plain(values: Tensor) -> float | list[float]:
    """A number, or a list of three, to eight decimals."""
    numbers = [round(value, 8) for value in values.flatten().tolist()]
    return numbers if values.ndim else numbers[0]
