"""APGD against torchattacks' own code from the same random numbers, and where that code is another attack."""

from typing import Any

import pytest
import torch
from toy_models import dyadic_images, own_labels, small_net

from mri_robust.adapters import adv_lib, art, torchattacks
from mri_robust.attacks.evasion.apgd import APGD
from mri_robust.evaluation.broken_attacks import WavyModel

TARGETED = {"loss": "dlr", "targets": 3}
KINDS: dict[str, dict[str, Any]] = {
    "ce": {},
    "dlr": {"loss": "dlr"},
    "targeted": TARGETED,
    "L2": {"norm": "l2"},
    "L2 dlr": {"norm": "l2", "loss": "dlr"},
    "restarts": {"restarts": 2},
    "targeted restarts": {**TARGETED, "restarts": 2},
    "another rho": {"rho": 0.5},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", [1, 5, 40])
def test_it_gives_the_bits_of_torchattacks(kind: str, steps: int) -> None:
    """On a model that every step tells on, and on a network; at sizes that fool none, some and all."""
    shares = set()
    for model, images in ((WavyModel().eval(), WavyModel().images(16)[0]), (small_net(), dyadic_images(16))):
        labels = own_labels(model, images)
        labels[0] = (labels[0] + 1) % 4  # misclassified clean
        for eps in (0.001, 0.004, 0.02):
            attack = APGD(eps * (8 if "L2" in kind else 1), steps=steps, **KINDS[kind])
            start = attack.draw_start(images, torch.Generator().manual_seed(3))
            ours = attack(model, images, labels, start=start)
            assert torch.equal(ours, torchattacks.craft(attack, model, images, labels, start))
            assert torch.equal(ours[0], images[0])
            shares.add(int((own_labels(model, ours) != labels).sum()))
    assert len(shares) > 2


def begun(attack: APGD, count: int) -> tuple[torch.nn.Module, torch.Tensor, torch.Tensor, torch.Tensor]:
    """A model, images, their labels and a start."""
    model, images = WavyModel().eval(), WavyModel().images(count)[0]
    return model, images, own_labels(model, images), attack.draw_start(images, torch.Generator().manual_seed(3))


def test_torchattacks_targeted_l2_attack_is_the_papers_on_one_image_alone() -> None:
    """In a batch every image takes the first one's step."""
    attack = APGD(0.02, steps=12, norm="l2", **TARGETED)
    model, images, labels, start = begun(attack, 8)
    alone, batch = (
        torch.cat(
            [
                torchattacks.craft(attack, model, *parts)
                for parts in zip(images.split(size), labels.split(size), start.split(size, dim=1), strict=True)
            ]
        )
        for size in (1, 8)
    )
    ours = attack(model, images, labels, start=start)
    torch.testing.assert_close(alone, ours, rtol=0, atol=2e-5)
    assert not torch.allclose(batch, ours, rtol=0, atol=1e-3)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_arts_first_step_is_the_papers_and_its_last_iterate_alone_counts(norm: Any) -> None:
    """ART returns where its last iterate fools, and else its start, where ours has the best it saw."""
    attack = APGD(0.0006 if norm == "linf" else 0.006, steps=1, norm=norm)
    model, images, labels, start = begun(attack, 16)
    theirs, ours = art.craft(attack, model, images, labels, start), attack(model, images, labels, start=start)
    fooled = own_labels(model, theirs) != labels
    assert 0 < fooled.sum() < 16
    torch.testing.assert_close(theirs[fooled], ours[fooled], rtol=0, atol=1e-6)
    begin = attack.begun(images, start[0])
    torch.testing.assert_close(theirs[~fooled], begin[~fooled], rtol=0, atol=1e-6)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.skipif(not adv_lib.installed(), reason="adv-lib is not installed")
def test_adv_lib_takes_our_steps_and_halves_them_when_it_should_not(norm: Any) -> None:
    """With a step halved at every look both agree; else its second look halves a step that still pays."""
    for rho, agree in ((1.0, True), (0.75, False)):
        attack = APGD(0.004 if norm == "linf" else 0.5, steps=10, norm=norm, rho=rho)
        model, images, labels, start = begun(attack, 16)
        theirs, ours = adv_lib.craft(attack, model, images, labels, start), attack(model, images, labels, start=start)
        assert torch.allclose(theirs, ours, rtol=0, atol=1e-3) == agree


@pytest.mark.parametrize(
    ("options", "classes"), [({"loss": "dlr"}, 2), (TARGETED, 3), ({"loss": "margin", "targets": 2}, 2)]
)
def test_a_loss_without_enough_classes_is_refused(options: dict[str, Any], classes: int) -> None:
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, classes))
    with pytest.raises(ValueError, match=rf"\b{classes}\b"):
        APGD(0.1, steps=2, **options)(model, dyadic_images(2), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match="loss"):
        APGD(0.1, loss="ce", targets=1)
