"""APGD against torchattacks' own code from the same random numbers, and where that code is another attack."""

from typing import Any

import pytest
import torch
from toy_models import dyadic_images, own_labels, small_net

from mri_robust.adapters import torchattacks
from mri_robust.attacks.evasion.apgd import APGD
from mri_robust.evaluation.crosscheck import WavyModel

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


def test_torchattacks_targeted_l2_attack_is_another_one() -> None:
    model, images = WavyModel().eval(), WavyModel().images(4)[0]
    attack = APGD(0.1, steps=5, norm="l2", **TARGETED)
    start = attack.draw_start(images, torch.Generator())
    with pytest.raises(ValueError, match="has no APGD"):
        torchattacks.craft(attack, model, images, own_labels(model, images), start)


@pytest.mark.parametrize(
    ("options", "classes"), [({"loss": "dlr"}, 2), (TARGETED, 3), ({"loss": "margin", "targets": 2}, 2)]
)
def test_a_loss_without_enough_classes_is_refused(options: dict[str, Any], classes: int) -> None:
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, classes))
    with pytest.raises(ValueError, match=rf"\b{classes}\b"):
        APGD(0.1, steps=2, **options)(model, dyadic_images(2), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match="loss"):
        APGD(0.1, loss="ce", targets=1)
