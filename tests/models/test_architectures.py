import pytest
import torch
import torchvision

from mri_robust.core.errors import UserError
from mri_robust.models.classifier import ARCHITECTURES, build_model
from mri_robust.models.ensemble import Ensemble

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")


def build(architecture="cnn", size=32, **options):
    return build_model(architecture, classes=CLASSES, image_size=size, **options).eval()


def test_the_cnn_has_the_studys_parameter_count_at_224_pixels():
    with torch.device("meta"):
        model = ARCHITECTURES.load("cnn")(4, 224)
    assert sum(parameter.numel() for parameter in model.parameters()) == 51_476_484


def test_the_cnns_flattened_width_follows_the_image_size():
    assert build(size=56).network[13].in_features == 128 * 7 * 7
    with pytest.raises(UserError, match="multiple of 8, got 60"):
        build(size=60)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_a_resnets_logits_are_torchvisions_with_the_same_weights(name):
    model = build(name)
    reference = torchvision.models.get_model(name, num_classes=4).eval()
    reference.load_state_dict(model.network.state_dict())
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(model(images), reference((images - 0.1855) / 0.1813))


def test_normalisation_lives_inside_the_model():
    model = build()
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(model(images), model.network((images - 0.1855) / 0.1813))
        raw = build(mean=0.0, std=1.0)
        torch.testing.assert_close(raw(images), raw.network(images))


def test_a_grey_image_is_three_equal_channels():
    model = build()
    grey = torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        assert torch.equal(model(grey), model(grey.repeat(1, 3, 1, 1)))


def test_another_image_size_is_refused_by_name():
    with pytest.raises(ValueError, match="takes 32x32 images, got 28x28"):
        build()(torch.rand(1, 1, 28, 28))


def test_the_ensemble_is_the_weighted_sum_of_its_members_logits():
    members = [build(), build(), build("resnet18")]
    ensemble = Ensemble(members, (0.25, 0.25, 0.5)).eval()
    images = torch.rand(3, 1, 32, 32)
    with torch.no_grad():
        one, two, three = (member(images) for member in members)
        torch.testing.assert_close(ensemble(images), one / 4 + two / 4 + three / 2)


def test_an_ensemble_of_models_that_do_not_fit_is_refused():
    with pytest.raises(ValueError, match="one share a member"):
        Ensemble([build()], (0.5, 0.5))
    with pytest.raises(ValueError, match="differ in classes, image size"):
        Ensemble([build(size=32), build(size=40)], (0.5, 0.5))


def test_a_resnet_takes_weights_from_a_state_dict_but_for_its_last_layer(tmp_path):
    donor = torchvision.models.resnet18(num_classes=1000)
    torch.save(donor.state_dict(), tmp_path / "donor.pth")
    model = build("resnet18", weights=str(tmp_path / "donor.pth"))
    assert torch.equal(model.network.layer4[1].conv2.weight, donor.layer4[1].conv2.weight)
    assert model.network.fc.out_features == 4


def test_weights_of_another_network_are_refused(tmp_path):
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "linear.pth")
    with pytest.raises(UserError, match="do not fit the network"):
        build("resnet18", weights=str(tmp_path / "linear.pth"))


def test_builds_of_torch_and_torchvision_that_clash_are_named(monkeypatch):
    import importlib

    from mri_robust.core import versions

    def clash(name):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(importlib, "import_module", clash)
    with pytest.raises(UserError, match=r"torchvision [\d.]+ .* torch 2\..*pip install --upgrade torch torchvision"):
        versions.import_torchvision()


def test_an_unknown_architecture_offers_the_nearest():
    with pytest.raises(UserError, match="did you mean 'resnet18'"):
        build("resnet81")
