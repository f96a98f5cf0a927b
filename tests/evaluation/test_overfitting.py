"""The watch for catastrophic overfitting, on models built to be or not to be overfitted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from toy_models import Linear

from mri_robust.evaluation.overfitting import watch_overfitting


class Valley(nn.Module):
    """margin of class 1 = |s + 1/2| - .35, s the mean pixel's way from 1/2 in epsilons: wrong in a valley about -1/2.

    A single step from s = 0 goes down the slope to s = -1, past the valley, and the model is right there. Steps of
    1/4 end within 1/4 of the valley's floor, and the model is wrong there.
    """

    def __init__(self, eps: float) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, images: Tensor) -> Tensor:
        shift = (images.flatten(1).mean(1) - 0.5) / self.eps
        margin = (shift + 0.5).abs() - 0.35
        return torch.stack([torch.zeros_like(margin), margin], 1)


FLAT = np.full((80, 1, 4, 4), 0.5, np.float32)
RIGHT = np.ones(80, np.int64)


def test_a_model_that_only_a_single_step_misses_is_reported() -> None:
    report = watch_overfitting(Valley(0.1), FLAT, RIGHT, 0.1)
    assert report == {"clean": 1.0, "fgsm": 1.0, "pgd": 0.0, "overfitted": True}


def test_a_linear_model_is_not_reported() -> None:
    """FGSM is the strongest attack there is: accuracy is the share of margins above eps * ||w||_1."""
    generator = np.random.default_rng(0)
    images = (0.3 + 0.4 * generator.random((200, 1, 4, 4))).astype(np.float32)
    weight = torch.randn(2, 16, generator=torch.Generator().manual_seed(1))
    model = Linear(weight, -weight.sum(1) / 2)
    gap = (weight[1] - weight[0]).double().numpy()
    margins = (images.reshape(200, -1).astype(float) - 0.5) @ gap
    labels = (margins > 0).astype(np.int64)
    labels[::5] = 1 - labels[::5]
    signed = np.where(labels == 1, margins, -margins)[np.linspace(0, 199, 64).astype(int)]
    eps = 0.02
    report = watch_overfitting(model, images, labels, eps)
    assert report["clean"] == pytest.approx((signed > 0).mean())
    assert report["fgsm"] == pytest.approx((signed > eps * np.abs(gap).sum()).mean())
    assert report["pgd"] == pytest.approx(report["fgsm"], abs=1e-6)
    assert 0 < report["fgsm"] < report["clean"] < 1
    assert report["overfitted"] is False
