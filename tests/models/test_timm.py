"""timm's networks by name: normalised as timm says, for the data's classes and size, with or without weights."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import timm
import torch
from click.testing import CliRunner

from mri_robust.cli import main
from mri_robust.core.errors import UserError
from mri_robust.models.timm_models import open_timm, timm_size

CLASSES = ("a", "b", "c")
IMAGES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
NETWORK = "timm:resnet10t"


def opened(source: str = NETWORK, size: int = 32, **options: object) -> torch.nn.Module:
    how = {"classes": CLASSES, "image_size": size, "channels": "rgb", **options}
    return open_timm(source, **how)  # type: ignore[arg-type]


@pytest.fixture
def weights(tmp_path: Path) -> tuple[torch.nn.Module, Path]:
    """A network made by timm itself, and its state dict in a file."""
    torch.manual_seed(7)
    network = timm.create_model("resnet10t", num_classes=3).eval()
    torch.save(network.state_dict(), tmp_path / "w.pth")
    return network, tmp_path / "w.pth"


def test_logits_are_those_of_timm_on_images_normalised_as_timm_says(weights: tuple[torch.nn.Module, Path]) -> None:
    network, path = weights
    config = timm.data.resolve_data_config({}, model=network)
    mean, std = (torch.tensor(config[name]).view(3, 1, 1) for name in ("mean", "std"))
    with torch.no_grad():
        torch.testing.assert_close(opened(weights=path)(IMAGES), network((IMAGES - mean) / std))
        ours = opened(weights=path, mean=(0.25,), std=(0.5,))(IMAGES)
        torch.testing.assert_close(ours, network((IMAGES - 0.25) / 0.5))


def test_a_grey_image_is_three_equal_channels() -> None:
    grey = opened(channels="grey")
    with torch.no_grad():
        torch.testing.assert_close(grey(IMAGES[:, :1]), grey(IMAGES[:, :1].expand(-1, 3, -1, -1)))


def test_random_weights_are_the_same_each_time_and_leave_the_global_generator_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first = opened()
    assert torch.equal(torch.rand(3), expected)
    with torch.no_grad():
        assert torch.equal(first(IMAGES), opened()(IMAGES))


def test_a_network_of_one_size_is_made_for_the_datas() -> None:
    assert timm_size("timm:vit_tiny_patch16_224") == 224
    images = torch.rand(1, 3, 48, 48)
    with torch.no_grad():
        assert opened("timm:vit_tiny_patch16_224", 48)(images).shape == (1, 3)
    with pytest.raises(UserError, match=r"takes no images of 56 pixels .*: its own images have --size 224"):
        opened("timm:levit_128s", 56)


@pytest.mark.parametrize(
    ("source", "options", "says"),
    [
        ("timm:resnt10t", {}, "did you mean resnet10t"),
        ("timm:hf-hub:somebody/model", {}, "timm has no model 'hf-hub:somebody/model'"),
        ("timm:", {}, "timm has no model ''"),
        (NETWORK, {"mean": (0.5,)}, "one or three numbers"),
        (NETWORK, {"weights": Path("absent.pth")}, "does not exist"),
        (NETWORK, {"classes": ("a", "b")}, "do not fit 'timm:resnet10t' with 2 classes and 32 pixels"),
    ],
)
def test_what_is_wrong_is_one_line(
    source: str, options: dict[str, object], says: str, weights: tuple[torch.nn.Module, Path]
) -> None:
    with pytest.raises(UserError, match=re.escape(says)):
        opened(source, **{"weights": weights[1], **options})


def test_without_timm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(UserError, match=re.escape("pip install 'mri-robust[timm]'")):
        opened()


def test_curve_takes_a_name_and_says_that_its_weights_are_random(tmp_path: Path) -> None:
    options = ["--data", "phantom:train=8,test=8", "--steps", "2", "--eps", "2/255", "--out", str(tmp_path / "made")]
    result = CliRunner().invoke(main, ["curve", "--model", NETWORK, "--size", "32", "--images", "4", *options])
    assert result.exit_code == 0, result.output
    assert f"warning {NETWORK}: random weights" in result.output
    about = json.loads((tmp_path / "made/curve.json").read_text())
    assert about["random_weights"] == [NETWORK]
    assert len(about["classes"]) == 4
