"""What holds for every registered architecture."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mri_robust import load_model, save_model
from mri_robust.models.classifier import ARCHITECTURES, Classifier, build_model

CLASSES = ("left", "right")


def build(name: str) -> Classifier:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_model(name, classes=CLASSES, image_size=32).eval()


@pytest.mark.parametrize("name", ARCHITECTURES.names())
class TestEveryArchitecture:
    def test_gives_a_logit_a_class_for_grey_and_for_colour(self, name: str) -> None:
        model = build(name)
        for channels in (1, 3):
            logits = model(torch.rand(5, channels, 32, 32, generator=torch.Generator().manual_seed(1)))
            assert logits.shape == (5, 2)
            assert torch.isfinite(logits).all()

    def test_learns_with_all_its_parameters_and_can_be_attacked(self, name: str) -> None:
        model = build(name)
        images = torch.rand(4, 1, 32, 32, generator=torch.Generator().manual_seed(1)).requires_grad_(True)
        torch.nn.functional.cross_entropy(model(images), torch.tensor([0, 1, 0, 1])).backward()
        assert images.grad is not None
        assert images.grad.any()
        assert all(parameter.grad is not None for parameter in model.parameters())
        assert any(True for _ in model.parameters())

    def test_comes_back_from_its_checkpoint(self, name: str, tmp_path: Path) -> None:
        model, images = build(name), torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(1))
        save_model(model, tmp_path / "model.safetensors")
        again = load_model(tmp_path / "model.safetensors")
        assert again.description() == model.description()
        with torch.no_grad():
            assert torch.equal(again(images), model(images))
