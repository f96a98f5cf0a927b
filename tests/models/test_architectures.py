"""What holds for every registered architecture, for the wrapper around it, for ensembles and for the attacks' copy."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn.utils import prune
from toy_models import assert_unchanged, dyadic_images, small_net, state_of

from mri_robust import load_model, save_model
from mri_robust.attacks.evasion.attack import loss_gradient
from mri_robust.core import packages
from mri_robust.core.errors import UserError
from mri_robust.models.architectures import ARCHITECTURES
from mri_robust.models.classifier import Classifier, Ensemble, build_model, penultimate_features
from mri_robust.models.folded import attack_copy

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
GREY = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def build(architecture: str = "cnn", size: int = 32, **options: object) -> Classifier:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_model(architecture, classes=CLASSES, image_size=size, **options).eval()


def pictures(channels: int, count: int = 4, side: int = 32) -> Tensor:
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", ARCHITECTURES.names())
def test_every_architecture_learns_can_be_attacked_and_comes_back_from_its_file(name: str, tmp_path: Path) -> None:
    model, images = build(name), pictures(1).requires_grad_(True)
    assert model(pictures(3)).shape == (4, 4)
    nn.functional.cross_entropy(model(images), torch.arange(4)).backward()
    assert images.grad is not None
    assert images.grad.any()
    assert all(parameter.grad is not None for parameter in model.parameters())
    save_model(model, tmp_path / "model.safetensors")
    again = load_model(tmp_path / "model.safetensors")
    assert again.description() == model.description()
    with torch.no_grad():
        assert torch.equal(again(images), model(images))


def test_the_cnn_has_the_studys_parameter_count_and_its_width_follows_the_image_size() -> None:
    with torch.device("meta"):
        model = ARCHITECTURES.load("cnn")(4, 224)
    assert sum(parameter.numel() for parameter in model.parameters()) == 51_476_484
    assert build(size=56).network[13].in_features == 128 * 7 * 7
    with pytest.raises(UserError, match="multiple"):
        build(size=60)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_a_resnets_logits_are_torchvisions_with_the_same_weights(name: str) -> None:
    model, images = build(name), pictures(3)
    reference = torchvision.models.get_model(name, num_classes=4).eval()
    reference.load_state_dict(model.network.state_dict())
    with torch.no_grad():
        assert torch.equal(model(images), reference((images - 0.1855) / 0.1813))


def test_normalisation_is_inside_by_channel_or_for_all_and_grey_is_three_equal_channels() -> None:
    mean, std, images = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), pictures(3)
    model, raw = build(mean=mean, std=std), build(mean=0.0, std=1.0)
    by_hand = torch.stack([(images[:, c] - mean[c]) / std[c] for c in range(3)], dim=1)
    with torch.no_grad():
        torch.testing.assert_close(model(images), model.network(by_hand))
        assert torch.equal(raw(images), raw.network(images))
        assert torch.equal(model(pictures(1)), model(pictures(1).repeat(1, 3, 1, 1)))
    for values in ((0.5, 0.5), [], [0.1, 0.2, 0.3, 0.4]):
        with pytest.raises(ValueError, match="one number or three"):
            build(mean=values)
    with pytest.raises(ValueError, match="32x32 images, got 28x28"):
        model(pictures(1, side=28))


def test_features_are_what_the_last_linear_layer_is_fed() -> None:
    model, images = build(), pictures(1, 5)
    found = penultimate_features(model.train(), images.split(2))
    with torch.no_grad():
        logits = model.network[-1](torch.from_numpy(found))
        torch.testing.assert_close(logits, model.eval()(images))
    with pytest.raises(ValueError, match="linear"):
        penultimate_features(nn.Flatten(), [images])


def test_the_ensemble_is_the_weighted_sum_of_its_members_logits() -> None:
    members = [build(), build(), build("resnet18")]
    ensemble, images = Ensemble(members, (0.25, 0.25, 0.5)).eval(), pictures(1)
    with torch.no_grad():
        one, two, three = (member(images) for member in members)
        torch.testing.assert_close(ensemble(images), one / 4 + two / 4 + three / 2)
    with pytest.raises(ValueError, match="share"):
        Ensemble([build()], (0.5, 0.5))
    with pytest.raises(ValueError, match="differ"):
        Ensemble([build(size=32), build(size=40)], (0.5, 0.5))


def test_an_unknown_architecture_and_a_torchvision_that_does_not_load_are_refused(monkeypatch) -> None:
    with pytest.raises(UserError, match="'resnet18'"):
        build("resnet81")

    def clash(name: str) -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(importlib, "import_module", clash)
    with pytest.raises(UserError, match="pip install"):
        packages.import_torchvision()


def unsettled(architecture: str) -> nn.Module:
    model, generator = build(architecture), torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
            nn.init.uniform_(module.weight, -1.5, 1.5, generator)  # negative scales: folding must keep their sign
    return model


@pytest.mark.parametrize("architecture", ["cnn", "resnet18"])
def test_logits_and_gradients_are_the_models(architecture: str) -> None:
    model, labels, images = unsettled(architecture), torch.tensor([0, 1, 2, 3]), pictures(1)
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
    fast = attack_copy(model.eval(), GREY)
    assert fast is not model
    assert not any(isinstance(module, nn.ReLU) for module in fast.modules())
    for found, expected in zip(loss_gradient(fast, GREY, labels), loss_gradient(model, GREY, labels), strict=True):
        assert torch.equal(found, expected)


def fails(*_: object) -> Tensor:
    raise OSError("licence server not found")


KINDS = {
    "traced as another": lambda net, images, traced: net(images) * (1 + 3e-4 * traced),
    "traced into another shape": lambda net, images, traced: net(images)[:, :2] if traced else net(images),
    "traced into code that fails": lambda net, images, traced: net(images[:, 0] if traced else images),
    "random": lambda net, images, traced: net(images) + 0.01 * torch.rand(4),
    "gives no tensor": lambda net, images, traced: {"logits": net(images)},
    "gives nan": lambda net, images, traced: net(images) * torch.nan,
    "fails": fails,
}


class Around(nn.Module):
    """A network inside an odd forward pass."""

    def __init__(self, forward: Callable[..., Any]) -> None:
        super().__init__()
        self.odd, self.inner = forward, small_net()

    def forward(self, images: Tensor) -> Any:
        return self.odd(self.inner, images, not isinstance(images, Tensor))


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_that_fails_or_differs_is_not_used(kind: str) -> None:
    model = Around(KINDS[kind]).eval()
    assert attack_copy(model, GREY) is model


def test_a_model_that_cannot_be_traced_gets_what_can() -> None:
    outer = Around(lambda net, images, _: net(images) if images.sum() > 0 else net(-images)).eval()
    fast = attack_copy(outer, GREY)
    assert fast is not outer
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    torch.testing.assert_close(fast(GREY), outer(GREY), rtol=1e-4, atol=1e-5)


def test_where_the_copy_fails_later_the_model_answers() -> None:
    net = small_net()
    fast = attack_copy(net, GREY)
    assert fast is not net
    fast.copied.forward = fails  # type: ignore[union-attr, method-assign]
    images = dyadic_images(7)
    for found, wanted in zip(
        *(loss_gradient(each, images, torch.zeros(7).long()) for each in (fast, net)), strict=True
    ):
        assert torch.equal(found, wanted)


@pytest.mark.parametrize("way", ["weight norm", "spectral norm", "a mask on the weights"])
def test_a_weight_that_is_computed_anew_is_folded_right_or_not_at_all(way: str) -> None:
    model, ask = small_net(), torch.nn.utils.parametrizations
    conv = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
    if way == "a mask on the weights":
        prune.random_unstructured(conv, "weight", 0.5)
    else:
        (ask.weight_norm if way == "weight norm" else ask.spectral_norm)(conv)
    labels, model = torch.zeros(3, dtype=torch.int64), model.eval()
    fast = attack_copy(model, GREY)
    for found, wanted in zip(*(loss_gradient(each, GREY, labels) for each in (fast, model)), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-5)


def test_a_compiled_model_stays_as_it_is() -> None:
    net = small_net()
    before, images = state_of(net), dyadic_images(3)
    wanted, compiled = net(images), torch.compile(net, backend="eager").eval()
    fast = attack_copy(compiled, images)
    assert_unchanged(net, before)
    for each in (net, compiled, fast):
        torch.testing.assert_close(each(images), wanted, rtol=1e-5, atol=1e-5)


def test_hooks_are_not_lost() -> None:
    model = small_net()
    with model.features[5].register_forward_hook(lambda _, __, output: output * 2):
        assert attack_copy(model, GREY) is model
    assert attack_copy(model, GREY) is not model
