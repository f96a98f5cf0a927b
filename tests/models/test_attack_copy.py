"""The attack's copy gives the model's logits and gradients, shares its large layers, and leaves it alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from toy_models import assert_unchanged, small_net, state_of

from mri_robust.attacks.evasion.attack import loss_gradient
from mri_robust.models.folded import attack_copy
from mri_robust.models.classifier import build_model

CLASSES = ("a", "b", "c", "d")


def unsettled(architecture: str) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_model(architecture, classes=CLASSES, image_size=32)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.5, 2)
                nn.init.uniform_(module.weight, -1.5, 1.5)  # negative scales: folding must keep their sign
    return model.eval()


@pytest.mark.parametrize("architecture", ["cnn", "resnet18"])
def test_logits_and_gradients_are_the_models(architecture: str) -> None:
    model = unsettled(architecture)
    images = torch.rand(4, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([0, 1, 2, 3])
    before = state_of(model)
    fast = attack_copy(model, images)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    gradient, logits = loss_gradient(model, images, labels)
    fast_gradient, fast_logits = loss_gradient(fast, images, labels)
    torch.testing.assert_close(fast_logits, logits, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(fast_gradient, gradient, rtol=1e-3, atol=1e-3 * gradient.abs().max().item())
    assert_unchanged(model, before)


def test_pooling_before_relu_changes_no_bit() -> None:
    class Plain(nn.Sequential):
        pass

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Plain(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.Flatten(), nn.Linear(64, 2))
    images, labels = torch.randn(5, 1, 8, 8), torch.zeros(5, dtype=torch.int64)
    fast = attack_copy(model.eval(), images)
    order = [type(module).__name__ for module in fast.modules() if not list(module.children())]
    assert fast is not model
    assert "ReLU" not in order or order.index("MaxPool2d") < order.index("ReLU")
    for found, expected in zip(loss_gradient(fast, images, labels), loss_gradient(model, images, labels), strict=True):
        assert torch.equal(found, expected)


def test_layers_that_stay_are_shared_and_not_copied() -> None:
    model = unsettled("cnn")
    fast = attack_copy(model, torch.rand(2, 1, 32, 32))
    own = {parameter.data_ptr() for parameter in model.parameters()}
    copied = sum(parameter.numel() for parameter in fast.parameters() if parameter.data_ptr() not in own)
    assert copied < 0.2 * sum(parameter.numel() for parameter in model.parameters())


def test_a_model_that_cannot_be_traced_gets_what_can() -> None:
    model = small_net()
    images = torch.rand(3, 1, 8, 8)

    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = model

        def forward(self, images: Tensor) -> Tensor:
            return self.inner(images) if images.sum() > 0 else self.inner(-images)

    outer = Branches().eval()
    fast = attack_copy(outer, images)
    assert fast is not outer
    torch.testing.assert_close(fast(images), model(images), rtol=1e-4, atol=1e-5)


def test_a_copy_that_would_differ_is_not_used() -> None:
    """Tracing records one branch only; here it silently records the wrong one."""

    class Sly(nn.Module):
        tracing = True

        def __init__(self) -> None:
            super().__init__()
            self.net = small_net()

        def forward(self, images: Tensor) -> Tensor:
            return self.net(images) if isinstance(images, Tensor) else self.net(images + 1)

    sly = Sly().eval()
    assert attack_copy(sly, torch.rand(2, 1, 8, 8)) is sly
