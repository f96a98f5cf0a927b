"""The patch detector: its median against SciPy's, its field of view, its smooth maximum."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import median_filter

from mri_robust.core.errors import UserError
from mri_robust.models.architectures.patch_detector import FIELD, STRIDE, PatchDetector, median_of_nine
from mri_robust.models.classifier import build_model

SIDE = 64


def detector(classes: int = 2) -> PatchDetector:
    torch.manual_seed(0)
    return PatchDetector(classes).eval()


def test_the_median_is_scipys() -> None:
    images = torch.rand(4, 2, 9, 13, generator=torch.Generator().manual_seed(0))
    expected = median_filter(images.numpy(), size=(1, 1, 3, 3), mode="nearest")
    np.testing.assert_array_equal(median_of_nine(images).numpy(), expected)


def test_a_place_sees_its_field_and_no_more() -> None:
    """The gradient of one place's score is zero outside a square of FIELD pixels, and reaches its edges."""
    images = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1), requires_grad=True)
    row = SIDE // STRIDE // 2
    reach = torch.zeros(SIDE, SIDE)
    for seed in range(20):  # of a median, one neighbour alone has a gradient
        torch.manual_seed(seed)
        scores = PatchDetector(2).eval().places(images)
        [slope] = torch.autograd.grad(scores[0, 0, row, row], images)
        reach += slope[0].abs().sum(0)
    rows = torch.nonzero(reach.sum(1)).flatten()
    first = row * STRIDE + STRIDE // 2 - FIELD // 2
    assert first <= rows.min() <= first + 1
    assert first + FIELD - 2 <= rows.max() <= first + FIELD - 1


def test_the_logits_are_the_logarithm_of_the_mean_of_the_exponentials() -> None:
    network, images = detector(3), torch.rand(2, 3, SIDE, SIDE)
    with torch.no_grad():
        logits, scores = network(images), network.places(images).double()
    assert scores.shape == (2, 2, SIDE // STRIDE, SIDE // STRIDE)
    assert (logits[:, 0] == 0).all()
    torch.testing.assert_close(logits[:, 1:].double(), scores.exp().mean((2, 3)).log(), rtol=1e-5, atol=1e-5)
    with torch.no_grad():
        network.head.weight[1:].zero_()
        network.head.bias[1:] = math.pi
        assert network(images)[:, 2].tolist() == pytest.approx([math.pi] * 2)


def test_it_is_found_by_its_name_and_refuses_what_it_cannot_take() -> None:
    for name in ("patch_detector", "patch-detector"):
        model = build_model(name, classes=("no_pattern", "pattern"), image_size=40)
        assert model(torch.rand(2, 1, 40, 40)).shape == (2, 2)
    with pytest.raises(UserError, match="multiple of 4"):
        build_model("patch_detector", classes=("a", "b"), image_size=42)
    with pytest.raises(UserError, match="no weights file"):
        build_model("patch_detector", classes=("a", "b"), image_size=40, weights="w.pth")
