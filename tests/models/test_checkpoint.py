import json
import pickle

import pytest
import torch
from safetensors.torch import save_file

from mri_robust import load_model, save_model
from mri_robust.core.errors import UserError
from mri_robust.models.checkpoint import check_classes, read_notes
from mri_robust.models.classifier import build_model
from mri_robust.models.ensemble import Ensemble

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
    save_file(dict(model.state_dict()), path, metadata={"mri_robust": json.dumps(header)})


def write_nonsense_header(path, model):
    save_file(dict(model.state_dict()), path, metadata={"mri_robust": json.dumps({"model": {"architecture": "cnn"}})})


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


def test_saving_leaves_nothing_behind_when_the_disk_fails(model, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr("mri_robust.models.checkpoint.save_file", full)
    with pytest.raises(OSError, match="No space"):
        save_model(model, tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())
