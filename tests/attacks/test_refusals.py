"""Wrong parameters and wrong inputs are refused by name."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from toy_models import small_net

from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.pgd import PGD

NAN, INF = math.nan, math.inf
FINE = {"eps": 0.1, "alpha": 0.01, "steps": 2}


@pytest.mark.parametrize(
    ("change", "error", "named"),
    [
        ({"eps": -0.1}, ValueError, "eps.*-0.1"),
        ({"eps": NAN}, ValueError, "eps.*nan"),
        ({"eps": INF}, ValueError, "eps.*inf"),
        ({"eps": INF, "norm": "l2"}, ValueError, "eps.*inf"),
        ({"eps": 8.0}, ValueError, "eps.*8.0"),
        ({"eps": True}, TypeError, "eps.*True"),
        ({"eps": "8/255"}, TypeError, "eps.*8/255"),
        ({"eps": None}, TypeError, "eps.*None"),
        ({"norm": "l1"}, ValueError, "norm.*l1"),
        ({"norm": 2}, ValueError, "norm.*2"),
        ({"bounds": (1.0, 0.0)}, ValueError, r"bounds\[1\].*0.0"),
        ({"bounds": (0.5, 0.5)}, ValueError, r"bounds\[1\].*0.5"),
        ({"bounds": (NAN, 1.0)}, ValueError, r"bounds\[0\].*nan"),
        ({"bounds": (0.0, INF)}, ValueError, r"bounds\[1\].*inf"),
        ({"bounds": (0.0, "1")}, TypeError, r"bounds\[1\].*'1'"),
        ({"bounds": (0.0, 1.0, 2.0)}, TypeError, r"bounds.*2\.0"),
        ({"bounds": [0.0, 1.0]}, TypeError, r"bounds.*\[0\.0, 1\.0\]"),
    ],
)
@pytest.mark.parametrize("attack", [FGSM, PGD])
def test_ball_and_bounds(attack: type, change: dict[str, Any], error: type[Exception], named: str) -> None:
    fine = {"eps": 0.1} if attack is FGSM else FINE
    attack(**fine)
    with pytest.raises(error, match=named):
        attack(**fine | change)


@pytest.mark.parametrize(
    ("change", "error", "named"),
    [
        ({"alpha": 0}, ValueError, "alpha.*0"),
        ({"alpha": -0.5}, ValueError, "alpha.*-0.5"),
        ({"alpha": NAN}, ValueError, "alpha.*nan"),
        ({"alpha": True}, TypeError, "alpha.*True"),
        ({"steps": 0}, ValueError, "steps.*0"),
        ({"steps": 2.5}, TypeError, "steps.*2.5"),
        ({"steps": True}, TypeError, "steps.*True"),
        ({"restarts": 0}, ValueError, "restarts.*0"),
        ({"restarts": -3}, ValueError, "restarts.*-3"),
        ({"restarts": 3, "random_start": False}, ValueError, "restarts=3"),
        ({"keep": "worst"}, ValueError, "keep.*worst"),
        ({"clip": "never"}, ValueError, "clip.*never"),
    ],
)
def test_pgd_parameters(change: dict[str, Any], error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=named):
        PGD(**FINE | change)


def test_a_large_l2_ball_is_allowed() -> None:
    assert PGD(8.0, alpha=1.0, steps=1, norm="l2").eps == 8


GOOD = torch.full((3, 1, 8, 8), 0.5)
LABELS = torch.tensor([0, 1, 3])


def with_pixel(value: float) -> torch.Tensor:
    images = GOOD.clone()
    images[1, 0, 4, 4] = value
    return images


@pytest.mark.parametrize(
    ("images", "labels", "error", "named"),
    [
        (GOOD.double(), LABELS, TypeError, "float64"),
        ((GOOD * 255).byte(), LABELS, TypeError, "uint8"),
        (GOOD.half(), LABELS, TypeError, "float16"),
        (GOOD.numpy(), LABELS, TypeError, "ndarray"),
        (with_pixel(1.5), LABELS, ValueError, r"0\.5 to 1\.5"),
        (with_pixel(-0.25), LABELS, ValueError, r"-0\.25 to 0\.5"),
        (with_pixel(NAN), LABELS, ValueError, "nan"),
        (with_pixel(INF), LABELS, ValueError, "inf"),
        (GOOD[0], LABELS, ValueError, r"\[1, 8, 8\]"),
        (GOOD[None], LABELS, ValueError, r"\[1, 3, 1, 8, 8\]"),
        (GOOD[:0], LABELS[:0], ValueError, r"\[0, 1, 8, 8\]"),
        (GOOD, torch.tensor([0, 4, 1]), ValueError, r"0\.\.3, got 4"),
        (GOOD, torch.tensor([0, -1, 9]), ValueError, r"0\.\.3, got -1"),
        (GOOD, LABELS.int(), TypeError, "int32"),
        (GOOD, LABELS.float(), TypeError, "float32"),
        (GOOD, LABELS[:2], ValueError, r"\[3\].*\[2\]"),
        (GOOD, LABELS[:, None], ValueError, r"\[3, 1\]"),
        (GOOD, LABELS.tolist(), TypeError, "list"),
    ],
)
@pytest.mark.parametrize("attack", [FGSM(0.1), PGD(**FINE)])
def test_images_and_labels(attack: Any, images: Any, labels: Any, error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=named):
        attack(small_net(), images, labels)


@pytest.mark.parametrize("shape", [(3, 1, 8, 7), (2, 1, 8, 8), (3, 3, 8, 8), (2, 3, 1, 8, 8), (3, 8, 8)])
def test_a_start_of_another_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"start.*\[3, 1, 8, 8\]"):
        PGD(**FINE)(small_net(), GOOD, LABELS, start=torch.zeros(shape))


def test_several_restarts_want_several_starts() -> None:
    attack = PGD(**FINE, restarts=2)
    with pytest.raises(ValueError, match=r"\[2, 3, 1, 8, 8\]"):
        attack(small_net(), GOOD, LABELS, start=GOOD)
    assert attack(small_net(), GOOD, LABELS, start=torch.stack([GOOD, GOOD])).shape == GOOD.shape


def test_fgsm_takes_no_start() -> None:
    with pytest.raises(ValueError, match="PGD"):
        FGSM(0.1)(small_net(), GOOD, LABELS, start=GOOD)


def test_a_model_that_states_no_classes_is_asked() -> None:
    from toy_models import Nameless

    with pytest.raises(ValueError, match=r"0\.\.3, got 4"):
        FGSM(0.1)(Nameless(small_net()), GOOD, torch.tensor([0, 1, 4]))


@pytest.mark.parametrize("start", [torch.rand(2, 1, 4, 4, dtype=torch.float64), [0.5]])
def test_a_start_that_is_no_float32_tensor_is_refused(start):
    with pytest.raises(TypeError, match="start must be a float32"):
        PGD(0.1, alpha=0.1, steps=1)(torch.nn.Flatten(), torch.rand(2, 1, 4, 4), torch.tensor([0, 1]), start=start)
