"""Keeping the worst: over the iterates of a run, and over runs."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional
from toy_models import dyadic_images, own_labels, small_net

from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.attacks.worst_case import WorstCase, filled_up

MODEL = small_net()
IMAGES = dyadic_images(40)
LABELS = own_labels(MODEL, IMAGES)


def judge(images: Tensor, labels: Tensor = LABELS) -> tuple[Tensor, Tensor]:
    """Whether the model is right, and its loss."""
    with torch.no_grad():
        logits = MODEL(images)
    return logits.argmax(1) == labels, functional.cross_entropy(logits, labels, reduction="none")


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("keep", ["last", "best"])
def test_more_runs_never_help_the_model(norm: str, keep: str) -> None:
    eps = 0.03 if norm == "linf" else 0.2
    common = {"alpha": eps / 2, "steps": 3, "norm": norm, "keep": keep}
    starts = PGD(eps, restarts=5, **common).draw_start(IMAGES, torch.Generator().manual_seed(0))
    first, _ = judge(PGD(eps, **common)(MODEL, IMAGES, LABELS, start=starts[0]))
    right = first
    for runs in (2, 3, 5):
        now, _ = judge(PGD(eps, restarts=runs, **common)(MODEL, IMAGES, LABELS, start=starts[:runs]))
        assert not (now & ~right).any()
        right = now
    assert right.sum() < len(right)
    singles = torch.stack([judge(PGD(eps, **common)(MODEL, IMAGES, LABELS, start=start))[0] for start in starts])
    assert torch.equal(right, singles.all(0))


@pytest.mark.parametrize("clip", ["after", "before", "end"])
def test_the_best_iterate_is_no_weaker_than_the_last(clip: str) -> None:
    common = {"eps": 0.05, "alpha": 0.04, "steps": 5, "clip": clip}
    last_right, last_loss = judge(PGD(**common)(MODEL, IMAGES, LABELS))
    best_right, best_loss = judge(PGD(keep="best", **common)(MODEL, IMAGES, LABELS))
    assert not (best_right & ~last_right).any()
    same = best_right == last_right
    assert (best_loss[same] >= last_loss[same] - 1e-5).all()
    assert (best_loss > last_loss + 1e-4).any()


def test_the_best_targeted_iterate_is_nearest_to_the_target() -> None:
    targets = (LABELS + 1) % 4
    common = {"eps": 0.05, "alpha": 0.04, "steps": 5, "targeted": True}
    last_hit, last_loss = judge(PGD(**common)(MODEL, IMAGES, targets), targets)
    best_hit, best_loss = judge(PGD(keep="best", **common)(MODEL, IMAGES, targets), targets)
    assert not (last_hit & ~best_hit).any()
    same = best_hit == last_hit
    assert (best_loss[same] <= last_loss[same] + 1e-5).all()


def test_a_candidate_that_fools_beats_a_greater_loss_that_does_not() -> None:
    """Two of three classes share the blame: a loss of 1.09 need not fool, one of .71 may."""
    fooling = torch.tensor([[0.0, 0.05, -9.0]])
    standing = torch.tensor([[0.01, 0.0, 0.0]])
    labels = torch.tensor([0])
    assert functional.cross_entropy(standing, labels) > functional.cross_entropy(fooling, labels)
    for order in ((fooling, standing), (standing, fooling)):
        worst = WorstCase(torch.zeros(1, 1, 1, 1), labels, targeted=False)
        for logits in order:
            value = 1.0 if logits is fooling else 0.5
            worst.update(torch.tensor([0]), torch.full((1, 1, 1, 1), value), logits)
        assert worst.fooled.item()
        assert worst.images.item() == 1.0


@given(st.lists(st.booleans(), max_size=70))
def test_filling_up_keeps_all_that_stand(standing: list[bool]) -> None:
    chosen = filled_up(torch.tensor(standing, dtype=torch.bool)).tolist()
    assert {index for index, stands in enumerate(standing) if stands} <= set(chosen)
    assert chosen == sorted(set(chosen))
    assert len(chosen) % 16 == 0 or len(chosen) == len(standing)
    assert len(chosen) < sum(standing) + 16
