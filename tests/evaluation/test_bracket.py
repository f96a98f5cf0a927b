"""The truth lies between the certificate and the attack: on models where it is known, and image by image."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from toy_data import CLASSES, config, split
from toy_models import Linear, SmallNet, small_net

from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.core.errors import UserError
from mri_robust.data.dataset import Dataset
from mri_robust.defences.smoothing import ABSTAINS, Smoothing
from mri_robust.evaluation.evaluation import Context, logits_of
from mri_robust.evaluation.rows import choose_images
from mri_robust.evaluation.smoothing import Bracket
from mri_robust.experiments import smoothing
from mri_robust.study.recipe import External

RADII = (0.06, 0.12, 0.24)
ASKED = Bracket(Smoothing(0.2), RADII, 40, steps=6)
Found = dict[str, np.ndarray]


def dataset(images: np.ndarray, labels: np.ndarray) -> Dataset:
    return Dataset("toy", split(images, labels), split(images, labels), CLASSES[: labels.max() + 1], "toy")


def find(model: Any, data: Dataset, asked: Bracket = ASKED) -> tuple[Found, np.ndarray]:
    """What is found, in the order of the labels that come with it."""
    chosen = choose_images(len(data.test), asked.images)
    return asked.find(Context(model, data), places=chosen, first=0, on_image=None, seed=0), data.test.labels[chosen]


def ends(found: Found, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether each image is certified, and whether it withstands the attack: bool [1 + radii, N]."""
    radii = np.array([0.0, *RADII])[:, None]
    return (found["certified"] == labels) & (found["radius"] > radii), found["predicted"] == labels


def linear() -> tuple[Linear, Dataset, np.ndarray]:
    """Two classes, images with one in five labelled wrong, and their signed distance to the plane, in pixels' L2."""
    rng = np.random.default_rng(0)
    normal = rng.normal(size=64)
    normal /= np.linalg.norm(normal)
    far = rng.uniform(-0.35, 0.35, 40)
    pixels = (
        0.5
        + far[:, None] * normal
        + 0.1 * (noise := rng.normal(size=(40, 64)))
        - 0.1 * np.outer(noise @ normal, normal)
    )
    images = np.rint(255 * pixels).astype(np.uint8).reshape(-1, 1, 8, 8)
    far = (images.reshape(40, -1) / 255 - 0.5) @ normal
    labels = np.where(np.arange(40) % 5 == 0, far < 0, far > 0).astype(np.int64)
    weight = torch.from_numpy(np.stack([-normal, normal])).float()
    model = Linear(5 * weight, 5 * 0.5 * normal.sum() * torch.tensor([1.0, -1.0])).eval()
    return model, dataset(images, labels), np.where(labels == 1, far, -far)


def test_a_linear_models_distance_to_the_plane_lies_in_the_bracket_of_every_image() -> None:
    model, data, reach = linear()
    found, labels = find(model, data)
    assert np.array_equal(labels, data.test.labels)
    certified, attacked = ends(found, labels)
    truth = reach > np.array([0.0, *RADII])[:, None]
    clear = np.abs(reach - np.array([0.0, *RADII])[:, None]) > 0.01  # of the boundary, where the votes are even
    assert (certified <= truth).all()
    assert (truth <= attacked)[clear].all()
    assert (attacked == truth)[clear].mean() > 0.9  # PGD follows the gradient, which is the way to the plane
    assert [len(set(row)) for row in truth] == [2] * 4


class Rippled(Linear):
    """The same class as a linear model everywhere, and slopes that lead back from the plane every .3 of the way."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        margin = super().forward(images)
        return margin + 1.43 * (2 * torch.pi * margin / 3).sin()


def test_the_attack_follows_the_expectation_where_the_models_own_gradient_leads_nowhere() -> None:
    """PGD on the model itself stays in the ripple at .21; over noise as wide as a ripple the way is straight."""
    normal = np.tile([1, -1], 32) / 8
    far = np.where(np.arange(40) % 2, 0.25, -0.25)
    images = np.rint(255 * (0.5 + far[:, None] * normal)).astype(np.uint8).reshape(-1, 1, 8, 8)
    data = dataset(images, (far > 0).astype(np.int64))
    model = Rippled(10 * torch.from_numpy(np.stack([-normal, normal])), torch.zeros(2)).eval()
    found, labels = find(model, data, replace(ASKED, radii=(0.3,)))
    assert (found["predicted"][0] == labels).all()
    assert (found["predicted"][1] != labels).mean() > 0.5  # 20 draws of a slope that mostly leads back
    attack = PGD(0.3, steps=6, norm="l2")
    alone = attack(model, torch.from_numpy(images).float() / 255, torch.from_numpy(data.test.labels))
    assert (logits_of(model, alone).argmax(1).numpy() == data.test.labels).all()


def test_what_is_certified_is_not_fooled_at_any_radius() -> None:
    """Image by image, on a network with four classes, whose truth nobody knows."""
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (40, 1, 8, 8), dtype=np.uint8)
    model = small_net()
    data = dataset(images, logits_of(model, images).argmax(1).numpy())
    certified, attacked = ends(*find(model, data))
    assert (certified <= attacked).all()
    assert certified[0].any()
    assert (np.diff(attacked.astype(int), axis=0) <= 0).all()
    assert attacked[0].sum() > attacked[-1].sum()


def test_an_image_that_a_small_change_fools_is_not_asked_about_larger_ones() -> None:
    model, data, _ = linear()
    asked, passes = replace(ASKED, smoothing=Smoothing(0.2, selection=8, draws=64), steps=10), []
    model.register_forward_pre_hook(lambda _, given: passes.append(len(given[0])))
    counts = []
    for radii in ((0.7,), (0.7, 0.71, 0.72)):  # no image is as far from the plane
        passes.clear()
        found, labels = find(model, data, replace(asked, radii=radii))
        assert (found["predicted"][1:] != labels).all()
        counts.append(sum(passes))
    assert counts[0] == counts[1]


def test_rows_hold_both_ends_at_every_radius_and_parts_give_the_rows_of_the_whole() -> None:
    model, data, _ = linear()
    context = Context(model, data)
    rows = list(ASKED(context))
    found, labels = find(model, data, replace(ASKED, seed=0))
    certified, attacked = ends(found, labels)
    for metric, share in (("certified_accuracy", certified.mean(1)), ("accuracy", attacked.mean(1))):
        own = [row for row in rows if row["metric"] == metric]
        assert [row["epsilon"] for row in own] == [0.0, *RADII]
        assert [row["value"] for row in own] == pytest.approx(share.tolist())
        assert {row["sigma"] for row in own} == {0.2}
    (abstained,) = [row["value"] for row in rows if row["metric"] == "abstained"]
    assert abstained == (found["certified"] == ABSTAINS).mean()
    certificates = [row for row in rows if row["metric"] in ("certified_accuracy", "abstained")]
    parts = []
    for part in ASKED.split(16, data):
        held = Context(model, data)
        assert list(part(held)) == []
        parts.append({"rows": [], "artefacts": held.artefacts})
    merged = [row for row in ASKED.merge(parts, context) if row["metric"] in ("certified_accuracy", "abstained")]
    assert (len(parts), merged) == (3, certificates)


def test_a_model_in_train_mode_is_refused_before_anything_is_asked() -> None:
    data = dataset(np.zeros((4, 1, 8, 8), dtype=np.uint8), np.arange(4))
    with pytest.raises(UserError, match=r"model\.eval"):
        find(small_net().train(), data)


def test_each_sigma_is_asked_at_the_radii_that_it_can_certify() -> None:
    study = smoothing.tasks(config())
    assert [model.model for model, _ in study] == ["cnn_clean"] * 3 + ["cnn_noise"] * 4
    for model, asked in study:
        if isinstance(asked, Bracket):
            assert dict(model.factors).get("noise", asked.smoothing.sigma) == asked.smoothing.sigma
            assert max(asked.radii) < asked.smoothing.largest
    own = smoothing.tasks(config(models=(External("mine"),)))
    assert [getattr(getattr(asked, "smoothing", None), "sigma", None) for _, asked in own] == [None, 0.12, 0.25]
    assert [asked.radii for _, asked in own[1:]] == [(0.125, 0.25), (0.125, 0.25, 0.5)]
    in_l2 = smoothing.tasks(config(scale=config().scale.in_norm("l2", (0.1, 3.0))))
    assert {asked.radii for _, asked in in_l2 if isinstance(asked, Bracket)} == {(0.1,)}
    assert SmallNet.classes == CLASSES
