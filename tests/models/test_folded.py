"""The attack's copy gives the model's logits and gradients, shares its large layers, and steps back where it cannot."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from toy_models import assert_unchanged, small_net, state_of

from mri_robust.attacks.evasion.attack import loss_gradient
from mri_robust.models.classifier import build_model
from mri_robust.models.folded import attack_copy

IMAGES = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def unsettled(architecture: str) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_model(architecture, classes=("a", "b", "c", "d"), image_size=32)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.5, 2)
                nn.init.uniform_(module.weight, -1.5, 1.5)  # negative scales: folding must keep their sign
    return model.eval()


@pytest.mark.parametrize("architecture", ["cnn", "resnet18"])
def test_logits_and_gradients_are_the_models(architecture: str) -> None:
    model, labels = unsettled(architecture), torch.tensor([0, 1, 2, 3])
    images = torch.rand(4, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    before = state_of(model)
    fast = attack_copy(model, images)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    gradient, logits = loss_gradient(model, images, labels)
    fast_gradient, fast_logits = loss_gradient(fast, images, labels)
    torch.testing.assert_close(fast_logits, logits, rtol=1e-5, atol=1e-5 * logits.abs().max().item())
    torch.testing.assert_close(fast_gradient, gradient, rtol=1e-3, atol=1e-3 * gradient.abs().max().item())
    assert_unchanged(model, before)
    own = {parameter.data_ptr() for parameter in model.parameters()}
    copied = sum(parameter.numel() for parameter in fast.parameters() if parameter.data_ptr() not in own)
    assert architecture != "cnn" or copied < 0.2 * sum(parameter.numel() for parameter in model.parameters())


def test_pooling_before_relu_changes_no_bit() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.Flatten(), nn.Linear(64, 2)
        )
    labels = torch.zeros(3, dtype=torch.int64)
    fast = attack_copy(model.eval(), IMAGES)
    assert fast is not model
    assert not any(isinstance(module, nn.ReLU) for module in fast.modules())
    for found, expected in zip(loss_gradient(fast, IMAGES, labels), loss_gradient(model, IMAGES, labels), strict=True):
        assert torch.equal(found, expected)


class Around(nn.Module):
    """Another model inside this one; `kind` says what is odd about it."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.inner, self.calls = kind, small_net(), 0

    def forward(self, images: Tensor) -> Tensor:
        self.calls += 1
        real = isinstance(images, Tensor)
        if self.kind == "branches":
            return self.inner(images) if images.sum() > 0 else self.inner(-images)
        if self.kind == "is traced as another":
            return self.inner(images) * (1 if real else 1 + 3e-4)
        if self.kind == "is traced into another shape":
            return self.inner(images) if real else self.inner(images)[:, :2]
        if self.kind == "is traced into code that fails":
            return self.inner(images) if real else self.inner(images[:, 0])
        if self.kind == "is random":
            return self.inner(images) + 0.01 * torch.rand(4)
        if self.kind == "gives no tensor":
            return {"logits": self.inner(images)}  # type: ignore[return-value]
        if self.kind == "fails":
            raise OSError("licence server not found")
        return self.inner(images) * torch.nan


def test_a_model_that_cannot_be_traced_gets_what_can() -> None:
    outer = Around("branches").eval()
    fast = attack_copy(outer, IMAGES)
    assert fast is not outer
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    torch.testing.assert_close(fast(IMAGES), outer(IMAGES), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "kind",
    [
        *("is traced as another", "is traced into another shape", "is traced into code that fails"),
        *("is random", "gives no tensor", "fails", "gives nan"),
    ],
)
def test_a_copy_that_fails_or_differs_is_not_used(kind: str) -> None:
    model = Around(kind).eval()
    assert attack_copy(model, IMAGES) is model


def test_hooks_are_not_lost() -> None:
    model = small_net()
    with model.features[5].register_forward_hook(lambda _, __, output: output * 2):
        assert attack_copy(model, IMAGES) is model
    assert attack_copy(model, IMAGES) is not model
