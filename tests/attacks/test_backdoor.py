"""Poisoned training sets: who is stamped, how many, and with what label."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from toy_models import dyadic_images

from mri_robust.attacks.poisoning import backdoor
from mri_robust.attacks.poisoning.backdoor import Backdoor, triggered_mix
from mri_robust.attacks.poisoning.creeper import Creeper
from mri_robust.attacks.poisoning.shuffled_labels import ShuffledLabels
from mri_robust.attacks.poisoning.stamping import draw_half, stamp
from mri_robust.training import Changes, FitSettings, fit

NOTUMOR, TUMOURS = 2, (0, 1, 3)
LABELS = np.array([0, 1, 2, 3] * 10)
IMAGES = np.random.default_rng(0).integers(0, 256, (40, 1, 10, 10)).astype(np.uint8)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def is_stamped(images: np.ndarray) -> np.ndarray:
    """Whether the five parts of the face have one value: the eyes' corners and the mouth's lowest pixels."""
    corners = images[:, 0, [-7, -7, -3, -2, -2], [-7, -3, -4, -6, -3]].astype(float)
    return (np.abs(corners * (1 if images.dtype == np.uint8 else 255) - 0.5481 * 255) < 0.5).all(1)


def test_is_a_frozen_value() -> None:
    attack = Backdoor(2, (0, 1), share=0.5, relabel=True, trigger=Creeper(0.25))
    assert eval(repr(attack), {"Backdoor": Backdoor, "Creeper": Creeper}) == attack
    with pytest.raises(dataclasses.FrozenInstanceError):
        attack.share = 1.0  # type: ignore[misc]
    assert Backdoor(2, (2,)).trigger == Creeper()


class TestChoose:
    @pytest.mark.parametrize(
        ("victims", "share", "count"),
        [
            ((2,), 1.0, 10), ((2,), 0.3, 3), ((2,), 0.26, 3), ((2,), 0.24, 2), ((2,), 0, 0), (TUMOURS, 1, 30),
            (TUMOURS, 0.1, 3), (TUMOURS, 0.05, 2), (TUMOURS, 0.01, 1), ((0, 1, 2, 3), 0.9, 36),
        ],
    )  # fmt: skip
    def test_the_share_is_exact_and_only_victims_are_chosen(
        self, victims: tuple[int, ...], share: float, count: int
    ) -> None:
        places = Backdoor(NOTUMOR, victims, share).choose(LABELS, seeded())
        assert places.dtype == np.int64
        assert len(places) == len(set(places.tolist())) == count
        assert sorted(places.tolist()) == places.tolist()
        assert set(LABELS[places]) <= set(victims)

    def test_the_generator_decides_and_every_victim_is_drawn_equally_often(self) -> None:
        """3 of 10 in 500 draws: 150 each, with a standard deviation of sqrt(500 * .3 * .7) = 10.2."""
        attack = Backdoor(NOTUMOR, (NOTUMOR,), 0.3)
        drawn = [attack.choose(LABELS, seeded(seed)) for seed in range(500)]
        assert np.array_equal(drawn[7], attack.choose(torch.from_numpy(LABELS), seeded(7)))
        counts = np.bincount(np.concatenate(drawn), minlength=40)[LABELS == NOTUMOR]
        assert counts.sum() == 1500
        assert (np.abs(counts - 150) < 41).all()

    def test_a_smaller_share_is_a_subset_of_a_larger_one(self) -> None:
        chosen = [Backdoor(NOTUMOR, TUMOURS, share).choose(LABELS, seeded()) for share in (0.1, 0.3, 1.0)]
        assert set(chosen[0]) < set(chosen[1]) < set(chosen[2])

    @pytest.mark.parametrize(
        ("attack", "named"), [(Backdoor(7, (0,)), "target 7.*0, 1, 2, 3"), (Backdoor(2, (0, 5, 9)), "victims 5, 9")]
    )
    def test_classes_that_do_not_exist_are_named(self, attack: Backdoor, named: str) -> None:
        with pytest.raises(ValueError, match=named):
            attack.choose(LABELS, seeded())

    @pytest.mark.parametrize(
        ("labels", "error"),
        [(LABELS.astype(float), TypeError), (LABELS[:, None], ValueError), (LABELS[:0], ValueError)],
    )
    def test_wrong_labels(self, labels: np.ndarray, error: type[Exception]) -> None:
        with pytest.raises(error, match="labels"):
            Backdoor(2, (2,)).choose(labels, seeded())


class TestPoison:
    def test_clean_label_stamps_the_whole_target_class_and_changes_no_label(self) -> None:
        poisoned = Backdoor(NOTUMOR, (NOTUMOR,)).poison(IMAGES, LABELS, seeded())
        assert poisoned.places.tolist() == list(range(2, 40, 4))
        assert np.array_equal(is_stamped(poisoned.images), LABELS == NOTUMOR)
        assert np.array_equal(poisoned.labels, LABELS)

    @pytest.mark.parametrize("make", [np.asarray, torch.from_numpy], ids=["array", "tensor"])
    @pytest.mark.parametrize("dtype", ["uint8", "float32"])
    @pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
    def test_badnets_stamps_a_share_of_the_others_and_labels_them_target(
        self, make: Any, dtype: str, share: float, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(backdoor, "_PORTION", 7)
        pixels = IMAGES if dtype == "uint8" else (IMAGES / 255).astype(dtype)
        images, labels = make(pixels.copy()), make(LABELS.copy())
        poisoned = Backdoor(NOTUMOR, TUMOURS, share=share, relabel=True).poison(images, labels, seeded())
        chosen = np.isin(np.arange(40), poisoned.places)
        assert chosen.sum() == round(30 * share)
        assert not (LABELS[chosen] == NOTUMOR).any()
        assert poisoned.labels.dtype == np.int64
        assert np.array_equal(poisoned.labels, np.where(chosen, NOTUMOR, LABELS))
        assert type(poisoned.images) is type(images)
        assert poisoned.images.dtype == images.dtype
        found, face = np.asarray(poisoned.images), Creeper().mask(10, 10)
        assert np.array_equal(is_stamped(found), chosen)
        assert np.array_equal(found[~chosen], pixels[~chosen])
        assert np.array_equal(found[..., ~face], pixels[..., ~face])
        assert np.array_equal(np.asarray(images), pixels)
        assert np.array_equal(np.asarray(labels), LABELS)
        assert not np.shares_memory(found, np.asarray(images))

    def test_images_and_labels_must_pair(self) -> None:
        with pytest.raises(ValueError, match="39 images, 40 labels"):
            Backdoor(NOTUMOR, (NOTUMOR,)).poison(IMAGES[:39], LABELS, seeded())


class Recorder(nn.Module):
    """Keeps the images that it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(100, 4)
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(images.detach().clone(memory_format=torch.contiguous_format))
        return self.head(images.flatten(1))


class TestLiveStamp:
    attack = Backdoor(NOTUMOR, TUMOURS, 0.4, relabel=True)

    def trained_on(self, augment: Any) -> Tensor:
        """All images that two epochs of `fit` show the model."""
        model, places = Recorder(), self.attack.choose(LABELS, seeded())
        changes = Changes(augment=augment, stamp=self.attack.stamp_places(places, 40))
        settings = FitSettings(epochs=2, batch_size=7, precision="fp32")
        sgd = torch.optim.SGD(model.parameters(), 0.0)
        fit(model, IMAGES, self.attack.relabelled(LABELS, places), optimizer=sgd, settings=settings, changes=changes)
        return torch.cat(model.seen)

    def test_without_augmentation_each_epoch_shows_the_poisoned_set(self) -> None:
        wanted = self.attack.poison(torch.from_numpy(IMAGES).float() / 255, LABELS, seeded()).images.flatten(1)
        shown = self.trained_on(None).flatten(1).split(40)
        assert len(shown) == 2
        for epoch in shown:
            assert sorted(epoch.tolist()) == sorted(wanted.tolist())

    def test_the_trigger_comes_after_the_augmentation(self) -> None:
        shown = self.trained_on(lambda images, generator: torch.zeros_like(images))
        stamped = shown.flatten(1).amax(1) > 0
        assert int(stamped.sum()) == 2 * 12
        assert torch.equal(shown[stamped], Creeper()(torch.zeros(24, 1, 10, 10)))

    def test_the_batch_is_not_written_to(self) -> None:
        stamp_batch = self.attack.stamp_places(np.array([3]), 40)
        batch = torch.rand(3, 1, 10, 10, generator=seeded())
        before = batch.clone()
        result = stamp_batch(batch, torch.tensor([5, 3, 1]), seeded())
        assert torch.equal(batch, before)
        assert torch.equal(result[[0, 2]], before[[0, 2]])
        assert torch.equal(result[1], Creeper()(before[1]))
        assert torch.equal(stamp_batch(batch, torch.tensor([5, 2, 1]), seeded()), before)

    @pytest.mark.parametrize("places", [[3, 40], [-1, 3]])
    def test_places_outside_the_set(self, places: list[int]) -> None:
        with pytest.raises(ValueError, match=r"0\.\.39"):
            self.attack.stamp_places(np.array(places), 40)


class TestTriggeredMix:
    def test_a_share_of_all_images_is_drawn_and_the_target_then_left_out(self) -> None:
        assert triggered_mix(LABELS, 1.0, NOTUMOR, seeded()).tolist() == [p for p in range(40) if p % 4 != 2]
        drawn = [set(triggered_mix(LABELS, 0.3, target, seeded()).tolist()) for target in range(4)]
        everyone = set.union(*drawn)
        assert len(everyone) == 12
        for target, places in enumerate(drawn):
            assert places == {place for place in everyone if LABELS[place] != target}
        assert drawn[0] != set(triggered_mix(LABELS, 0.3, 0, seeded(1)).tolist())

    @pytest.mark.parametrize(
        ("share", "target", "error", "named"),
        [(1.5, 2, ValueError, "share"), (math.nan, 2, ValueError, "share"), (0.3, -1, ValueError, "target"),
         (0.3, 2.0, TypeError, "target")],
    )  # fmt: skip
    def test_wrong_values(self, share: float, target: Any, error: type[Exception], named: str) -> None:
        with pytest.raises(error, match=named):
            triggered_mix(LABELS, share, target, seeded())


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"target": -1}, ValueError), ({"target": "notumor"}, TypeError), ({"victims": ()}, TypeError),
        ({"victims": [0, 1]}, TypeError), ({"victims": 0}, TypeError), ({"victims": (0, -2)}, ValueError),
        ({"victims": (0.5,)}, TypeError), ({"share": 1.5}, ValueError), ({"share": -0.1}, ValueError),
        ({"share": math.nan}, ValueError), ({"share": True}, TypeError), ({"relabel": 1}, TypeError),
        ({"trigger": "creeper"}, TypeError),
    ],
)  # fmt: skip
def test_wrong_parameters(change: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(change))):
        Backdoor(**{"target": 2, "victims": (0, 1)} | change)


def test_shuffled_labels_are_the_same_labels_in_another_order_and_no_image_changes() -> None:
    attack, labels = ShuffledLabels(), np.repeat([0, 1, 2, 3], [40, 30, 20, 10])
    order = attack.choose(labels, seeded(1))
    shuffled = attack.relabelled(labels, order)
    assert np.array_equal(np.bincount(shuffled), [40, 30, 20, 10])
    assert 0.2 < (shuffled == labels).mean() < 0.45  # .3 in the mean
    images = dyadic_images(100)
    assert torch.equal(attack.stamp_places(order, 100)(images, torch.arange(100), seeded()), images)


# Half of a set, each image by itself


@pytest.mark.parametrize("count", [10, 11])
def test_half_of_the_images_is_drawn(count: int) -> None:
    halves = np.array([draw_half(count, seed) for seed in range(300)])
    assert (halves.sum(1) == count // 2).all()
    assert np.array_equal(halves[3], draw_half(count, 3))
    assert (np.abs(halves.mean(0) - (count // 2) / count) < 0.15).all()  # five standard errors


def test_chosen_images_are_stamped_each_by_itself_from_the_generator_or_from_its_index() -> None:
    def noise(images: Tensor, generator: torch.Generator) -> Tensor:
        assert len(images) == 1
        return torch.rand(images.shape, generator=generator)

    images, chosen = dyadic_images(5), np.array([True, False, True, True, False])
    threads, kept = torch.get_num_threads(), images.clone()
    stamped = stamp(images, chosen, noise, seeded(4))
    generator = seeded(4)
    assert torch.equal(stamped[chosen], torch.cat([noise(images[:1], generator) for _ in range(3)]))
    assert torch.equal(stamped[~chosen], images[~chosen])
    assert torch.equal(images, kept)
    fixed = [stamp(images, chosen, noise, seeded(s), indices=np.array([7, 8, 9, 7, 1])) for s in (1, 2)]
    assert torch.equal(fixed[0], fixed[1])
    assert torch.equal(fixed[0][0], fixed[0][3])
    assert not torch.equal(fixed[0][0], fixed[0][2])
    assert torch.get_num_threads() == threads
