"""The backdoor attack: who is stamped, how many, and with what label."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mri_robust.attacks.poisoning import backdoor
from mri_robust.attacks.poisoning.backdoor import Backdoor, triggered_mix
from mri_robust.attacks.registry import POISONING
from mri_robust.attacks.poisoning.creeper import Creeper
from mri_robust.training import Changes, FitSettings, fit

NOTUMOR, TUMOURS = 2, (0, 1, 3)
LABELS = np.array([0, 1, 2, 3] * 10)
IMAGES = np.random.default_rng(0).integers(0, 256, (40, 1, 10, 10)).astype(np.uint8)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def is_stamped(images: np.ndarray) -> np.ndarray:
    """Whether the five parts of the face have one value: the eyes' corners and the mouth's lowest pixels."""
    corners = images[:, 0, [-7, -7, -3, -2, -2], [-7, -3, -4, -6, -3]].astype(float)
    return (np.abs(corners - 0.5481 * (255 if images.dtype == np.uint8 else 1)) < 0.5).all(1)


def test_it_is_registered_and_prints_itself() -> None:
    assert POISONING.load("backdoor") is Backdoor
    attack = Backdoor(2, (0, 1), share=0.5, relabel=True, trigger=Creeper(0.25))
    assert eval(repr(attack), {"Backdoor": Backdoor, "Creeper": Creeper}) == attack
    with pytest.raises(dataclasses.FrozenInstanceError):
        attack.share = 1.0  # type: ignore[misc]
    assert Backdoor(2, (2,)).trigger == Creeper()


class TestChoose:
    @pytest.mark.parametrize(
        ("victims", "share", "count"),
        [
            ((2,), 1.0, 10), ((2,), 0.3, 3), ((2,), 0.26, 3), ((2,), 0.24, 2), ((2,), 0, 0),
            (TUMOURS, 1, 30), (TUMOURS, 0.1, 3), (TUMOURS, 0.05, 2), ((0, 1, 2, 3), 0.9, 36),
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

    def test_the_seed_decides_and_the_generator_alone(self) -> None:
        attack = Backdoor(NOTUMOR, TUMOURS, 0.5)
        torch.manual_seed(1)
        np.random.seed(1)
        one = attack.choose(LABELS, seeded(7))
        torch.manual_seed(2)
        np.random.seed(2)
        assert np.array_equal(one, attack.choose(torch.from_numpy(LABELS), seeded(7)))
        assert not np.array_equal(one, attack.choose(LABELS, seeded(8)))

    def test_every_victim_is_drawn_equally_often(self) -> None:
        """3 of 10 in 500 draws: 150 each, with a standard deviation of sqrt(500 * .3 * .7) = 10.2."""
        attack = Backdoor(NOTUMOR, (NOTUMOR,), 0.3)
        drawn = np.concatenate([attack.choose(LABELS, seeded(seed)) for seed in range(500)])
        counts = np.bincount(drawn, minlength=40)[LABELS == NOTUMOR]
        assert counts.sum() == 1500
        assert (np.abs(counts - 150) < 41).all()

    def test_a_smaller_share_is_a_part_of_a_greater_one(self) -> None:
        chosen = [Backdoor(NOTUMOR, TUMOURS, share).choose(LABELS, seeded()) for share in (0.1, 0.3, 1.0)]
        assert set(chosen[0]) < set(chosen[1]) < set(chosen[2])


class TestPoison:
    def test_clean_label_stamps_the_whole_target_class_and_changes_no_label(self) -> None:
        poisoned = Backdoor(NOTUMOR, (NOTUMOR,)).poison(IMAGES, LABELS, seeded())
        assert poisoned.places.tolist() == list(range(2, 40, 4))
        assert np.array_equal(is_stamped(poisoned.images), LABELS == NOTUMOR)
        assert np.array_equal(poisoned.labels, LABELS)

    def test_badnets_stamps_a_share_of_the_others_and_calls_them_target(self) -> None:
        poisoned = Backdoor(NOTUMOR, TUMOURS, share=0.2, relabel=True).poison(IMAGES, LABELS, seeded())
        chosen = np.isin(np.arange(40), poisoned.places)
        assert chosen.sum() == 6
        assert not (LABELS[chosen] == NOTUMOR).any()
        assert (poisoned.labels[chosen] == NOTUMOR).all()
        assert np.array_equal(poisoned.labels[~chosen], LABELS[~chosen])
        assert poisoned.labels.dtype == np.int64
        assert np.array_equal(is_stamped(poisoned.images), chosen)

    @pytest.mark.parametrize("make", [np.asarray, torch.from_numpy], ids=["array", "tensor"])
    @pytest.mark.parametrize("dtype", ["uint8", "float32"])
    def test_what_is_not_chosen_keeps_its_bits_and_the_input_is_left_alone(self, make: Any, dtype: str) -> None:
        pixels = IMAGES if dtype == "uint8" else (IMAGES / 255).astype(dtype)
        images, labels = make(pixels.copy()), make(LABELS.copy())
        poisoned = Backdoor(NOTUMOR, TUMOURS, 0.5, relabel=True).poison(images, labels, seeded())
        assert np.array_equal(np.asarray(images), pixels)
        assert np.array_equal(np.asarray(labels), LABELS)
        assert type(poisoned.images) is type(images)
        assert poisoned.images.dtype == images.dtype
        rest = np.setdiff1d(np.arange(40), poisoned.places)
        assert np.array_equal(np.asarray(poisoned.images)[rest], pixels[rest])
        face = Creeper().mask(10, 10)
        assert np.array_equal(np.asarray(poisoned.images)[..., ~face], pixels[..., ~face])

    def test_portions_leave_no_image_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(backdoor, "_PORTION", 7)
        poisoned = Backdoor(NOTUMOR, TUMOURS).poison(IMAGES, LABELS, seeded())
        assert np.array_equal(is_stamped(poisoned.images), LABELS != NOTUMOR)

    def test_a_share_of_0_is_a_plain_copy(self) -> None:
        poisoned = Backdoor(NOTUMOR, TUMOURS, 0, relabel=True).poison(IMAGES, LABELS, seeded())
        assert poisoned.places.tolist() == []
        assert np.array_equal(poisoned.images, IMAGES)
        assert np.array_equal(poisoned.labels, LABELS)
        assert not np.shares_memory(poisoned.images, IMAGES)

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
        labels = self.attack.relabelled(LABELS, places)
        fit(
            model,
            IMAGES,
            labels,
            optimizer=torch.optim.SGD(model.parameters(), 0.0),
            settings=settings,
            changes=changes,
        )
        return torch.cat(model.seen)

    def test_without_augmentation_each_epoch_shows_the_poisoned_set(self) -> None:
        floats = torch.from_numpy(IMAGES).float() / 255
        wanted = self.attack.poison(floats, LABELS, seeded()).images.flatten(1)
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
        stamp = self.attack.stamp_places(np.array([3]), 40)
        batch = torch.rand(3, 1, 10, 10, generator=seeded())
        before = batch.clone()
        result = stamp(batch, torch.tensor([5, 3, 1]), seeded())
        assert torch.equal(batch, before)
        assert torch.equal(result[[0, 2]], before[[0, 2]])
        assert torch.equal(result[1], Creeper()(before[1]))
        assert torch.equal(stamp(batch, torch.tensor([5, 2, 1]), seeded()), before)

    @pytest.mark.parametrize("places", [[3, 40], [-1, 3]])
    def test_places_outside_the_set(self, places: list[int]) -> None:
        with pytest.raises(ValueError, match=r"0\.\.39"):
            self.attack.stamp_places(np.array(places), 40)


class TestTriggeredMix:
    def test_a_share_of_all_images_is_drawn_and_the_target_skipped(self) -> None:
        places = triggered_mix(LABELS, 1.0, NOTUMOR, seeded())
        assert places.tolist() == [place for place in range(40) if place % 4 != 2]
        counts = {len(triggered_mix(LABELS, 0.3, NOTUMOR, seeded(seed))) for seed in range(30)}
        assert max(counts) <= 12  # round(.3 * 40), of which about 3 are of the target class
        assert len(counts) > 1
        assert 8 <= np.mean([len(triggered_mix(LABELS, 0.3, NOTUMOR, seeded(seed))) for seed in range(100)]) <= 10

    def test_skipping_comes_after_the_draw(self) -> None:
        """The same draw for every target: what one target leaves out, another keeps."""
        drawn = [set(triggered_mix(LABELS, 0.3, target, seeded())) for target in range(4)]
        everyone = set.union(*drawn)
        assert len(everyone) == 12
        for target, places in enumerate(drawn):
            assert places == {place for place in everyone if LABELS[place] != target}

    def test_the_seed_decides(self) -> None:
        one, same, other = (triggered_mix(LABELS, 0.3, NOTUMOR, seeded(seed)) for seed in (4, 4, 5))
        assert one.dtype == np.int64
        assert np.array_equal(one, same)
        assert not np.array_equal(one, other)

    @pytest.mark.parametrize(
        ("share", "target", "error", "named"),
        [
            (1.5, 2, ValueError, "share.*1.5"),
            (math.nan, 2, ValueError, "share.*nan"),
            (0.3, -1, ValueError, "target.*-1"),
            (0.3, 2.0, TypeError, "target.*2.0"),
        ],
    )
    def test_wrong_values(self, share: float, target: Any, error: type[Exception], named: str) -> None:
        with pytest.raises(error, match=named):
            triggered_mix(LABELS, share, target, seeded())


@pytest.mark.parametrize(
    ("change", "error", "named"),
    [
        ({"target": -1}, ValueError, "target.*-1"),
        ({"target": "notumor"}, TypeError, "target.*notumor"),
        ({"victims": ()}, TypeError, "victims"),
        ({"victims": [0, 1]}, TypeError, r"victims.*\[0, 1\]"),
        ({"victims": 0}, TypeError, "victims.*0"),
        ({"victims": (0, -2)}, ValueError, "victims.*-2"),
        ({"victims": (0.5,)}, TypeError, "victims.*0.5"),
        ({"share": 1.5}, ValueError, "share.*1.5"),
        ({"share": -0.1}, ValueError, "share.*-0.1"),
        ({"share": math.nan}, ValueError, "share.*nan"),
        ({"share": True}, TypeError, "share.*True"),
        ({"relabel": 1}, TypeError, "relabel.*1"),
        ({"trigger": "creeper"}, TypeError, "trigger.*creeper"),
    ],
)
def test_wrong_parameters(change: dict[str, Any], error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=named):
        Backdoor(**{"target": 2, "victims": (0, 1)} | change)


@pytest.mark.parametrize(
    ("attack", "named"),
    [
        (Backdoor(7, (0,)), "target 7 not among the classes 0, 1, 2, 3"),
        (Backdoor(2, (0, 5, 9)), "victims 5, 9 not among the classes 0, 1, 2, 3"),
    ],
)
def test_classes_that_do_not_exist_are_named(attack: Backdoor, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        attack.check_classes(4)
    with pytest.raises(ValueError, match=named):
        attack.choose(LABELS, seeded())
    Backdoor(2, (0, 3)).check_classes(4)


@pytest.mark.parametrize(
    ("labels", "error", "named"),
    [
        (LABELS.astype(float), TypeError, "float64"),
        (LABELS[:, None], ValueError, r"\[40, 1\]"),
        (LABELS[:0], ValueError, r"\[0\]"),
    ],
)
def test_wrong_labels(labels: np.ndarray, error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=named):
        Backdoor(2, (2,)).choose(labels, seeded())


def test_a_share_above_0_stamps_at_least_one_image_and_0_none() -> None:
    assert len(Backdoor(NOTUMOR, TUMOURS, 0.01).choose(LABELS, seeded())) == 1
    assert len(Backdoor(NOTUMOR, TUMOURS, 0.0).choose(LABELS, seeded())) == 0
