"""Predictions under attack against the same attacks called by hand."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from toy_models import Nameless, SmallNet, assert_unchanged, dyadic_images, own_labels, small_net, state_of, unsettle

from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.core.rng import make_generator
from mri_robust.evaluation.engines import ENGINES, load_engine
from mri_robust.evaluation.mutants import WrongSignFGSM
from mri_robust.evaluation.sweep import epsilon_sweep
from mri_robust.evaluation.under_attack import BATCH, Trial, predictions_under_attack
from mri_robust.models.classifier import Classifier
from mri_robust.models.ensemble import Ensemble

MODEL = small_net()
IMAGES = dyadic_images(BATCH + 9)
LABELS = own_labels(MODEL, IMAGES).where(torch.arange(len(IMAGES)) % 8 != 0, torch.tensor(2))
EPSILONS = (1 / 128, 1 / 64, 1 / 32, 1 / 16)
pgd = partial(PGD, alpha=1 / 128, steps=4)


def correct(rows: Tensor) -> Tensor:
    return rows == LABELS


def by_hand(attack: PGD, model: nn.Module = MODEL, seed: int = 0) -> Tensor:
    """Each batch of 64 attacked by itself, from starts drawn for that batch."""
    rows = []
    for number, begin in enumerate(range(0, len(IMAGES), BATCH)):
        images, labels = IMAGES[begin : begin + BATCH], LABELS[begin : begin + BATCH]
        generator = make_generator(seed, "start", number, repr(attack))
        rows.append(own_labels(model, attack(model, images, labels, generator=generator)))
    return torch.cat(rows)


def test_each_row_is_its_attack_called_by_hand() -> None:
    attacks = [FGSM(1 / 64), FGSM(1 / 16, targeted=True), pgd(1 / 64), pgd(1 / 32, random_start=False)]
    attacks += [pgd(1 / 64, restarts=3), pgd(0.5, norm="l2", keep="best"), FGSM(0.5, norm="l2")]
    rows = predictions_under_attack(MODEL, IMAGES, LABELS, [Trial(None), *map(Trial, attacks)])
    assert rows.shape == (len(attacks) + 1, len(IMAGES))
    assert torch.equal(rows[0], own_labels(MODEL, IMAGES))
    for attack, row in zip(attacks, rows[1:], strict=True):
        assert torch.equal(row, by_hand(attack)), attack
    assert len({tuple(row.tolist()) for row in rows}) > 4


def test_a_broken_fgsm_does_not_share_the_gradient_of_the_right_one() -> None:
    """One gradient serves all sizes of one attack, and no other attack."""
    right, wrong = FGSM(1 / 16), WrongSignFGSM(1 / 16)
    rows = predictions_under_attack(MODEL, IMAGES, LABELS, [Trial(right), Trial(wrong)])
    alone = predictions_under_attack(MODEL, IMAGES, LABELS, [Trial(wrong)])
    assert torch.equal(rows[1], alone[0])


def test_the_seed_decides_the_starts() -> None:
    trials = [Trial(PGD(0.1, alpha=1e-6, steps=1))]
    one, again, other = (predictions_under_attack(MODEL, IMAGES, LABELS, trials, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_engines_predict_alike() -> None:
    attacks = [FGSM(1 / 64), pgd(1 / 64), pgd(1 / 32, random_start=False), pgd(1 / 64, restarts=2)]
    rows = [predictions_under_attack(MODEL, IMAGES, LABELS, [*map(Trial, attacks)], engine=each) for each in ENGINES]
    assert torch.equal(rows[0], rows[1])
    assert torch.equal(rows[0], rows[2])


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(ValueError, match="foolbox"):
        load_engine("foolbox")


def test_worst_case_rows_only_ever_lose() -> None:
    """They begin with the clean errors, keep what an earlier size has fooled, and are no better than the plain rows."""
    trials = [Trial(pgd(eps), worst_case=True) for eps in EPSILONS]
    rows = correct(predictions_under_attack(MODEL, IMAGES, LABELS, [Trial(None), *trials]))
    for earlier, later in pairwise(rows):
        assert not (later & ~earlier).any()
    plain = correct(predictions_under_attack(MODEL, IMAGES, LABELS, [Trial(pgd(eps)) for eps in EPSILONS]))
    union = correct(predictions_under_attack(MODEL, IMAGES, LABELS, [Trial(None)]))[0]
    for row, alone in zip(rows[1:], plain, strict=True):
        union = union & alone
        assert torch.equal(row, union)
    assert rows[-1].sum() < rows[1].sum() < rows[0].sum()


def test_further_attacks_see_only_survivors_and_only_lower_accuracy() -> None:
    seen: list[tuple[Tensor, Tensor]] = []

    def library(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        seen.append((images, labels))
        return images.flip(0, 3)

    first, second = pgd(1 / 128), pgd(1 / 64)
    trials = [Trial(first, worst_case=True), Trial(first, worst_case=True, then=(library,)), Trial(second, True)]
    predicted = predictions_under_attack(MODEL, IMAGES, LABELS, trials)
    alone, followed, later = correct(predicted)
    assert not (followed & ~alone).any()
    assert followed.sum() < alone.sum()
    standing = [int(part.sum()) for part in alone.split(BATCH)]
    assert [len(images) for images, _ in seen] == [
        min(-(-count // 16) * 16, size) for count, size in zip(standing, (BATCH, 9), strict=True)
    ]
    plain = correct(predictions_under_attack(MODEL, IMAGES, LABELS, [trials[0], trials[2]]))[1]
    assert torch.equal(later, plain)  # what follows one trial does not leak into another


def members() -> list[Classifier]:
    return [
        Classifier(small_net(seed), architecture="cnn", classes=SmallNet.classes, image_size=8, mean=0.0, std=1.0)
        for seed in (1, 2, 3)
    ]


class Grey(nn.Module):
    """Lets a grey network stand where a classifier shows it three equal channels."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, images: Tensor) -> Tensor:
        return self.inner(images[:, :1])


def ensemble() -> Ensemble:
    parts = members()
    for part in parts:
        part.network = Grey(part.network)
    return Ensemble(parts, [0.25, 0.25, 0.5]).eval()


@pytest.mark.parametrize("engine", ENGINES)
def test_each_member_sees_its_own_adversarial_image(engine: str) -> None:
    model = ensemble()
    trials = [Trial(FGSM(1 / 32)), Trial(pgd(1 / 32, random_start=False))]
    rows = predictions_under_attack(model, IMAGES, LABELS, trials, each_member=True, engine=engine)
    for trial, row in zip(trials, rows, strict=True):
        logits = []
        for member, share in zip(model.members, (0.25, 0.25, 0.5), strict=True):
            crafted = torch.cat([
                trial.attack(member, *pair) for pair in zip(IMAGES.split(BATCH), LABELS.split(BATCH), strict=True)
            ])  # fmt: skip
            with torch.no_grad():
                logits.append(share * torch.cat([member(part) for part in crafted.split(BATCH)]))
        assert torch.equal(row, sum(logits).argmax(1))
    whole = predictions_under_attack(model, IMAGES, LABELS, trials, engine=engine)
    assert not torch.equal(whole, rows)


def test_bytes_and_floats_are_the_same_images() -> None:
    pixels = (IMAGES * 255).round().byte()
    trials = [Trial(None), Trial(pgd(1 / 64))]
    assert torch.equal(
        predictions_under_attack(MODEL, pixels, LABELS, trials),
        predictions_under_attack(MODEL, pixels.float() / 255, LABELS, trials),
    )


def test_progress_counts_images() -> None:
    told: list[tuple[int, int]] = []
    predictions_under_attack(MODEL, IMAGES, LABELS, [Trial(None)], on_step=lambda *step: told.append(step))
    assert told == [(BATCH, BATCH + 9), (BATCH + 9, BATCH + 9)]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("wrap", [lambda net: net, Nameless], ids=["stated", "nameless"])
def test_a_sweep_leaves_the_model_and_the_global_generator_alone(engine: str, wrap: type) -> None:
    model = unsettle(wrap(small_net()))
    before, chance = state_of(model), torch.get_rng_state()
    table = epsilon_sweep(model, IMAGES[:20], LABELS[:20], pgd, [0, 1 / 64], engine=engine)
    assert list(table.columns) == ["epsilon", "accuracy", "ci_low", "ci_high", "n"]
    assert_unchanged(model, before)
    assert torch.equal(torch.get_rng_state(), chance)


def test_a_sweep_checks_its_inputs() -> None:
    with pytest.raises(TypeError, match="float64"):
        epsilon_sweep(MODEL, IMAGES.double(), LABELS, FGSM, [0.1])
    with pytest.raises(ValueError, match="nan"):
        epsilon_sweep(MODEL, IMAGES, LABELS, FGSM, [float("nan")])
    with pytest.raises(ValueError, match=r"-0\.1"):
        epsilon_sweep(MODEL, IMAGES, LABELS, FGSM, [-0.1])
