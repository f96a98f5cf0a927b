"""The watch for catastrophic overfitting, on models built to be or not to be overfitted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toy_models import Linear
from torch import Tensor, nn

from mri_robust.evaluation.overfitting import watch_overfitting


class Shielded(nn.Module):
    """One logit difference in the mean pixel m, made to mislead a single step.

    It rises for 2/3 of the way to m = 1/2 + eps, then falls steeply: class 1 is right at m = 1/2. At the image the
    gradient says to go down, and down to 1/2 - eps the model stays right. Half a step up instead of down turns it.
    """

    def __init__(self, eps: float, masked: bool) -> None:
        super().__init__()
        self.eps, self.masked = eps, masked
        self.parameter = nn.Parameter(torch.zeros(1))

    def forward(self, images: Tensor) -> Tensor:
        shift = (images.flatten(1).mean(1) - 0.5) / self.eps  # in [-1, 1] in the ball
        margin = 0.5 + shift.clamp(max=0.02) if not self.masked else self._masked(shift)
        return torch.stack([torch.zeros_like(margin), margin], 1) + 0 * self.parameter

    @staticmethod
    def _masked(shift: Tensor) -> Tensor:
        """1 at shift 0 and rising with it; 3 at shift -1; -1 in a valley about -1/2, which single steps pass over."""
        valley = ((shift + 0.5).abs() / 0.3).clamp(max=1)
        return torch.where(shift < -0.2, -1 + 2 * valley + 4 * (-shift - 0.8).clamp(min=0) * 2, 1 + shift)


FLAT = np.full((80, 1, 4, 4), 0.5, np.float32)
RIGHT = np.ones(80, np.int64)


def test_a_model_that_only_a_single_step_misses_is_reported() -> None:
    report = watch_overfitting(Shielded(0.1, masked=True), FLAT, RIGHT, 0.1)
    assert report == {"clean": 1.0, "fgsm": 1.0, "pgd": pytest.approx(0, abs=0.3), "overfitted": True}


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
