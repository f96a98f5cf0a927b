"""Checkpoints rebuild what was saved, and anything else is refused in one line that names the file."""

import errno
import pickle

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from mri_robust import Snooper, load_model, save_model
from mri_robust.core.errors import UserError
from mri_robust.models.checkpoint import check_classes, load_detector, read_notes, write_tensors
from mri_robust.models.classifier import build_model
from mri_robust.models.ensemble import Ensemble

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")


@pytest.fixture
def model():
    return build_model("cnn", classes=CLASSES, image_size=16, channels="rgb", mean=0.25, std=0.5).eval()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "m.safetensors"


def logits(model):
    with torch.no_grad():
        return model(torch.linspace(0, 1, 2 * 3 * 16 * 16).reshape(2, 3, 16, 16))


def refused(action, path, word):
    with pytest.raises(UserError, match=word) as caught:
        action(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_alone_rebuilds_the_model_and_draws_nothing(model, path):
    save_model(model, path, recipe={"epochs": 3}, data_digest="abc")
    before = torch.random.get_rng_state()
    again = load_model(path)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(logits(again), logits(model))
    assert (again.classes, again.image_size, again.channels) == (CLASSES, 16, "rgb")
    assert again.description() == model.description()
    assert again.mean.shape == again.std.shape == ()
    assert not again.training
    notes = read_notes(path)
    assert (notes["recipe"], notes["data_digest"]) == ({"epochs": 3}, "abc")


def test_three_numbers_of_normalisation_come_back(path):
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    model = build_model("cnn", classes=CLASSES, image_size=16, channels="rgb", mean=mean, std=std).eval()
    assert model.description()["mean"] == pytest.approx(mean)
    save_model(model, path)
    again = load_model(path)
    assert again.mean.shape == again.std.shape == (3, 1, 1)
    assert torch.equal(logits(again), logits(model))


def test_an_ensemble_is_rebuilt_with_its_members_and_shares(model, path):
    other = build_model("resnet18", classes=CLASSES, image_size=16, channels="rgb").eval()
    ensemble = Ensemble([model, other], (0.75, 0.25)).eval()
    save_model(ensemble, path)
    assert torch.equal(logits(load_model(path)), logits(ensemble))


def test_a_bare_state_dict_loads_when_told_what_it_is(model, tmp_path):
    torch.save(model.network.state_dict(), tmp_path / "bare.pth")
    again = load_model(tmp_path / "bare.pth", architecture="cnn", classes=CLASSES, image_size=16)
    assert torch.equal(again.network[0].weight, model.network[0].weight)
    refused(load_model, tmp_path / "bare.pth", "architecture")


BAD = {
    "truncated": (
        lambda path, model: (save_model(model, path), path.write_bytes(path.read_bytes()[:-1000])),
        "damaged",
    ),
    "html": (lambda path, model: path.write_text("<!DOCTYPE html><title>404</title>"), "HTML"),
    "empty": (lambda path, model: path.write_bytes(b""), "damaged"),
    "absent": (lambda path, model: None, "does not exist"),
    "other shapes": (
        lambda path, model: write_tensors(
            path, model.state_dict(), {"model": {**model.description(), "image_size": 24}}
        ),
        "does not fit",
    ),
    "two deviations": (
        lambda path, model: write_tensors(path, model.state_dict(), {"model": {**model.description(), "std": [1, 1]}}),
        "describes no model",
    ),
    "half a header": (
        lambda path, model: write_tensors(path, model.state_dict(), {"model": {"architecture": "cnn"}}),
        "describes no model",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_checkpoint_is_one_line_that_names_it(name, model, path):
    write, word = BAD[name]
    write(path, model)
    refused(load_model, path, word)
    refused(load_detector, path, "m.safetensors")


class Exploit:
    def __reduce__(self):
        return (open, ("exploited", "w"))


@pytest.mark.parametrize("suffix", ["pth", "pt"])
def test_a_pickle_with_code_is_refused_and_not_run(suffix, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"model.{suffix}"
    torch.save({"weight": Exploit()}, path)
    refused(load_model, path, "more than plain tensors")
    path.write_bytes(pickle.dumps(Exploit()))
    refused(load_model, path, "cannot be loaded")
    assert not (tmp_path / "exploited").exists()


def test_classes_that_differ_from_the_datas_are_refused(model):
    check_classes(model, CLASSES, "m")
    check_classes(torch.nn.Flatten(), CLASSES, "a model that states none")
    for other in (("no", "yes"), CLASSES[::-1]):
        with pytest.raises(UserError, match="classes"):
            check_classes(model, other, "m")


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (SafetensorError("Error while serializing: No space left on device (os error 28)"), errno.ENOSPC),
        (OSError(errno.EIO, "Input/output error"), errno.EIO),
    ],
)
def test_a_disk_that_fails_is_the_systems_own_error_and_leaves_nothing(error, number, model, path, monkeypatch):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr("mri_robust.models.checkpoint.save_file", fail)
    with pytest.raises(OSError) as caught:  # noqa: PT011 - its number is what counts
        save_model(model, path)
    assert caught.value.errno == number
    assert not list(path.parent.iterdir())


def test_a_header_that_was_changed_is_noticed(model, path):
    save_model(model, path, accuracy=0.75)
    content = path.read_bytes()
    assert content.count(b"0.75") == 1
    path.write_bytes(content.replace(b"0.75", b"0.95"))
    refused(load_model, path, "damaged")


def test_detectors_and_classifiers_are_not_taken_for_each_other(model, path):
    Snooper.create(image_size=16, architecture="cnn").save(path)
    assert load_detector(path)[1] == {"threshold": 0.5, "facts": {}}
    refused(load_model, path, "snooping detector")
    refused(
        lambda given: load_model(given, architecture="cnn", classes=CLASSES, image_size=16), path, "snooping detector"
    )
    save_model(model, path)
    refused(load_detector, path, "is a classifier")
    save_file(dict(model.state_dict()), path)
    refused(load_detector, path, "weights")
    save_model(Ensemble([model], (1.0,)), path, detector={"threshold": 0.5, "facts": {}})
    refused(load_detector, path, "ensemble")
    save_model(model, path, detector={"threshold": 0.5, "facts": {}})
    refused(Snooper.load, path, "glioma")


@pytest.mark.parametrize(
    "header",
    [{}, {"threshold": 0.5}, {"threshold": 2.0, "facts": {}}, {"threshold": "x", "facts": {}}]
    + [{"threshold": 0.5, "facts": facts} for facts in ([], None, {"recall": "high"}, {"recall": None})],
)
def test_a_detector_with_a_broken_header_is_one_line(header, path):
    save_model(Snooper.create(image_size=16, architecture="cnn").model, path, detector=header)
    refused(Snooper.load, path, "describes no snooping detector")
