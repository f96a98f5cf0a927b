"""Small models whose answers are known, attacks by name, and all of a model that an attack must leave as it was."""

import dataclasses
from typing import Any

import torch
from torch import Tensor, nn

from mri_robust.attacks.evasion import ATTACKS

DYADIC = 256
"""Pixels are multiples of 1/256, so that sums with dyadic steps are exact."""


class Linear(nn.Module):
    """logits = W x + b on flattened pixels; `weight` is [K, D]."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight.float()), nn.Parameter(bias.float())

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) @ self.weight.T + self.bias


class SmallNet(nn.Module):
    """Two convolutions with BatchNorm, and a linear layer: four classes, grey 8x8 images."""

    classes = ("glioma", "meningioma", "notumor", "pituitary")
    image_size = 8
    channels = "grey"

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(),
        )  # fmt: skip
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(12 * 16, 4)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.dropout(self.features(images - 0.5).flatten(1)))


class Nameless(nn.Module):
    """Another model, without what it states about its classes and its images."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, images: Tensor) -> Tensor:
        return self.inner(images)


class Bomb(Nameless):
    """Raises on forward call number `fuse`, counted from 1."""

    classes = SmallNet.classes
    image_size = SmallNet.image_size
    channels = SmallNet.channels

    def __init__(self, inner: nn.Module, fuse: int) -> None:
        super().__init__(inner)
        self.left = fuse

    def forward(self, images: Tensor) -> Tensor:
        self.left -= 1
        if self.left == 0:
            raise RuntimeError("boom")
        return super().forward(images)


class Counter(Nameless):
    """Counts images whose gradient is taken, and others."""

    classes = SmallNet.classes
    gradients = answers = 0

    def forward(self, images: Tensor) -> Tensor:
        self.gradients += len(images) * images.requires_grad
        self.answers += len(images) * (not images.requires_grad)
        return super().forward(images)


def small_net(seed: int = 0) -> SmallNet:
    """A `SmallNet` in eval mode with weights and BatchNorm statistics of its own; the global generator is not moved."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = SmallNet()
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.02, 0.2)
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, 0, 0.3)
    net.eval()
    with torch.no_grad():
        net.head.bias -= net(dyadic_images(64, seed=5)).mean(0)  # so that every class is predicted
    return net


def four_readers(scale: float = 3.0) -> Linear:
    """Four classes for 4x4 pixels, as common on uniform ones: each reads its own four pixels, whose mean is .5."""
    weight = torch.eye(4).repeat_interleave(4, 1)
    weight = scale * (weight + 0.3 * torch.randn(weight.shape, generator=seeded(1)))
    return Linear(weight, -0.5 * weight.sum(1))


def blank() -> Linear:
    """The same before training: it says nothing."""
    return Linear(torch.zeros(4, 16), torch.zeros(4))


def dyadic_images(count: int, seed: int = 1, side: int = 8) -> Tensor:
    """Grey images of pixels k/256, k in 0..256, with both ends among them."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, DYADIC + 1, (count, 1, side, side), generator=generator) / DYADIC


def dyadic_start(images: Tensor, eps: float, seed: int = 2) -> Tensor:
    """A start in the L-inf ball and in [0, 1], of pixels k/256."""
    steps = round(eps * DYADIC)
    generator = torch.Generator().manual_seed(seed)
    return (images + torch.randint(-steps, steps + 1, images.shape, generator=generator) / DYADIC).clamp(0, 1)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build_attack(name: str, eps: float, **wanted: Any) -> Any:
    """A registered attack, of few steps where it takes steps; parameters that it does not have are left out."""
    attack = ATTACKS.load(name)
    fields = {field.name for field in dataclasses.fields(attack)}
    return attack(eps, **{key: value for key, value in {"steps": 3, **wanted}.items() if key in fields})


def own_labels(model: nn.Module, images: Tensor) -> Tensor:
    """What the model says of the clean images, so that its clean accuracy is 1."""
    with torch.no_grad():
        return model(images).argmax(1)


def unsettle(model: nn.Module) -> nn.Module:
    """Train mode with a frozen BatchNorm, one frozen parameter, and gradients on some parameters but not on others."""
    model.train()
    frozen = next(module for module in model.modules() if isinstance(module, nn.BatchNorm2d))
    frozen.eval()
    parameters = list(model.parameters())
    parameters[0].requires_grad_(False)
    for parameter in parameters[1::2]:
        parameter.grad = torch.full_like(parameter, 0.125)
    return model


def state_of(model: nn.Module) -> dict[str, Any]:
    """All that an attack must leave as it was: modes, flags, gradients, parameters, buffers."""
    state: dict[str, Any] = {f"mode {name}": module.training for name, module in model.named_modules()}
    for name, parameter in model.named_parameters():
        state[f"flag {name}"] = parameter.requires_grad
        state[f"grad {name}"] = None if parameter.grad is None else parameter.grad.clone()
    return state | {f"value {name}": value.clone() for name, value in model.state_dict().items()}


def assert_unchanged(model: nn.Module, before: dict[str, Any]) -> None:
    after = state_of(model)
    assert after.keys() == before.keys()
    for name, value in before.items():
        now = after[name]
        same = torch.equal(value, now) if isinstance(value, Tensor) and isinstance(now, Tensor) else value is now
        assert same, f"{name} changed"
