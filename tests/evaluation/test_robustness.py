"""Accuracy under attack against the same attacks called by hand, and what holds for every worst case."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import binomtest
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from toy_models import Linear, SmallNet, assert_unchanged, dyadic_images, own_labels, small_net, state_of, unsettle

from mri_robust.attacks.evasion import ATTACKS
from mri_robust.attacks.evasion.attack import Attack
from mri_robust.attacks.evasion.epsilon_sweep import BATCH, start_of
from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.core.rng import make_generator
from mri_robust.data.dataset import Dataset, Split
from mri_robust.evaluation import robustness
from mri_robust.evaluation.epsilon_curve import epsilon_curve
from mri_robust.evaluation.evaluation import Context, Evaluation, measure
from mri_robust.evaluation.robustness import UnderAttack, WorstCase, craft_batch, load_engine, name_of
from mri_robust.models.classifier import Classifier
from mri_robust.models.ensemble import Ensemble
from mri_robust.study.config import ENGINES

COUNT, LEAKED = BATCH + 9, 20
EPSILONS = (1 / 128, 1 / 64, 1 / 32, 1 / 16)
PIXELS = (dyadic_images(COUNT) * 255).round().byte()
IMAGES = PIXELS.float() / 255
MODEL = small_net()
LABELS = own_labels(MODEL, IMAGES).where(torch.arange(COUNT) % 8 != 0, torch.tensor(2))
TEST = Split(PIXELS.numpy(), LABELS.numpy(), tuple(f"{place}.png" for place in range(COUNT)))
TRAIN = Split(TEST.images[:LEAKED], TEST.labels[:LEAKED], TEST.names[:LEAKED])
DATA = Dataset("shapes", TRAIN, TEST, SmallNet.classes, "shapes")
pgd = partial(PGD, alpha=1 / 128, steps=4)


@pytest.fixture(autouse=True)
def small_budgets(monkeypatch: pytest.MonkeyPatch) -> None:
    attacks = (("APGD", (("steps", 8),)), ("APGDT", (("steps", 4),)), ("Square", (("n_queries", 40),)))
    monkeypatch.setattr(robustness, "SURVIVOR_ATTACKS", attacks)


def table(evaluation: Evaluation, model: nn.Module = MODEL, parts: int | None = None) -> pd.DataFrame:
    """The rows of an evaluation, measured whole or in parts of so many images."""
    results = [measure(part, Context(model, DATA)) for part in evaluation.split(parts, DATA)] if parts else []
    return pd.DataFrame(measure(evaluation, Context(model, DATA), results)["rows"])


def select(rows: pd.DataFrame, **wanted: Any) -> pd.DataFrame:
    for column, value in {"metric": "accuracy", "subset": "all", **wanted}.items():
        rows = rows[rows[column] == value]
    return rows


def crafted(attack: Any, model: nn.Module = MODEL, seed: int = 0) -> Tensor:
    """Adversarial images of each batch of 64, from starts drawn for each image by its place."""
    found = []
    for places in torch.arange(COUNT).split(BATCH):
        images = IMAGES[places]
        how = {"start": start_of(attack, images, places.tolist(), seed)} if isinstance(attack, Attack) else {}
        drawn = make_generator(seed, "attack", int(places[0]), repr(attack))
        found.append(attack(model, images, LABELS[places], generator=drawn, **how))
    return torch.cat(found)


ATTACKED = (
    *(None, FGSM(1 / 64), FGSM(1 / 16, targeted=True), FGSM(0.5, norm="l2"), pgd(1 / 64)),
    *(pgd(1 / 32, random_start=False), pgd(1 / 64, restarts=3), pgd(0.5, norm="l2")),
)


def test_every_row_counts_its_attack_called_by_hand() -> None:
    rows = table(UnderAttack(ATTACKED, COUNT, seed=3, leak_free=True))
    healthy, right = 2, []
    for attack, (_, found) in zip(
        ATTACKED, rows.groupby((rows["metric"].eq("accuracy") & rows["subset"].eq("all")).cumsum()), strict=True
    ):
        called = own_labels(MODEL, IMAGES if attack is None else crafted(attack, seed=3))
        hits = (called == LABELS).numpy()
        right.append(hits)
        everyone, leak_free = (select(found, subset=name).iloc[0] for name in ("all", "leak-free"))
        assert everyone["value"] == pytest.approx(hits.mean()), attack
        assert everyone["right"] == "".join("01"[int(hit)] for hit in hits)
        assert (leak_free["value"], leak_free["n"]) == (pytest.approx(hits[LEAKED:].mean()), COUNT - LEAKED)
        missed = select(found, metric="missed_tumour_rate").iloc[0]
        assert missed["value"] == pytest.approx((called == healthy)[healthy != LABELS].float().mean().item())
        recall = select(found, metric="recall").set_index("class")["value"]
        assert recall["pituitary"] == pytest.approx(hits[LABELS.numpy() == 3].mean())
        labels = (name_of(attack), getattr(attack, "eps", 0.0), getattr(attack, "norm", "linf"))
        assert tuple(everyone[["attack", "epsilon", "norm"]]) == labels
        assert (everyone[["alpha", "steps", "restarts"]].isna() == (not isinstance(attack, PGD))).all()
    assert len({tuple(hits) for hits in right}) > 5  # else rows could be mixed up unseen


@pytest.mark.parametrize("evaluation", [UnderAttack(ATTACKED, 70), WorstCase(EPSILONS, 70, steps=3, restarts=2)])
def test_parts_give_the_rows_of_the_whole(evaluation: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(robustness, "CHUNK", BATCH)
    assert [part.span for part in evaluation.split(BATCH, DATA)] == [(0, 64), (64, 70)]
    assert evaluation.split(70, DATA) == ()
    pd.testing.assert_frame_equal(table(evaluation, parts=BATCH), table(evaluation))


@pytest.mark.parametrize("strong", [False, True])
def test_the_worst_case_never_rises_and_is_never_above_an_attack_of_it(strong: bool) -> None:
    worst = WorstCase(EPSILONS, COUNT, steps=4, restarts=2, strong=strong, precision="fp32", seed=1, leak_free=True)
    attacks = (None, *(PGD(eps, steps=4, restarts=2) for eps in EPSILONS))
    rows, plain = table(worst), table(UnderAttack(attacks, COUNT, seed=1))
    clean = select(rows, attack="none")["right"].item()
    assert clean == select(plain, attack="none")["right"].item()
    before, by_pgd = {}, {}
    for (eps, stage), found in select(rows, attack="worst-case").groupby(["epsilon", "after"]):
        right = np.array(list(found["right"].item()))
        lost = before.get(stage, np.array(list(clean)))
        assert (right <= lost).all()  # image by image: what a smaller epsilon has fooled stays fooled
        alone = np.array(list(select(plain, attack="pgd", epsilon=eps)["right"].item()))
        assert (right <= alone).all()
        before[stage] = right
        by_pgd.setdefault(eps, right if stage == "pgd" else None)
    assert set(before) == ({"pgd", "square"} if strong else {"pgd"})
    for subset, count in (("all", COUNT), ("leak-free", COUNT - LEAKED)):
        found = select(rows, attack="worst-case", subset=subset)
        assert set(found["n"]) == {count}
        values = found.pivot_table(index="epsilon", columns="after", values="value")
        assert (values.diff().dropna() <= 0).all(axis=None)
        assert values.iloc[-1].max() < values.iloc[0].min()
        if strong:
            assert (values["square"] <= values["pgd"]).all()
            assert values["square"].sum() < values["pgd"].sum()


def test_each_images_smallest_fooling_epsilon_is_kept() -> None:
    context = Context(MODEL, DATA)
    rows = pd.DataFrame(list(WorstCase(EPSILONS, 30, steps=3, strong=False)(context)))
    found = context.artefacts["smallest_epsilon"]
    smallest = np.array([np.inf if eps is None else eps for eps in found["epsilon"]])
    for eps, value in select(rows)[["epsilon", "value"]].to_numpy():
        assert (smallest > eps).mean() == pytest.approx(value)
    places = [DATA.test.names.index(name) for name in found["files"]]
    assert [SmallNet.classes.index(name) for name in found["labels"]] == DATA.test.labels[places].tolist()
    assert {0.0, np.inf} < set(smallest)


class Grey(nn.Module):
    """Lets a grey network stand where a classifier shows it three equal channels."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, images: Tensor) -> Tensor:
        return self.inner(images[:, :1])


def ensemble() -> Ensemble:
    how = {"architecture": "cnn", "classes": SmallNet.classes, "image_size": 8, "mean": 0.0, "std": 1.0}
    parts = [Classifier(small_net(seed), **how) for seed in (1, 2, 3)]  # type: ignore[arg-type]
    for part in parts:
        part.network = Grey(part.network)
    return Ensemble(parts, [0.25, 0.25, 0.5]).eval()


@pytest.mark.parametrize("engine", ENGINES)
def test_each_member_sees_its_own_adversarial_image(engine: str) -> None:
    model, attacks = ensemble(), (None, FGSM(1 / 32), pgd(1 / 32))
    rows = select(table(UnderAttack(attacks, COUNT, engine=engine, each_member=True), model))
    for attack, right in zip(attacks, rows["right"], strict=True):
        logits = torch.zeros(COUNT, 4)
        for member, share in zip(model.members, (0.25, 0.25, 0.5), strict=True):
            with torch.no_grad():
                logits += share * member(IMAGES if attack is None else crafted(attack, member))
        assert right == "".join("01"[int(hit)] for hit in logits.argmax(1) == LABELS)
    whole = select(table(UnderAttack(attacks, COUNT, engine=engine), model))
    assert whole["right"].tolist() != rows["right"].tolist()


def test_engines_give_the_same_rows_and_the_starts_come_from_the_seed() -> None:
    attacks = (FGSM(1 / 64), pgd(1 / 64), pgd(1 / 32, random_start=False))
    first, *others = [table(UnderAttack(attacks, COUNT, engine=engine)).drop(columns="engine") for engine in ENGINES]
    for other in others:
        pd.testing.assert_frame_equal(first, other)
    weak = (PGD(0.1, alpha=1e-6, steps=1),)
    one, again, other = (table(UnderAttack(weak, COUNT, seed=seed))["value"].tolist() for seed in (0, 0, 1))
    assert one == again != other
    batch = craft_batch("native", weak[0], MODEL, IMAGES[5:8], LABELS[5:8], seed=0, first=5)
    assert torch.equal(batch, crafted(weak[0])[5:8])
    with pytest.raises(ValueError, match="foolbox"):
        load_engine("foolbox")


def test_the_model_and_the_global_generator_are_left_alone() -> None:
    model = unsettle(small_net())
    before, state = state_of(model), torch.get_rng_state()
    for evaluation in (UnderAttack(ATTACKED, 20), WorstCase(EPSILONS[:1], 20, steps=2, restarts=1)):
        told: list[tuple[int, int]] = []
        list(evaluation(Context(model, DATA, on_step=lambda *step, told=told: told.append(step))))
        assert_unchanged(model, before)
        assert torch.equal(torch.get_rng_state(), state)
        assert told == sorted(told)
        assert told[-1] == (20, 20)


def values(**how: Any) -> list[float]:
    return epsilon_curve(MODEL, IMAGES, LABELS, EPSILONS, **how)["accuracy"].tolist()


@pytest.mark.parametrize("name", ATTACKS.names())
def test_the_curve_of_one_attack_is_exact_at_every_epsilon(name: str) -> None:
    make = ATTACKS.load(name)
    expected = [
        (own_labels(MODEL, images) == LABELS).float().mean().item()
        for images in (IMAGES, *(crafted(make(eps)) for eps in EPSILONS))
    ]
    assert values(attack=name) == pytest.approx(expected)
    assert values(attack=make) == values(attack=name)
    stopped = values(attack=name, early_stop=True)
    if issubclass(make, Attack):  # others draw for a batch, not for an image
        assert all(early <= alone + 1e-6 for early, alone in zip(stopped, expected, strict=True))
    assert stopped == sorted(stopped, reverse=True)


def test_the_worst_case_and_half_precision_are_never_above_pgd_stopped_early() -> None:
    plain = values(attack=PGD, early_stop=True)
    for found in (values(attack="worst-case"), values(attack=PGD, early_stop=True, precision="bf16")):
        assert found[0] == plain[0]
        assert all(worst <= alone for worst, alone in zip(found, plain, strict=True))


def test_the_table_counts_what_it_is_given_in_any_form() -> None:
    found = epsilon_curve(MODEL, PIXELS.numpy(), LABELS.numpy(), (0.02, 0.0, 0.01), attack="fgsm")
    loader = DataLoader(TensorDataset(IMAGES, LABELS), batch_size=7)
    for other in (
        epsilon_curve(MODEL, IMAGES, LABELS, (0.01, 0.02), attack="fgsm"),
        epsilon_curve(MODEL, loader, epsilons=(0.01, 0.02), attack="fgsm"),
    ):
        pd.testing.assert_frame_equal(found, other)
    assert list(found.columns) == ["epsilon", "accuracy", "ci_low", "ci_high", "n"]
    assert found["epsilon"].tolist() == [0.0, 0.01, 0.02]
    for row in found.itertuples():
        interval = binomtest(round(row.accuracy * COUNT), row.n).proportion_ci(method="wilson")
        assert (row.ci_low, row.ci_high) == pytest.approx((interval.low, interval.high))


def test_a_linear_models_curve_is_the_share_of_margins_over_epsilon() -> None:
    weight = torch.randn(2, 64, generator=torch.Generator().manual_seed(3))
    images = 0.25 + IMAGES / 2
    model, labels = Linear(weight, -weight.sum(1) / 2), LABELS % 2
    gap = (weight[1] - weight[0]).double()
    margins = (images.double().flatten(1) - 0.5) @ gap * (2 * labels - 1)
    expected = [float((margins > eps * gap.abs().sum()).double().mean()) for eps in (0, 0.002, 0.01, 0.03)]
    for attack in ("fgsm", partial(PGD, steps=8)):
        found = epsilon_curve(model, images, labels, (0.002, 0.01, 0.03), attack=attack, early_stop=attack != "fgsm")
        assert found["accuracy"].tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("images", "labels", "epsilons", "how", "error"),
    [
        (IMAGES.double(), LABELS, (0.1,), {}, TypeError),
        (IMAGES, LABELS[:3], (0.1,), {}, ValueError),
        (IMAGES, LABELS + 4, (0.1,), {}, ValueError),
        (IMAGES, LABELS, (2.0,), {}, ValueError),
        (IMAGES, LABELS, (-0.1,), {}, ValueError),
        (IMAGES, LABELS, (float("nan"),), {}, ValueError),
        (2 * IMAGES, LABELS, (0.1,), {}, ValueError),
        (IMAGES, LABELS, (0.1,), {"precision": "fp8"}, ValueError),
    ],
)
def test_impossible_questions_are_refused(images: Any, labels: Any, epsilons: Any, how: Any, error: Any) -> None:
    with pytest.raises(error, match=r"images|label|epsilon|precision"):
        epsilon_curve(MODEL, images, labels, epsilons, **how)
