"""ImageNet weights: found by name and content, downloaded only when asked; no test reaches the network."""

import hashlib
import io
import os
import socket
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

from mri_robust.core.errors import UserError
from mri_robust.models import pretrained
from mri_robust.models.architectures.resnet18 import resnet18
from mri_robust.models.pretrained import find_imagenet, imagenet_file_name, torchvision_resnet

CONTENT = b"any bytes: looking for a file does not load it"


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError(f"the network was asked for {args}")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """torch's hub cache, not yet made."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "weights"
    path.mkdir()
    return path


@pytest.fixture(scope="module")
def donor(tmp_path_factory):
    """A file as torchvision publishes them: a state dict of 1000 classes, no counters in BatchNorm."""
    state = torchvision.models.resnet18(num_classes=1000).state_dict()
    generator = torch.Generator().manual_seed(0)
    for value in state.values():
        if value.ndim == 1:  # BatchNorm starts at ones and zeros, which would look as if they had been loaded
            value.uniform_(generator=generator)
    file = tmp_path_factory.mktemp("donor") / "donor.pth"
    torch.save({key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}, file)
    return file


def publish(monkeypatch, content, root="https://download.pytorch.org/models"):
    """Let torchvision's enum name a file of `content`, bytes or a path; gives the file's name."""
    content = content.read_bytes() if isinstance(content, Path) else content
    name = f"resnet18-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    monkeypatch.setattr(pretrained, "_imagenet_url", lambda network: f"{root}/{name}")
    return name


def put(place, name, content):
    """Put `content`, bytes or a path, into folder `place` under `name`."""
    place.mkdir(parents=True, exist_ok=True)
    if isinstance(content, Path):
        (place / name).hardlink_to(content)
    else:
        (place / name).write_bytes(content)
    return place / name


def one_line(caught):
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_files_are_named_as_torchvision_publishes_them():
    assert imagenet_file_name("resnet18") == "resnet18-f37072fd.pth"
    assert imagenet_file_name("resnet50") == "resnet50-0676ba61.pth"


def test_a_file_in_the_named_folder_is_found(folder, monkeypatch):
    file = put(folder, publish(monkeypatch, CONTENT), CONTENT)
    assert find_imagenet("resnet18", folder) == file


@pytest.mark.parametrize("with_folder", [False, True])
def test_a_file_in_the_hub_cache_is_found(cache, folder, with_folder, monkeypatch):
    file = put(cache, publish(monkeypatch, CONTENT), CONTENT)
    assert find_imagenet("resnet18", folder if with_folder else None) == file


def test_the_folder_comes_before_the_cache(cache, folder, monkeypatch):
    name = publish(monkeypatch, CONTENT)
    put(cache, name, CONTENT)
    file = put(folder, name, CONTENT)
    assert find_imagenet("resnet18", folder) == file


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_a_file_that_is_nowhere_is_none(folder, cache, name):
    assert find_imagenet(name, None) is None
    put(folder, "other.pth", CONTENT)
    (folder / imagenet_file_name(name)).mkdir()
    assert find_imagenet(name, folder) is None
    assert not cache.exists()


@pytest.mark.parametrize("in_folder", [False, True])
def test_another_content_under_the_name_is_refused(cache, folder, in_folder, monkeypatch):
    name = publish(monkeypatch, CONTENT)
    file = put(folder if in_folder else cache, name, CONTENT + b"!")
    found = hashlib.sha256(CONTENT + b"!").hexdigest()[:8]
    with pytest.raises(UserError, match=rf"begins {found}, not {name[9:17]}; delete the file, or fetch") as caught:
        find_imagenet("resnet18", folder)
    assert str(file) in one_line(caught)
    with pytest.raises(UserError, match="SHA-256"):
        torchvision_resnet("resnet18", 4, "imagenet", folder)


def test_a_folder_that_does_not_exist_is_named(cache, folder, monkeypatch):
    name = publish(monkeypatch, CONTENT)
    put(cache, name, CONTENT)
    with pytest.raises(UserError, match=rf"nowhere' does not exist: make it and put {name} in it") as caught:
        find_imagenet("resnet18", folder / "nowhere")
    assert str(folder / "nowhere") in one_line(caught)
    with pytest.raises(UserError, match="does not exist"):
        find_imagenet("resnet18", cache / name)


def test_a_file_that_cannot_be_read_is_named(folder, monkeypatch):
    def deny(path):
        raise PermissionError(13, "Permission denied", str(path))

    file = put(folder, publish(monkeypatch, CONTENT), CONTENT)
    monkeypatch.setattr(pretrained, "checksum", deny)
    with pytest.raises(UserError, match="cannot be read: Permission denied; fetch https://") as caught:
        find_imagenet("resnet18", folder)
    assert str(file) in one_line(caught)


def test_a_cache_closed_to_this_user_holds_nothing(cache, monkeypatch):
    stat = os.stat

    def deny(path, *args, **kwargs):
        if str(path).startswith(str(cache)):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, *args, **kwargs)

    put(cache, publish(monkeypatch, CONTENT), CONTENT)
    monkeypatch.setattr(os, "stat", deny)
    assert find_imagenet("resnet18", None) is None


def test_found_weights_are_the_files_bit_for_bit_but_for_fc(folder, donor, monkeypatch):
    put(folder, publish(monkeypatch, donor), donor)
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *_: pytest.fail("downloaded what was there"))
    network = torchvision_resnet("resnet18", 4, "imagenet", folder)
    loaded, reference = network.state_dict(), torch.load(donor, weights_only=True)
    for key, value in reference.items():
        if not key.startswith("fc."):
            assert torch.equal(loaded[key], value), key
    assert {key for key in loaded if key not in reference} == {
        key for key in loaded if key.endswith("num_batches_tracked")
    }
    assert (network.fc.in_features, network.fc.out_features) == (512, 4)


def test_the_files_path_gives_the_network_that_imagenet_gives(cache, donor, monkeypatch):
    file = put(cache, publish(monkeypatch, donor), donor)
    networks = []
    for weights in ("imagenet", str(file)):
        torch.manual_seed(3)
        networks.append(resnet18(4, 32, weights).state_dict())
    assert all(torch.equal(networks[0][key], networks[1][key]) for key in networks[1])


def test_a_truncated_file_is_refused_whether_its_hash_is_checked_or_not(folder, donor, monkeypatch):
    part = donor.read_bytes()[: 2**20]
    file = put(folder, publish(monkeypatch, donor), part)
    with pytest.raises(UserError, match="cut short") as caught:
        torchvision_resnet("resnet18", 4, "imagenet", folder)
    assert str(file) in one_line(caught)
    put(folder, publish(monkeypatch, part), part)
    with pytest.raises(UserError, match="it is no weights file") as caught:
        torchvision_resnet("resnet18", 4, "imagenet", folder)
    one_line(caught)


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_code_in_a_file_does_not_run(folder, tmp_path, monkeypatch):
    file = io.BytesIO()
    torch.save({"fc.weight": Payload(str(tmp_path / "ran"))}, file)
    put(folder, publish(monkeypatch, file.getvalue()), file.getvalue())
    with pytest.raises(UserError, match="more than plain tensors"):
        torchvision_resnet("resnet18", 4, "imagenet", folder)
    assert not (tmp_path / "ran").exists()


def test_weights_that_are_nowhere_are_downloaded_into_the_hub_cache(cache, folder, donor, tmp_path, monkeypatch):
    name = publish(monkeypatch, donor, root=(tmp_path / "server").as_uri())
    put(tmp_path / "server", name, donor)
    network = torchvision_resnet("resnet18", 4, "imagenet", folder)
    assert [path.name for path in cache.iterdir()] == [name]
    assert find_imagenet("resnet18", None) == cache / name
    reference = torch.load(donor, weights_only=True)
    assert torch.equal(network.state_dict()["conv1.weight"], reference["conv1.weight"])


@pytest.mark.parametrize("served", [None, b"<html>sign in to the network</html>"])
def test_a_download_that_fails_says_where_the_file_may_be_put(cache, served, tmp_path, monkeypatch):
    name = publish(monkeypatch, CONTENT, root=(tmp_path / "server").as_uri())
    if served is not None:
        put(tmp_path / "server", name, served)
    with pytest.raises(UserError, match=r"of resnet18 cannot be downloaded \(.+\): .*--weights-dir") as caught:
        torchvision_resnet("resnet18", 4, "imagenet")
    assert f"put {name} from " in one_line(caught)
    assert f"into '{cache}'" in str(caught.value)
    assert str(caught.value).endswith("or use --weights none")
    assert not list(cache.iterdir())


def test_none_looks_nowhere(folder, monkeypatch):
    monkeypatch.setattr(pretrained, "find_imagenet", lambda *_: pytest.fail("looked for weights"))
    assert torchvision_resnet("resnet18", 4, "none", folder / "nowhere").fc.out_features == 4


def test_a_last_layer_of_another_make_is_dropped(tmp_path):
    donor = torchvision.models.resnet18()
    donor.fc = nn.Sequential(nn.Dropout(), nn.Linear(512, 7))
    torch.save(donor.state_dict(), tmp_path / "donor.pth")
    network = resnet18(4, 32, str(tmp_path / "donor.pth"))
    assert torch.equal(network.layer1[0].conv1.weight, donor.layer1[0].conv1.weight)
    assert network.fc.out_features == 4
