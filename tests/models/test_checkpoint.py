import errno
import pickle

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from mri_robust import load_model, save_model
from mri_robust.core.errors import UserError
from mri_robust.models.checkpoint import check_classes, load_detector, read_notes
from mri_robust.models.classifier import build_model
from mri_robust.models.ensemble import Ensemble
from mri_robust.models.weights_file import write_tensors

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")


@pytest.fixture
def model():
    return build_model("cnn", classes=CLASSES, image_size=16, channels="rgb", mean=0.25, std=0.5).eval()


def logits(model):
    with torch.no_grad():
        return model(torch.linspace(0, 1, 2 * 3 * 16 * 16).reshape(2, 3, 16, 16))


def test_a_checkpoint_alone_rebuilds_the_model(model, tmp_path):
    save_model(model, tmp_path / "m.safetensors", recipe={"epochs": 3}, data_digest="abc")
    again = load_model(tmp_path / "m.safetensors")
    assert torch.equal(logits(again), logits(model))
    assert (again.classes, again.image_size, again.channels) == (CLASSES, 16, "rgb")
    assert not again.training
    notes = read_notes(tmp_path / "m.safetensors")
    assert notes["recipe"] == {"epochs": 3}
    assert notes["data_digest"] == "abc"


def test_an_ensemble_is_rebuilt_with_its_members_and_shares(model, tmp_path):
    other = build_model("resnet18", classes=CLASSES, image_size=16, channels="rgb").eval()
    ensemble = Ensemble([model, other], (0.75, 0.25)).eval()
    save_model(ensemble, tmp_path / "e.safetensors")
    assert torch.equal(logits(load_model(tmp_path / "e.safetensors")), logits(ensemble))


def test_loading_draws_nothing_from_the_global_generator(model, tmp_path):
    save_model(model, tmp_path / "m.safetensors")
    before = torch.random.get_rng_state()
    load_model(tmp_path / "m.safetensors")
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_bare_state_dict_loads_when_told_what_it_is(model, tmp_path):
    torch.save(model.network.state_dict(), tmp_path / "bare.pth")
    again = load_model(tmp_path / "bare.pth", architecture="cnn", classes=CLASSES, image_size=16)
    assert torch.equal(again.network[0].weight, model.network[0].weight)
    with pytest.raises(UserError, match="give architecture, classes and image_size"):
        load_model(tmp_path / "bare.pth")


class Exploit:
    def __reduce__(self):
        return (open, ("exploited", "w"))


def write_truncated(path, model):
    save_model(model, path)
    path.write_bytes(path.read_bytes()[:-1000])


def write_html(path, model):
    path.write_text("<!DOCTYPE html><title>404</title>")


def write_empty(path, model):
    path.write_bytes(b"")


def write_other_shapes(path, model):
    header = {"model": {**model.description(), "image_size": 24}}
    write_tensors(path, model.state_dict(), header)


def write_nonsense_header(path, model):
    write_tensors(path, model.state_dict(), {"model": {"architecture": "cnn"}})


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (write_truncated, "is damaged or no safetensors file"),
        (write_html, "is an HTML page"),
        (write_empty, "is damaged or no safetensors file"),
        (write_other_shapes, "does not fit its model"),
        (write_nonsense_header, "describes no model"),
    ],
)
def test_a_bad_checkpoint_is_one_line_that_names_it(write, message, model, tmp_path):
    path = tmp_path / "bad.safetensors"
    write(path, model)
    with pytest.raises(UserError, match=message) as caught:
        load_model(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["pth", "pt"])
def test_a_pickle_with_code_is_refused_and_not_run(suffix, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"model.{suffix}"
    torch.save({"weight": Exploit()}, path)
    with pytest.raises(UserError, match="holds more than plain tensors"):
        load_model(path)
    path.write_bytes(pickle.dumps(Exploit()))
    with pytest.raises(UserError, match="cannot be loaded"):
        load_model(path)
    assert not (tmp_path / "exploited").exists()


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.safetensors' does not exist"):
        load_model(tmp_path / "nowhere.safetensors")


def test_classes_that_differ_from_the_datas_are_refused(model):
    check_classes(model, CLASSES, "m")
    with pytest.raises(UserError, match=r"has 4 classes .* and the data 2"):
        check_classes(model, ("no", "yes"), "m")


def test_a_full_disk_is_the_systems_own_error(model, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("mri_robust.models.weights_file.save_file", full)
    with pytest.raises(OSError, match="No space") as caught:
        save_model(model, tmp_path / "m.safetensors")
    assert caught.value.errno == errno.ENOSPC
    assert not list(tmp_path.iterdir())


def test_a_header_that_was_changed_is_noticed(model, tmp_path):
    path = tmp_path / "m.safetensors"
    save_model(model, path, accuracy=0.75)
    content = path.read_bytes()
    assert content.count(b"0.75") == 1
    path.write_bytes(content.replace(b"0.75", b"0.95"))
    with pytest.raises(UserError, match="damaged"):
        load_model(path)


def test_saving_leaves_nothing_behind_when_the_disk_fails(model, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr("mri_robust.models.weights_file.save_file", full)
    with pytest.raises(OSError, match="No space"):
        save_model(model, tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())


def test_one_number_of_normalisation_is_kept_as_a_number(model, tmp_path):
    assert (model.description()["mean"], model.description()["std"]) == (0.25, 0.5)
    assert model.mean.shape == model.std.shape == ()
    save_model(model, tmp_path / "m.safetensors")
    assert load_model(tmp_path / "m.safetensors").mean.shape == ()


def test_three_numbers_of_normalisation_are_kept_and_used_by_channel(tmp_path):
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    model = build_model("cnn", classes=CLASSES, image_size=16, channels="rgb", mean=mean, std=std).eval()
    assert model.description()["mean"] == pytest.approx(mean)
    images = torch.linspace(0, 1, 2 * 3 * 16 * 16).reshape(2, 3, 16, 16)
    by_hand = torch.stack([(images[:, channel] - mean[channel]) / std[channel] for channel in range(3)], dim=1)
    with torch.no_grad():
        assert torch.allclose(model(images), model.network(by_hand), atol=1e-6)
        grey = images[:, :1]
        assert torch.equal(model(grey), model(grey.repeat(1, 3, 1, 1)))
    save_model(model, tmp_path / "m.safetensors")
    again = load_model(tmp_path / "m.safetensors")
    assert again.mean.shape == again.std.shape == (3, 1, 1)
    assert again.description() == model.description()
    assert torch.equal(logits(again), logits(model))


@pytest.mark.parametrize("values", [(0.5, 0.5), [], [0.1, 0.2, 0.3, 0.4]])
def test_another_number_of_means_is_refused(values, model, tmp_path):
    with pytest.raises(ValueError, match="one number or three"):
        build_model("cnn", classes=CLASSES, image_size=16, mean=values)
    header = {"model": {**model.description(), "std": list(values)}}
    write_tensors(tmp_path / "m.safetensors", model.state_dict(), header)
    with pytest.raises(UserError, match="describes no model"):
        load_model(tmp_path / "m.safetensors")


@pytest.fixture
def detector(tmp_path):
    from mri_robust.defences.snooping import Snooper

    path = tmp_path / "detector.safetensors"
    Snooper.create(image_size=16, architecture="cnn").save(path)
    return path


def test_a_detector_is_no_classifier(detector):
    with pytest.raises(UserError, match=r"detector.safetensors' is a snooping detector, not a classifier"):
        load_model(detector)
    with pytest.raises(UserError, match="is a snooping detector"):
        load_model(detector, architecture="cnn", classes=CLASSES, image_size=16)


def test_a_classifier_is_no_detector(model, tmp_path):
    path = tmp_path / "m.safetensors"
    save_model(model, path)
    with pytest.raises(UserError, match=r"m.safetensors' is a classifier, not a snooping detector"):
        load_detector(path)
    save_file(dict(model.state_dict()), path)
    with pytest.raises(UserError, match="is a file of weights, not a snooping detector"):
        load_detector(path)
    save_model(Ensemble([model], (1.0,)), path, detector={"threshold": 0.5, "facts": {}})
    with pytest.raises(UserError, match="is an ensemble, not a snooping detector"):
        load_detector(path)


@pytest.mark.parametrize(
    "header",
    [{}, {"threshold": 0.5}, {"threshold": 2.0, "facts": {}}, {"threshold": "x", "facts": {}}]
    + [{"threshold": 0.5, "facts": facts} for facts in ([], None, {"recall": "high"}, {"recall": None})],
)
def test_a_detector_with_a_broken_header_is_one_line(detector, header):
    from mri_robust.defences.snooping import Snooper

    save_model(Snooper.load(detector).model, detector, detector=header)
    with pytest.raises(UserError, match="describes no snooping detector"):
        Snooper.load(detector)


def test_a_detector_of_other_classes_is_refused(model, detector):
    from mri_robust.defences.snooping import Snooper

    save_model(model, detector, detector={"threshold": 0.5, "facts": {}})
    with pytest.raises(UserError, match=r"describes no snooping detector.*glioma"):
        Snooper.load(detector)


@pytest.mark.parametrize("write", [write_truncated, write_html, write_empty])
def test_a_bad_file_is_no_detector_either(write, model, tmp_path):
    write(tmp_path / "bad.safetensors", model)
    with pytest.raises(UserError, match=r"bad\.safetensors' is"):
        load_detector(tmp_path / "bad.safetensors")
