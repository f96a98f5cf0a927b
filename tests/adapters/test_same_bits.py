"""Native, ART and torchattacks give the same bits from the same start."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from toy_models import assert_unchanged, dyadic_images, dyadic_start, own_labels, seeded, small_net, state_of, unsettle

from mri_robust.adapters import art, torchattacks
from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.models.classifier import build_model

EPS, ALPHA = 1 / 64, 1 / 256
STUDY_BOUNDS = (0.1855, 0.3668)
IMAGES = dyadic_images(24)
LABELS = own_labels(small_net(), IMAGES)
STEPS = PGD(EPS, alpha=ALPHA, steps=10)
L2 = PGD(1.0, alpha=0.25, steps=10, norm="l2")
Craft = Callable[..., Tensor]
each_library = pytest.mark.parametrize("engine", [art.craft, torchattacks.craft], ids=["art", "torchattacks"])


def native(attack: FGSM | PGD, labels: Tensor = LABELS, start: Tensor | None = None) -> Tensor:
    return attack(small_net(), IMAGES, labels, start=start)


@each_library
@pytest.mark.parametrize("bounds", [(0.0, 1.0), STUDY_BOUNDS])
@pytest.mark.parametrize("targeted", [False, True])
def test_fgsm(engine: Craft, bounds: tuple[float, float], targeted: bool) -> None:
    attack = FGSM(EPS, targeted=targeted, bounds=bounds)
    labels = (LABELS + 1) % 4 if targeted else LABELS
    assert torch.equal(native(attack, labels), engine(attack, small_net(), IMAGES, labels, None))


@each_library
@pytest.mark.parametrize("start", [None, IMAGES, dyadic_start(IMAGES, EPS), dyadic_start(IMAGES, EPS)[None]])
@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("alpha", [ALPHA, None])
def test_linf_pgd_from_a_start(engine: Craft, start: Tensor | None, targeted: bool, alpha: float | None) -> None:
    attack = replace(STEPS, targeted=targeted, alpha=alpha, random_start=start is not None)
    labels = (LABELS + 1) % 4 if targeted else LABELS
    crafted = native(attack, labels, start)
    assert torch.equal(crafted, engine(attack, small_net(), IMAGES, labels, start))
    assert not torch.equal(crafted, native(attack, labels, dyadic_start(IMAGES, EPS, seed=9)))


def test_l2_projected_then_clipped_is_torchattacks_and_clipped_then_projected_is_near_art() -> None:
    start = L2.draw_start(IMAGES, seeded())
    assert torch.equal(native(L2, LABELS, start), torchattacks.craft(L2, small_net(), IMAGES, LABELS, start))
    one = replace(L2, steps=1, clip="before")
    difference = native(one, LABELS, IMAGES) - art.craft(one, small_net(), IMAGES, LABELS, IMAGES)
    assert difference.abs().max() < 1e-6


def test_the_study_clip_at_the_end() -> None:
    attack = PGD(0.08, alpha=0.02, steps=10, clip="end", bounds=STUDY_BOUNDS)
    start = attack.draw_start(IMAGES, seeded())
    assert start.min() < 0
    crafted = native(attack, LABELS, start)
    assert torch.equal(crafted, art.craft(attack, small_net(), IMAGES, LABELS, start))
    # torchattacks works in stretched pixels, which rounds otherwise.
    stretched = torchattacks.craft(attack, small_net(), IMAGES, LABELS, start)
    assert ((crafted - stretched).abs() < 1e-5).float().mean() > 0.95


class Noise:
    norm = "linf"


@each_library
@pytest.mark.parametrize(
    ("attack", "word"),
    [(Noise(), "Noise"), (replace(STEPS, restarts=2), "start"), (replace(STEPS, bounds=STUDY_BOUNDS), "clip")],
)
def test_what_the_libraries_do_not_have_is_refused(engine: Craft, attack: object, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        engine(attack, small_net(), IMAGES, LABELS, IMAGES)
    with pytest.raises(ValueError, match="l2"):
        torchattacks.craft(FGSM(0.1, norm="l2"), small_net(), IMAGES, LABELS, None)


@each_library
def test_the_model_and_the_global_generators_are_left_as_they_were(engine: Craft) -> None:
    model = unsettle(small_net())
    before, torchs, numpys = state_of(model), torch.get_rng_state(), np.random.get_state()[1].copy()
    engine(STEPS, model, IMAGES, LABELS, IMAGES)
    engine(FGSM(EPS), model, IMAGES, LABELS, None)
    assert_unchanged(model, before)
    assert torch.equal(torch.get_rng_state(), torchs)
    np.testing.assert_array_equal(np.random.get_state()[1], numpys)


@each_library
@pytest.mark.parametrize("attack", [FGSM(EPS), replace(STEPS, steps=3), replace(L2, steps=3, clip="before")])
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_colour_images_and_a_model_in_channels_last(
    engine: Craft, attack: FGSM | PGD, order: torch.memory_format
) -> None:
    """Gradients come in another order of memory there, which the libraries do not expect."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_model("cnn", classes=("a", "b", "c", "d"), image_size=16, channels="rgb")
    model.to(memory_format=torch.channels_last).eval()
    images = torch.rand(6, 3, 16, 16, generator=seeded(1)).to(memory_format=order)
    labels, start = torch.tensor([0, 1, 2, 3, 0, 1]), None if isinstance(attack, FGSM) else images
    crafted = engine(attack, model, images, labels, start)
    moved = 0.05 if attack.norm == "l2" else 1e-6
    torch.testing.assert_close(crafted, attack(model, images, labels, start=start), rtol=0, atol=moved)
