"""Model extraction, ours and ART's: what is asked, what is learned, and what the answers give away."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from art.defences.postprocessor import ClassLabels
from torch import Tensor, nn
from toy_models import Linear, assert_unchanged, dyadic_images, small_net, state_of, unsettle

from mri_robust.adapters.art_extraction import Shuffled, TopOne, steal
from mri_robust.attacks.privacy.extraction import Extraction

SIDE, CLASSES = 4, 4
POOL = np.random.default_rng(3).integers(0, 256, (400, 1, SIDE, SIDE), dtype=np.uint8)
TEST = torch.from_numpy(np.random.default_rng(4).random((300, 1, SIDE, SIDE), dtype=np.float32))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def linear(seed: int, scale: float = 3.0) -> Linear:
    """Four classes that are about as common on uniform pixels: each reads its own four pixels, whose mean is .5."""
    weight = torch.eye(CLASSES).repeat_interleave(SIDE * SIDE // CLASSES, 1)
    weight = scale * (weight + 0.3 * torch.randn(weight.shape, generator=seeded(seed)))
    return Linear(weight, -0.5 * weight.sum(1))


def blank() -> Linear:
    return Linear(torch.zeros(CLASSES, SIDE * SIDE), torch.zeros(CLASSES))


def fidelity(one: nn.Module, other: nn.Module) -> float:
    with torch.no_grad():
        return float((one(TEST).argmax(1) == other(TEST).argmax(1)).float().mean())


def probabilities(model: nn.Module):
    return lambda images: model(images).softmax(1)


def rob(by: str, attack: Extraction, victim: nn.Module, thief: nn.Module, defence: str = "") -> tuple[Tensor, Tensor]:
    queries = attack.draw(POOL, seeded())
    if by == "art":
        return steal(attack, victim, thief, queries, defence=defence, seed=7)
    return attack(probabilities(victim), thief, queries, generator=seeded(7))


class Counter(nn.Module):
    """The model, which counts the images that it has been asked about."""

    classes = tuple("abcd")

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.asked = inner, 0

    def forward(self, images: Tensor) -> Tensor:
        self.asked += len(images)
        return self.inner(images)


@pytest.mark.parametrize("by", ["art", "own code"])
class TestEitherCode:
    def test_the_copy_of_a_linear_model_agrees_with_it_everywhere(self, by: str) -> None:
        victim, thief = linear(1), blank()
        rob(by, Extraction("training images", 400, updates=400, batch_size=400, learning_rate=1.0), victim, thief)
        assert fidelity(victim, thief) == 1.0

    def test_the_answers_to_labels_only_are_the_victims_classes(self, by: str) -> None:
        victim = linear(2)
        asked, answers = rob(by, Extraction("training images", 90, labels_only=True, updates=1), victim, blank())
        with torch.no_grad():
            assert torch.equal(answers.argmax(1), victim(asked).argmax(1))
        assert sorted(answers.unique().tolist()) == [0.0, 1.0]
        assert (answers.sum(1) == 1).all()

    def test_otherwise_they_are_its_probabilities(self, by: str) -> None:
        victim = linear(2)
        asked, answers = rob(by, Extraction("noise", 90, updates=1), victim, blank())
        with torch.no_grad():
            torch.testing.assert_close(answers, victim(asked).softmax(1))

    @pytest.mark.parametrize("budget", [33, 100])
    def test_the_victim_answers_as_often_as_the_budget_allows(self, by: str, budget: int) -> None:
        victim = Counter(linear(1))
        asked, answers = rob(by, Extraction("training images", budget, updates=9), victim, blank())
        assert victim.asked == len(asked) == len(answers) == budget
        assert len({image.numpy().tobytes() for image in asked}) == budget

    def test_the_seed_decides_and_the_global_state_does_not_move(self, by: str) -> None:
        chance = torch.get_rng_state(), np.random.get_state()[1].copy()
        copies = [small_net(1), small_net(1)]
        attack, victim, queries = Extraction("noise", 40, updates=4), small_net(), dyadic_images(40)
        for copy in copies:
            torch.rand(3)  # what was drawn before plays no part
            kept = torch.get_rng_state()
            if by == "art":
                steal(attack, victim, copy, queries, seed=5)
            else:
                attack(probabilities(victim), copy, queries, generator=seeded())
            assert torch.equal(kept, torch.get_rng_state())
        torch.set_rng_state(chance[0])
        assert np.array_equal(chance[1], np.random.get_state()[1])
        for one, other in zip(*(copy.parameters() for copy in copies), strict=True):
            assert torch.equal(one, other)


def test_art_leaves_the_victim_as_it_was() -> None:
    victim = unsettle(small_net())
    before = state_of(victim)
    steal(Extraction("noise", 40, updates=4), victim, small_net(1), dyadic_images(40), seed=5)
    assert_unchanged(victim, before)


def test_ours_and_arts_copies_are_equal_where_the_order_of_the_queries_plays_no_part() -> None:
    """With all queries in one batch the two differ in the order of a sum alone."""
    attack = Extraction("training images", 200, updates=60, batch_size=200, learning_rate=0.05)
    copies = [blank(), blank()]
    for by, copy in zip(("art", "own code"), copies, strict=True):
        rob(by, attack, linear(1), copy)
    torch.testing.assert_close(copies[0].weight, copies[1].weight, rtol=1e-3, atol=1e-4)
    assert copies[0].weight.abs().max() > 0.5


def test_knockoff_nets_that_sees_the_class_alone_is_copycat_cnn() -> None:
    copies = [blank(), blank()]
    attack = Extraction("training images", 120, updates=30)
    rob("art", attack, linear(1), copies[0], defence="top-1")
    rob("art", Extraction("training images", 120, labels_only=True, updates=30), linear(1), copies[1])
    assert torch.equal(copies[0].weight, copies[1].weight)


def test_only_the_class_leaks_through_top_one_where_arts_class_labels_give_one_answer_to_all() -> None:
    outputs = np.array([[0.6, 0.4, 0.0], [0.1, 0.2, 0.7], [0.9, 0.05, 0.05]], dtype=np.float32)
    assert TopOne()(outputs).tolist() == [[1, 0, 0], [0, 0, 1], [1, 0, 0]]
    sharper = np.array([[0.99, 0.01, 0.0], [0.0, 0.0, 1.0], [0.4, 0.3, 0.3]], dtype=np.float32)
    assert np.array_equal(TopOne()(outputs), TopOne()(sharper))
    assert ClassLabels()(outputs).tolist() == [[1, 0, 1]] * 3  # why it is not used


def test_rounded_answers_have_one_decimal() -> None:
    _, answers = rob("art", Extraction("noise", 50, updates=1), linear(1, 0.7), blank(), defence="rounded")
    torch.testing.assert_close(answers * 10, (answers * 10).round())
    assert len(answers.unique()) > 3


def test_from_shuffled_answers_a_thief_learns_nothing() -> None:
    victim, thief = linear(1), blank()
    rob(
        "art",
        Extraction("training images", 400, updates=400, batch_size=100, learning_rate=0.05),
        victim,
        thief,
        "shuffled",
    )
    shuffled = Shuffled()(np.arange(8.0).reshape(4, 2))
    assert sorted(map(tuple, shuffled)) == [(0.0, 1.0), (2.0, 3.0), (4.0, 5.0), (6.0, 7.0)]
    with torch.no_grad():
        commonest = torch.bincount(victim(TEST).argmax(1)).max() / len(TEST)
    assert fidelity(victim, thief) < commonest + 0.1 < 0.5


def test_a_small_budget_is_trained_on_as_long_as_a_large_one() -> None:
    attack = Extraction("noise", 100, updates=200, batch_size=32)
    for queries in (1, 100, 1000, 6400):
        steps = attack.epochs(queries) * -(-queries // 32)
        assert 200 <= steps < 200 + -(-queries // 32)


def test_a_smaller_budget_asks_part_of_what_a_larger_one_asks() -> None:
    small, large = (Extraction("phantom", budget).draw(POOL, seeded(3)) for budget in (50, 200))
    assert torch.equal(small, large[:50])
    noise = Extraction("noise", 300).draw(POOL, seeded())
    assert noise.shape == (300, 1, SIDE, SIDE)
    assert abs(float(noise.mean()) - 0.5) < 0.03
    with pytest.raises(ValueError, match="needs as many images, got 400"):
        Extraction("training images", 401).draw(POOL, seeded())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"queries": "letters"}, "queries must be one of noise"),
        ({"budget": 0}, "budget must be at least 1"),
        ({"updates": 1.5}, "updates must be a whole number"),
        ({"learning_rate": 0.0}, "learning_rate must be in"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        Extraction(**{"queries": "noise", "budget": 10, **wrong})
