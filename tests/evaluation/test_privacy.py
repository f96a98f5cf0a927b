"""Membership and extraction against answers that are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from toy_data import CLASSES, noise, split, values

from mri_robust.attacks.privacy.extraction import Extraction
from mri_robust.core.registry import Spec
from mri_robust.data.dataset import Dataset, load_dataset
from mri_robust.data.subset import training_places
from mri_robust.evaluation import membership
from mri_robust.evaluation.evaluation import Context
from mri_robust.evaluation.extraction import ExtractionTest, Theft
from mri_robust.evaluation.membership import ATTACKS, MembershipTest
from mri_robust.evaluation.poisoned_training import training_set
from mri_robust.models.classifier import build_model
from mri_robust.study.recipe import External, Recipe

SIDE = 8
SHAPE = {"most": 256, "side": SIDE}


def make_dataset(name: str, duplicates: int = 0) -> Dataset:
    """160 training images, some of the 80 left out copies of some that are seen; 100 test images, 10 of them leaked."""
    train, test = noise(1, 160, **SHAPE), noise(2, 100, **SHAPE)
    test[:10] = train[:10]
    seen = training_places(160, 80, 5)
    train[np.setdiff1d(np.arange(160), seen)[:duplicates]] = train[seen[:duplicates]]
    return Dataset(name, split(train), split(test), CLASSES, name)


DATA = make_dataset("noise")
HALF = Recipe("cnn", "cnn", SIDE, "grey", seed=5, train_images=80)


class Knowing(nn.Module):
    """Right and sure of some images, and of all others wrong and unsure."""

    classes, image_size, channels = CLASSES, SIDE, "grey"

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.known = {image.tobytes(): int(label) for image, label in zip(images, labels, strict=True)}

    def forward(self, images: Tensor) -> Tensor:
        logits = torch.zeros(len(images), 4)
        for row, key in enumerate(image.tobytes() for image in (images * 255).round().to(torch.uint8).numpy()):
            logits[row, self.known.get(key, 0)] = 5.0 if key in self.known else 0.5 + (key[0] % 7) / 100
        return logits * self.scale


def ask(*questions: tuple[str, str, str], recipe: Any = HALF, data: Dataset = DATA) -> list[dict[str, Any]]:
    """The rows of a model that knows what the recipe trains on."""
    trained = training_set(recipe, data)
    context = Context(Knowing(trained.images, trained.labels), data, asked=recipe)
    return list(MembershipTest(questions, seed=1)(context))


def test_a_model_that_knows_its_training_images_alone_gives_them_all_away() -> None:
    rows = ask(*((attack, "seen", kind) for attack in ATTACKS for kind in ("held out", "test")))
    counts = {"loss threshold": (80, 80, 90), "black box": (40, 40, 50), "right prediction": (80, 80, 90)}
    for attack, (members, held_out, test) in counts.items():  # 10 test images stand in training
        for kind, others in (("held out", held_out), ("test", test)):
            found = values(rows, attack=attack, others=kind)
            assert (found["member_images"], found["other_images"]) == (members, others)
            if attack != "right prediction":
                assert (found["auc"], found["tpr_at_1_fpr"]) == (1.0, 1.0)
            else:
                assert found["auc"] == pytest.approx((2 - found["accuracy"]) / 2)
                assert values(rows, subset="training", attack=attack, others=kind) == {"accuracy": 1.0}
            assert found.get("same_as_art", 1.0) == 1.0
            assert ("same_as_art" in found) == (attack != "black box")


def test_images_that_nobody_has_seen_are_not_told_apart() -> None:
    for row in ask(*((attack, "held out", "test") for attack in ATTACKS)):
        assert row["control"] == "control"
        if row["metric"] == "auc":
            assert row["ci_low"] < 0.5 < row["ci_high"] < row["ci_low"] + 0.4


def test_the_learned_attack_is_never_scored_on_what_it_was_fitted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[bytes]] = []

    def watched(model: Any, members: Any, others: Any, asked: Any, *, seed: int) -> np.ndarray:
        seen.extend({image.numpy().tobytes() for image in images} for images, _ in (members, others, asked))
        return np.linspace(0, 1, len(asked[1]))

    monkeypatch.setattr(membership, "learned_scores", watched)
    ask(("black box", "seen", "test"))
    members, others, asked = seen
    assert len(members) == len(others) == 40
    assert not asked & (members | others)


def test_copies_of_training_images_are_not_held_out_and_labels_are_those_of_the_training() -> None:
    question = ("loss threshold", "seen", "held out")
    assert values(ask(question, data=make_dataset("copies", 7)))["other_images"] == 73
    shuffled = Spec.of("mri_robust.attacks.poisoning.shuffled_labels:ShuffledLabels")
    recipe = Recipe("cnn", "cnn", SIDE, "grey", seed=5, train_images=80, poison=shuffled)
    assert not np.array_equal(training_set(recipe, DATA).labels, training_set(HALF, DATA).labels)
    assert values(ask(question, recipe=recipe))["auc"] == 1.0


def test_a_users_model_is_taken_to_have_seen_every_training_image() -> None:
    own = External("own")
    found = values(ask(("loss threshold", "seen", "test"), recipe=own))
    assert (found["member_images"], found["other_images"], found["auc"]) == (160, 90, 1.0)
    with pytest.raises(ValueError, match="held out"):
        ask(("loss threshold", "seen", "held out"), recipe=own)


SMALL = Extraction("training images", 64, updates=60, batch_size=16)
THEFTS = (Theft("the model itself"), Theft("ART", SMALL), Theft("own code", SMALL), Theft("untrained copy"))


def test_a_model_that_says_one_thing_is_stolen_whole_and_the_copy_is_as_wrong_as_it_is() -> None:
    data = load_dataset("phantom:train=64,test=40", size=16)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = build_model("cnn", classes=data.classes, image_size=16).eval()
    model.network[-1].bias.data[:] = torch.tensor([0.0, 3.0, 0.0, 0.0])  # type: ignore[index, union-attr]
    rows = list(ExtractionTest(THEFTS, seed=1)(Context(model, data)))
    share = float((data.test.labels == 1).mean())
    itself, art, own, nobody = (values(rows, thief=theft.thief) for theft in THEFTS)
    assert itself == {"accuracy": share}
    assert art == {"fidelity": 1.0, "accuracy": share, "right_answers": 1.0}
    assert own == {**art, "fidelity_gap": 0.0}
    assert set(nobody) == {"fidelity", "accuracy"}
    assert nobody["fidelity"] < 1.0
    told = {(row["attack"], row.get("queries"), row.get("budget")) for row in rows}
    assert told == {("none", None, None), ("Knockoff Nets", "training images", 64)}
