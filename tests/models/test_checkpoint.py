"""Checkpoints rebuild what was saved, and anything else is refused in one line that names the file."""

import errno

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from mri_robust import Snooper, load_model, save_model
from mri_robust.core.errors import UserError
from mri_robust.models.checkpoint import check_classes, load_detector
from mri_robust.models.classifier import Ensemble, build_model
from mri_robust.models.weights import read_notes, write_tensors

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


@pytest.mark.parametrize("kind", ["one number", "three numbers", "ensemble"])
def test_a_checkpoint_alone_rebuilds_the_model_and_draws_nothing(kind, model, path):
    if kind != "one number":
        numbers = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
        other = build_model("resnet18", classes=CLASSES, image_size=16, channels="rgb", **numbers).eval()
        model = other if kind == "three numbers" else Ensemble([model, other], (0.75, 0.25)).eval()
    save_model(model, path, recipe={"epochs": 3}, data_digest="abc")
    before = torch.random.get_rng_state()
    again = load_model(path)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(logits(again), logits(model))
    assert again.description() == model.description()
    assert not again.training
    notes = read_notes(path)
    assert (notes["recipe"], notes["data_digest"]) == ({"epochs": 3}, "abc")


def header(path, model, **changes):
    write_tensors(path, model.state_dict(), {"model": {**model.description(), **changes}})


BAD = {
    "damaged": lambda path, model: (save_model(model, path), path.write_bytes(path.read_bytes()[:-1000])),
    "HTML": lambda path, model: path.write_text("<!DOCTYPE html><title>404</title>"),
    "not what they are": lambda path, model: save_file(model.network.state_dict(), path),
    "does not exist": lambda path, model: None,
    "do not fit": lambda path, model: header(path, model, image_size=24),
    "describes no model": lambda path, model: header(path, model, std=[1, 1]),
    "its mean": lambda path, model: header(path, model, mean="x"),
}


@pytest.mark.parametrize("word", BAD)
def test_a_bad_checkpoint_is_one_line_that_names_it(word, model, path):
    BAD[word](path, model)
    refused(load_model, path, word)
    refused(load_detector, path, "m.safetensors")


def test_a_header_that_asks_for_more_than_the_file_holds_builds_nothing(model, path, monkeypatch):
    header(path, model, image_size=1024)
    monkeypatch.setattr(torch.nn.Linear, "reset_parameters", lambda self: self.weight.is_meta or pytest.fail("built"))
    refused(load_model, path, "do not fit")


def test_classes_that_differ_from_the_datas_are_refused(model):
    check_classes(model, CLASSES, "m")
    check_classes(torch.nn.Flatten(), CLASSES, "a model that states none")
    for other in (("no", "yes"), CLASSES[::-1]):
        with pytest.raises(UserError, match="classes"):
            check_classes(model, other, "m")


def test_a_full_disk_is_the_systems_own_error_and_leaves_nothing(model, path, monkeypatch):
    def full(*args, **kwargs):
        raise SafetensorError("Error while serializing: No space left on device (os error 28)")

    monkeypatch.setattr("mri_robust.models.weights.save_file", full)
    with pytest.raises(OSError, match="No space") as caught:
        save_model(model, path)
    assert caught.value.errno == errno.ENOSPC
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
    save_model(model, path)
    refused(load_detector, path, "is a classifier")
    save_model(Ensemble([model], (1.0,)), path, detector={"threshold": 0.5, "facts": {}})
    refused(load_detector, path, "ensemble")
    save_model(model, path, detector={"threshold": 0.5, "facts": {}})
    refused(Snooper.load, path, "glioma")


def test_a_detector_with_a_broken_header_is_one_line(path):
    model = Snooper.create(image_size=16, architecture="cnn").model
    facts = [{"threshold": 0.5, "facts": facts} for facts in ([], None, {"recall": "high"}, {"recall": None})]
    for header in ({}, {"threshold": 0.5}, {"threshold": 2.0, "facts": {}}, {"threshold": "x", "facts": {}}, *facts):
        save_model(model, path, detector=header)
        refused(Snooper.load, path, "describes no snooping detector")
