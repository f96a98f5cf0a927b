"""ImageNet weights: found by name and content, downloaded only when asked; no test reaches the network."""

import hashlib
import os
import socket
from pathlib import Path

import pytest
import torch
import torchvision
from click.testing import CliRunner
from torch import nn

from mri_robust import load_model
from mri_robust.cli import main
from mri_robust.core.errors import UserError
from mri_robust.models import weights
from mri_robust.models.architectures.resnet18 import ARCHITECTURE as resnet18
from mri_robust.models.weights import find_imagenet
from mri_robust.study.results_folder import ResultsFolder

CONTENT = b"any bytes: looking for a file does not load it"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """torch's hub cache, not yet made, and no network."""

    def refuse(*args, **kwargs):
        raise AssertionError(f"the network was asked for {args}")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def donor():
    """A file as torchvision publishes them: a state dict of 1000 classes, no counters in BatchNorm."""
    state = torchvision.models.resnet18(num_classes=1000).state_dict()
    generator = torch.Generator().manual_seed(0)
    for value in state.values():
        if value.ndim == 1:  # BatchNorm starts at ones and zeros, which would look as if they had been loaded
            value.uniform_(generator=generator)
    return {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}


def publish(monkeypatch, file, root="https://download.pytorch.org/models"):
    """Let torchvision name a file of this content, and give it that name where it lies; returns the new path."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    name = f"resnet18-{digest}.pth"
    monkeypatch.setattr(weights, "_imagenet", lambda network: (f"{root}/{name}", name, digest))
    return file.rename(file.with_name(name))


def written(place, content):
    """A file in a folder, of bytes or a state dict."""
    place.mkdir(parents=True, exist_ok=True)
    (place / "file").write_bytes(content) if isinstance(content, bytes) else torch.save(content, place / "file")
    return place / "file"


def refused(word, action, *arguments):
    with pytest.raises(UserError, match=word) as caught:
        action(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_files_are_named_as_torchvision_publishes_them_and_are_nowhere(folder, cache):
    for name, file in (("resnet18", "resnet18-f37072fd.pth"), ("resnet50", "resnet50-0676ba61.pth")):
        assert weights._imagenet(name)[1] == file
        assert find_imagenet(name, None) is None
        (folder / file).mkdir()
        assert find_imagenet(name, folder) is None
    assert not cache.exists()


def test_the_folder_comes_before_the_cache(cache, folder, monkeypatch):
    in_cache = publish(monkeypatch, written(cache, CONTENT))
    assert find_imagenet("resnet18", None) == find_imagenet("resnet18", folder) == in_cache
    in_folder = publish(monkeypatch, written(folder, CONTENT))
    assert find_imagenet("resnet18", folder) == in_folder


@pytest.mark.parametrize("in_folder", [False, True])
def test_another_content_under_the_name_is_refused(cache, folder, in_folder, monkeypatch):
    file = publish(monkeypatch, written(folder if in_folder else cache, CONTENT))
    file.write_bytes(CONTENT + b"!")
    said = refused("SHA-256", find_imagenet, "resnet18", folder)
    for fact in (str(file), hashlib.sha256(CONTENT + b"!").hexdigest()[:8], file.stem[9:], "https://"):
        assert fact in said
    if not in_folder:
        refused("SHA-256", resnet18, 4, 32, "imagenet")


def test_a_folder_that_does_not_exist_and_a_file_that_cannot_be_read_are_named(folder, monkeypatch):
    file = publish(monkeypatch, written(folder, CONTENT))
    assert file.name in refused("nowhere", find_imagenet, "resnet18", folder / "nowhere")
    refused("does not exist", find_imagenet, "resnet18", file)

    def deny(path, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as closed:
        closed.setattr(Path, "open", deny)
        assert str(file) in refused("Permission denied", find_imagenet, "resnet18", folder)
    monkeypatch.setattr(os, "stat", deny)  # a home folder that is closed to this user
    assert find_imagenet("resnet18", None) is None


def test_found_weights_are_the_files_bit_for_bit_but_for_fc(cache, donor, monkeypatch):
    file = publish(monkeypatch, written(cache, donor))
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *_: pytest.fail("downloaded what was there"))
    for given in ("imagenet", str(file)):
        network = resnet18(4, 32, given)
        loaded = network.state_dict()
        assert all(torch.equal(loaded[key], value) for key, value in donor.items() if not key.startswith("fc."))
        assert all(key.endswith("num_batches_tracked") for key in set(loaded) - set(donor))
        assert (network.fc.in_features, network.fc.out_features) == (512, 4)


def test_weights_that_are_nowhere_are_downloaded_into_the_hub_cache(cache, donor, tmp_path, monkeypatch):
    served = publish(monkeypatch, written(tmp_path / "server", donor), root=(tmp_path / "server").as_uri())
    network = resnet18(4, 32, "imagenet")
    assert [path.name for path in cache.iterdir()] == [served.name]
    assert find_imagenet("resnet18", None) == cache / served.name
    assert torch.equal(network.state_dict()["conv1.weight"], donor["conv1.weight"])


def test_a_download_that_fails_says_where_the_file_may_be_put(cache, tmp_path, monkeypatch):
    file = publish(monkeypatch, written(tmp_path / "server", CONTENT), root=(tmp_path / "server").as_uri())
    file.write_bytes(b"<html>sign in to the network</html>")
    said = refused("cannot be downloaded", resnet18, 4, 32, "imagenet")
    assert all(fact in said for fact in (file.name, str(cache), "--weights-dir", "--weights none"))
    assert not list(cache.iterdir())


def test_a_last_layer_of_another_shape_is_dropped_and_another_network_is_refused(tmp_path):
    other = torchvision.models.resnet18()
    other.fc = nn.Sequential(nn.Dropout(), nn.Linear(512, 7))
    network = resnet18(4, 32, str(written(tmp_path, other.state_dict())))
    assert torch.equal(network.layer1[0].conv1.weight, other.layer1[0].conv1.weight)
    assert network.fc.out_features == 4
    refused("do not fit", resnet18, 4, 32, str(written(tmp_path, nn.Linear(2, 2).state_dict())))


def test_a_bench_starts_from_the_files_of_its_weights_folder(folder, tmp_path, monkeypatch):
    """A ResNet-50 of which `layer4` and `fc` are trained: all else is the file's, and the rows say imagenet."""
    state = torchvision.models.resnet50(num_classes=1000).state_dict()
    file = publish(monkeypatch, written(folder, state))
    out, known = tmp_path / "out", ("--data", "phantom:train=8,test=8", "--protocol", "paper", "--checks", "none")
    result = CliRunner().invoke(
        main, ["bench", "backdoor-resnet50", *known, "--weights-dir", str(folder), "--out", str(out)]
    )
    assert result.exit_code == 0, result.output
    assert "ImageNet weights were not found" not in result.output
    table = ResultsFolder(out).table("backdoor-resnet50")
    assert set(table["weights"]) == {"imagenet"}
    assert table["paper"].notna().any()
    [checkpoint] = (out / "models").glob("resnet50_backdoor-*.safetensors")
    trained = load_model(checkpoint).network.state_dict()
    assert trained.keys() == state.keys()
    moved = {key for key, value in state.items() if value.is_floating_point() and "running" not in key}
    moved = {key for key in moved if not torch.equal(trained[key], state[key])}
    assert {key.split(".")[0] for key in moved} == {"layer4", "fc"}
    file.write_bytes(file.read_bytes()[:-1])
    refusal = CliRunner().invoke(main, ["bench", "backdoor-resnet50", *known, "--weights-dir", str(folder)])
    assert (refusal.exit_code, "SHA-256" in refusal.output) == (2, True)
