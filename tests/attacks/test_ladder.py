"""The ladder against PGD run by itself at every epsilon and every number of steps."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from toy_models import Linear, dyadic_images, own_labels, small_net

from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.attacks.evasion.attack import loss_gradient
from mri_robust.attacks.ladder import Ladder
from mri_robust.core.eval_mode import eval_mode

EPSILONS = (0.002, 0.004, 0.01, 0.02, 0.03, 0.1)
MODEL = small_net()
IMAGES = dyadic_images(50)
LABELS = own_labels(MODEL, IMAGES)
LABELS[::7] = (LABELS[::7] + 1) % 4


def climb(ladder: Ladder, **options) -> Tensor:
    with eval_mode(MODEL):
        return ladder.climb(MODEL, IMAGES, LABELS, **options).rungs


def one_by_one(alphas: tuple[float, ...], steps: int) -> Tensor:
    """The definition: fooled at an epsilon is who is wrong clean, or at any iterate at it or at a smaller one."""
    verdicts = torch.full((len(IMAGES),), len(EPSILONS))
    for rung in reversed(range(len(EPSILONS))):
        for count in range(1, steps + 1):
            attack = PGD(EPSILONS[rung], alpha=alphas[rung], steps=count, random_start=False)
            with torch.no_grad():
                verdicts[MODEL(attack(MODEL, IMAGES, LABELS)).argmax(1) != LABELS] = rung
    with torch.no_grad():
        verdicts[MODEL(IMAGES).argmax(1) != LABELS] = -1
    return verdicts


@pytest.mark.parametrize("alphas", [(0.002,) * 6, (0.0015,) * 6, (0.001, 0.001, 0.0025, 0.005, 0.0075, 0.025)])
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_verdicts_are_those_of_pgd_at_every_epsilon_by_itself(alphas: tuple[float, ...], steps: int) -> None:
    expected = one_by_one(alphas, steps)
    assert len(set(expected.tolist())) > 2
    for batch in (1, 7, 64):
        assert torch.equal(climb(Ladder(EPSILONS, alphas, steps, batch=batch)), expected)


def test_steps_shared_with_the_smaller_ball_are_not_computed_again() -> None:
    """Alpha .001: the runs at .001, .002 and .005 share 1 and 2 steps; those at .01 and .1 repeat the one at .005."""
    taken = 0

    def count(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        nonlocal taken
        taken += len(images)
        return loss_gradient(model, images, labels)

    model = Linear(torch.tensor([[1.0] * 64, [-1.0] * 64]), torch.tensor([100.0, 0.0]))  # nobody is ever fooled
    images, labels = torch.full((4, 1, 8, 8), 0.5), torch.zeros(4, dtype=torch.int64)
    ladder = Ladder((0.001, 0.002, 0.005, 0.01, 0.1), (0.001,) * 5, 5, batch=4)
    assert ladder.climb(model, images, labels, differentiate=count).rungs.tolist() == [5] * 4
    assert taken == 4 * (5 + 3 + 2)


def test_a_linear_model_is_fooled_at_the_first_radius_over_its_margin() -> None:
    """The logit gap falls by 2 * eps * 64 at most: with gap g the smallest fooling radius is g / 128."""
    model = Linear(torch.tensor([[1.0] * 64, [-1.0] * 64]), torch.tensor([0.0, 64.0]))
    images = torch.full((3, 1, 8, 8), 0.5)
    images += torch.tensor([0.005, 0.015, 0.4]).view(3, 1, 1, 1)  # gaps 128 * (pixel - 0.5)
    labels = torch.zeros(3, dtype=torch.int64)
    with eval_mode(model):
        falls = Ladder((0.01, 0.02, 0.04), (0.005,) * 3, 8).climb(model, images, labels)
    assert falls.rungs.tolist() == [0, 1, 3]
    assert falls.called.tolist() == [1, 1, 0]


def test_restarts_see_the_clean_image_and_never_lose_to_fewer() -> None:
    alphas = tuple(eps / 4 for eps in EPSILONS)
    one, more = (climb(Ladder(EPSILONS, alphas, 5, restarts=count), seed=1) for count in (1, 4))
    with torch.no_grad():
        wrong = MODEL(IMAGES).argmax(1) != LABELS
    assert torch.equal(one == -1, wrong)
    assert (more <= one).all()
    assert (more < one).any()


def test_random_starts_depend_on_the_seed_and_not_on_the_batch() -> None:
    ladder = {batch: Ladder(EPSILONS, (0.001,) * 6, 3, restarts=2, batch=batch) for batch in (3, 50)}
    assert torch.equal(climb(ladder[3], seed=5), climb(ladder[50], seed=5))
    halves = []
    with eval_mode(MODEL):
        for begin in (0, 25):
            part = slice(begin, begin + 25)
            halves.append(ladder[50].climb(MODEL, IMAGES[part], LABELS[part], seed=5, offset=begin).rungs)
    assert torch.equal(torch.cat(halves), climb(ladder[50], seed=5))


def test_a_success_of_another_precision_counts_only_if_the_model_confirms_it() -> None:
    def liar(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        gradient, _ = loss_gradient(MODEL, images, labels)
        return gradient, torch.nn.functional.one_hot((labels + 1) % 4, 4).float()  # calls everybody fooled

    alphas = (0.002,) * 6
    with eval_mode(MODEL):
        assert torch.equal(climb(Ladder(EPSILONS, alphas, 5), differentiate=liar), one_by_one(alphas, 5))


@pytest.mark.parametrize(
    ("epsilons", "alphas", "message"),
    [
        ((0.1, 0.05), (0.01, 0.01), "rise"),
        ((0.1,), (0.01, 0.01), "one alpha an epsilon"),
        ((0.0, 0.1), (0.01, 0.01), "epsilon"),
        ((0.1,), (0.0,), "alpha"),
        ((), (), "number of epsilons"),
    ],
)
def test_impossible_ladders_are_refused(epsilons, alphas, message) -> None:
    with pytest.raises(ValueError, match=message):
        Ladder(epsilons, alphas, 5)
