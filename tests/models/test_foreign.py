"""Strangers' models: by factory, with weights, normalised or not, and what is wrong with them said in one line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from mri_robust.core.errors import UserError
from mri_robust.models.foreign import check_logits, open_model

SOURCE = """
import torch
from torch import nn
def make():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 4))
def number():
    return 7
def fails():
    raise ValueError("no licence")
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "strangers_model.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    sys.modules.pop("strangers_model", None)
    return "strangers_model"


def test_a_factory_in_the_current_folder_gives_its_model_in_eval_mode() -> None:
    model = open_model("strangers_model:make")
    assert not model.training
    assert model(torch.rand(2, 3, 8, 8)).shape == (2, 4)


def test_weights_and_normalisation_come_on_top(tmp_path: Path) -> None:
    state = {"1.weight": torch.ones(4, 192), "1.bias": torch.arange(4.0)}
    torch.save(state, tmp_path / "w.pth")
    model = open_model("strangers_model:make", weights=tmp_path / "w.pth", mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 1.0))
    images = torch.rand(2, 3, 8, 8)
    scaled = (images - torch.tensor([0.5, 0.25, 0.0]).view(3, 1, 1)) / torch.tensor([0.5, 0.25, 1.0]).view(3, 1, 1)
    expected = scaled.flatten(1).sum(1, keepdim=True) + torch.arange(4.0)
    torch.testing.assert_close(model(images), expected)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere.module:make", "cannot be imported"),
        ("strangers_model:absent", "cannot be imported"),
        ("strangers_model:number", "is a int"),
        ("strangers_model:fails", "ValueError: no licence"),
        ("absent.safetensors", "does not exist"),
    ],
)
def test_what_is_wrong_is_one_line(source: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        open_model(source)
    assert "\n" not in str(error.value)


def test_weights_that_do_not_fit_and_numbers_that_are_no_normalisation(tmp_path: Path) -> None:
    torch.save({"1.weight": torch.ones(2, 2)}, tmp_path / "w.pth")
    with pytest.raises(UserError, match="do not fit"):
        open_model("strangers_model:make", weights=tmp_path / "w.pth")
    for mean, std in (((0.5,), ()), ((0.5, 0.5), (1.0, 1.0)), ((0.5,), (0.0,))):
        with pytest.raises(UserError, match="one or three numbers"):
            open_model("strangers_model:make", mean=mean, std=std)


def test_logits_must_fit_the_images_and_the_classes() -> None:
    model = open_model("strangers_model:make")
    check_logits(model, torch.rand(2, 3, 8, 8), ("a", "b", "c", "d"), "m")
    with pytest.raises(UserError, match=r"gives \[2, 4\] .* \[2, 2\], one for each of a, b"):
        check_logits(model, torch.rand(2, 3, 8, 8), ("a", "b"), "m")
    with pytest.raises(UserError, match="fails on images"):
        check_logits(model, torch.rand(2, 3, 9, 9), ("a", "b", "c", "d"), "m")
    broken = nn.Sequential(nn.Flatten(), nn.Linear(192, 4))
    nn.init.constant_(broken[1].weight, float("nan"))
    with pytest.raises(UserError, match="not finite"):
        check_logits(broken, torch.rand(2, 3, 8, 8), ("a", "b", "c", "d"), "m")
