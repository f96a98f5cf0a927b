"""What holds for every registered architecture, for the wrapper around it, and for ensembles."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import torch
import torchvision

from mri_robust import load_model, save_model
from mri_robust.core import packages
from mri_robust.core.errors import UserError
from mri_robust.models.architectures import ARCHITECTURES
from mri_robust.models.classifier import Classifier, build_model, penultimate_features
from mri_robust.models.ensemble import Ensemble

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")


def build(architecture: str = "cnn", size: int = 32, **options: object) -> Classifier:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_model(architecture, classes=CLASSES, image_size=size, **options).eval()


def pictures(channels: int, count: int = 4, side: int = 32) -> torch.Tensor:
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", ARCHITECTURES.names())
def test_every_architecture_learns_can_be_attacked_and_comes_back_from_its_checkpoint(
    name: str, tmp_path: Path
) -> None:
    model, images = build(name), pictures(1).requires_grad_(True)
    assert model(pictures(3)).shape == (4, 4)
    torch.nn.functional.cross_entropy(model(images), torch.arange(4)).backward()
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
        penultimate_features(torch.nn.Flatten(), [images])


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


def test_an_unknown_architecture_offers_the_nearest() -> None:
    with pytest.raises(UserError, match="'resnet18'"):
        build("resnet81")


def test_builds_of_torch_and_torchvision_that_clash_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def clash(name: str) -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(importlib, "import_module", clash)
    with pytest.raises(UserError, match="pip install"):
        packages.import_torchvision()
