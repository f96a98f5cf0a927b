"""Poisoned training sets: who is stamped, how many, and with what label; the creeper against a drawn picture."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from toy_models import dyadic_images, seeded

from mri_robust.attacks.poisoning import backdoor
from mri_robust.attacks.poisoning.backdoor import Backdoor, draw_half, stamp, triggered_mix
from mri_robust.attacks.poisoning.creeper import Creeper
from mri_robust.attacks.poisoning.shuffled_labels import ShuffledLabels
from mri_robust.training import Changes, FitSettings, fit

NOTUMOR, TUMOURS = 2, (0, 1, 3)
LABELS = np.array([0, 1, 2, 3] * 10)
IMAGES = np.random.default_rng(0).integers(0, 256, (40, 1, 10, 10)).astype(np.uint8)
PICTURE = "........ .##..##. .##..##. ...##... ..####.. ..####.. ..#..#.. ........"
FACE = np.array([[cell == "#" for cell in row] for row in PICTURE.split()])


class TestChoose:
    @pytest.mark.parametrize(
        ("victims", "share", "count"),
        [((2,), 1.0, 10), ((2,), 0.26, 3), ((2,), 0.24, 2), ((2,), 0, 0), (TUMOURS, 1, 30), (TUMOURS, 0.05, 2),
         (TUMOURS, 0.01, 1), ((0, 1, 2, 3), 0.9, 36)],
    )  # fmt: skip
    def test_the_share_is_exact_and_only_victims_are_chosen(self, victims: tuple, share: float, count: int) -> None:
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
        ("attack", "labels", "error", "named"),
        [
            (Backdoor(7, (0,)), LABELS, ValueError, "target"), (Backdoor(2, (0, 5)), LABELS, ValueError, "victims.*5"),
            (Backdoor(2, (2,)), LABELS * 1.0, TypeError, "float64"), (Backdoor(2, (2,)), LABELS[:0], ValueError, "0"),
            (Backdoor(2, (2,)), LABELS[:, None], ValueError, r"\[40, 1\]"),
        ],
    )  # fmt: skip
    def test_unknown_classes_and_wrong_labels(self, attack: Backdoor, labels: Any, error: type, named: str) -> None:
        with pytest.raises(error, match=named):
            attack.choose(labels, seeded())


@pytest.mark.parametrize("make", [np.asarray, torch.from_numpy], ids=["array", "tensor"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize(("victims", "share"), [((NOTUMOR,), 1.0), (TUMOURS, 0.0), (TUMOURS, 0.2), (TUMOURS, 1.0)])
def test_poison_stamps_and_labels_the_chosen_images_and_no_other(
    make: Any, dtype: str, victims: tuple[int, ...], share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backdoor, "_PORTION", 7)
    pixels = IMAGES if dtype == "uint8" else (IMAGES / 255).astype(dtype)
    images, labels = make(pixels.copy()), make(LABELS.copy())
    attack = Backdoor(NOTUMOR, victims, share=share, relabel=True)
    poisoned = attack.poison(images, labels, seeded())
    chosen = np.isin(np.arange(40), attack.choose(LABELS, seeded()))
    assert chosen.sum() == round(np.isin(LABELS, victims).sum() * share)
    assert np.array_equal(np.flatnonzero(chosen), poisoned.places)
    assert poisoned.labels.dtype == np.int64
    assert np.array_equal(poisoned.labels, np.where(chosen, NOTUMOR, LABELS))
    assert type(poisoned.images) is type(images)
    found, expected = np.asarray(poisoned.images), pixels.copy()
    expected[chosen] = Creeper()(pixels[chosen])
    assert found.dtype == pixels.dtype
    assert np.array_equal(found, expected)
    assert np.array_equal(np.asarray(images), pixels)
    assert np.array_equal(np.asarray(labels), LABELS)
    assert not np.shares_memory(found, np.asarray(images))
    with pytest.raises(ValueError, match="39 images, 40 labels"):
        attack.poison(images[:39], labels, seeded())


class Recorder(nn.Module):
    """Keeps the images that it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(100, 4)
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(images.detach().flatten(1))
        return self.head(images.flatten(1))


class TestLiveStamp:
    attack = Backdoor(NOTUMOR, TUMOURS, 0.4, relabel=True)

    @pytest.mark.parametrize("augment", [None, lambda images, generator: torch.zeros_like(images)])
    def test_each_epoch_shows_the_poisoned_set_stamped_after_the_augmentation(self, augment: Any) -> None:
        model, places = Recorder(), self.attack.choose(LABELS, seeded())
        changes = Changes(augment=augment, stamp=self.attack.stamp_places(places, 40))
        settings = FitSettings(epochs=2, batch_size=7, precision="fp32")
        sgd = torch.optim.SGD(model.parameters(), 0.0)
        fit(model, IMAGES, self.attack.relabelled(LABELS, places), optimizer=sgd, settings=settings, changes=changes)
        floats = torch.from_numpy(IMAGES).float() / 255
        floats = augment(floats, None) if augment else floats
        wanted = self.attack.poison(floats, LABELS, seeded()).images.flatten(1)
        for epoch in torch.cat(model.seen).split(40):
            assert sorted(epoch.tolist()) == sorted(wanted.tolist())

    def test_the_batch_is_not_written_to_and_places_outside_the_set_are_refused(self) -> None:
        stamp_batch = self.attack.stamp_places(np.array([3]), 40)
        batch = torch.rand(3, 1, 10, 10, generator=seeded())
        before = batch.clone()
        result = stamp_batch(batch, torch.tensor([5, 3, 1]), seeded())
        assert torch.equal(batch, before)
        assert torch.equal(result[[0, 2]], before[[0, 2]])
        assert torch.equal(result[1], Creeper()(before[1]))
        assert torch.equal(stamp_batch(batch, torch.tensor([5, 2, 1]), seeded()), before)
        for places in ([3, 40], [-1, 3]):
            with pytest.raises(ValueError, match=r"0\.\.39"):
                self.attack.stamp_places(np.array(places), 40)


def test_of_the_mix_a_share_of_all_images_is_drawn_and_the_target_then_left_out() -> None:
    assert triggered_mix(LABELS, 1.0, NOTUMOR, seeded()).tolist() == [p for p in range(40) if p % 4 != 2]
    drawn = [set(triggered_mix(LABELS, 0.3, target, seeded()).tolist()) for target in range(4)]
    everyone = set.union(*drawn)
    assert len(everyone) == 12
    for target, places in enumerate(drawn):
        assert places == {place for place in everyone if LABELS[place] != target}
    assert drawn[0] != set(triggered_mix(LABELS, 0.3, 0, seeded(1)).tolist())


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"target": -1}, ValueError), ({"victims": ()}, TypeError), ({"victims": [0, 1]}, TypeError),
        ({"victims": (0, -2)}, ValueError), ({"share": 1.5}, ValueError), ({"share": math.nan}, ValueError),
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


def test_half_of_the_images_is_drawn() -> None:
    halves = np.array([draw_half(11, seed) for seed in range(300)])
    assert (halves.sum(1) == 5).all()
    assert np.array_equal(halves[3], draw_half(11, 3))
    assert (np.abs(halves.mean(0) - 5 / 11) < 0.15).all()  # five standard errors


def test_chosen_images_are_stamped_each_by_itself_from_the_generator_or_from_its_index() -> None:
    def noise(images: Tensor, generator: torch.Generator) -> Tensor:
        assert len(images) == torch.get_num_threads() == 1
        return torch.rand(images.shape, generator=generator)

    images, chosen, generator = dyadic_images(5), np.array([True, False, True, True, False]), seeded(4)
    kept = images.clone()
    stamped = stamp(images, chosen, noise, seeded(4))
    assert torch.equal(stamped[chosen], torch.cat([torch.rand(1, 1, 8, 8, generator=generator) for _ in range(3)]))
    assert torch.equal(stamped[~chosen], images[~chosen])
    assert torch.equal(images, kept)
    one, other = (stamp(images, chosen, noise, seeded(s), indices=np.array([7, 8, 9, 7, 1])) for s in (1, 2))
    assert torch.equal(one, other)
    assert torch.equal(one[0], one[3])
    assert not torch.equal(one[0], one[2])


# The creeper


@pytest.mark.parametrize("shape", [(8, 8), (3, 12, 9), (2, 3, 9, 20), (0, 1, 8, 8)])
@pytest.mark.parametrize(
    ("dtype", "given", "value"),
    [("uint8", {}, 140), ("float32", {}, 0.5481), ("float64", {}, 0.5481), ("uint8", {"value": 0.25}, 64),
     ("uint8", {"value": 1.0}, 255), ("uint8", {"value": 100 / 255}, 100), ("float64", {"value": 0.0}, 0.0)],
)  # fmt: skip
def test_only_the_face_changes(shape: tuple[int, ...], dtype: str, given: dict[str, float], value: float) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape)
    images = pixels.astype(dtype) if dtype == "uint8" else (pixels / 255).astype(dtype)
    before, wanted = images.copy(), images.copy()
    for row, column in np.argwhere(FACE):
        wanted[..., shape[-2] - 8 + row, shape[-1] - 8 + column] = value
    tensor = Creeper(**given)(torch.from_numpy(images))
    images.setflags(write=False)
    array = Creeper(**given)(images)
    assert (type(array), type(tensor)) == (np.ndarray, torch.Tensor)
    for found in (array, tensor.numpy(), Creeper(**given)(array)):
        assert found.dtype == images.dtype
        assert np.array_equal(found, wanted)
    assert np.array_equal(images, before)
    assert Creeper().mask(*shape[-2:]).sum() == FACE.sum() == 20


def test_nothing_is_drawn_the_memory_format_is_kept_and_a_rounding_beyond_white_is_allowed() -> None:
    """Resampling weights that sum to 1 + 1e-7 must not stop a training."""
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    stamped = Creeper()(torch.full((2, 3, 9, 9), 1 + 2e-7).to(memory_format=torch.channels_last), generator)
    assert torch.equal(generator.get_state(), before)
    assert stamped.is_contiguous(memory_format=torch.channels_last)
    assert stamped.max() > 1
    assert (Creeper().value - 0.1855) / 0.1813 == pytest.approx(2.0)  # the study's, in normalised units


@pytest.mark.parametrize(
    ("images", "error", "named"),
    [
        (np.zeros((2, 1, 7, 8), np.uint8), ValueError, "8x8, got 7x8"), (torch.zeros(64), ValueError, r"\[64\]"),
        (torch.zeros(8, 8, dtype=torch.bool), TypeError, "bool"), (np.zeros((8, 8), np.int8), TypeError, "int8"),
        (np.zeros((8, 8), np.uint16), TypeError, "uint16"), ([[0.0] * 8] * 8, TypeError, "list"),
        (torch.full((8, 8), 255.0), ValueError, "255"), (torch.full((8, 8), math.nan), ValueError, "nan"),
    ],
)  # fmt: skip
def test_wrong_images_for_the_creeper(images: Any, error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=named):
        Creeper()(images)
    for value in (-0.1, 140):
        with pytest.raises(ValueError, match="value"):
            Creeper(value)
