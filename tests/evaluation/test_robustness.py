"""Accuracy under attack against the same attacks called by hand, and what holds for every worst case."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import torchattacks
from scipy.stats import binomtest
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from toy_data import split, values
from toy_models import Linear, Nameless, SmallNet, dyadic_images, own_labels, small_net

from mri_robust import as_torchattack
from mri_robust.attacks.evasion import ATTACKS
from mri_robust.attacks.evasion.attack import Attack
from mri_robust.attacks.evasion.epsilon_sweep import BATCH, run_attack
from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.attacks.evasion.search import Part, start_of
from mri_robust.core.rng import make_generator
from mri_robust.data.dataset import Dataset, Split
from mri_robust.evaluation import robustness, worst_case
from mri_robust.evaluation.epsilon_curve import epsilon_curve
from mri_robust.evaluation.evaluation import Context, Evaluation, measure
from mri_robust.evaluation.robustness import UnderAttack, load_engine
from mri_robust.evaluation.rows import choose_images
from mri_robust.evaluation.sanity import sanity_checks
from mri_robust.evaluation.worst_case import WorstCase
from mri_robust.models.classifier import Classifier, Ensemble
from mri_robust.study.config import ENGINES

COUNT, LEAKED, HEALTHY = BATCH + 9, 20, 2
EPSILONS = (1 / 128, 1 / 64, 1 / 32, 1 / 16)
PIXELS = (dyadic_images(COUNT) * 255).round().byte()
IMAGES = PIXELS.float() / 255
MODEL = small_net()
LABELS = own_labels(MODEL, IMAGES).where(torch.arange(COUNT) % 8 != 0, torch.tensor(HEALTHY))
TEST = split(PIXELS.numpy(), LABELS.numpy())
DATA = Dataset("shapes", split(TEST.images[:LEAKED], TEST.labels[:LEAKED]), TEST, SmallNet.classes, "shapes")
pgd = partial(PGD, alpha=1 / 128, steps=4)


@pytest.fixture(autouse=True)
def small_budgets(monkeypatch: pytest.MonkeyPatch) -> None:
    attacks = (worst_case.apgd(8), worst_case.apgd_targeted(4), worst_case.library("Square", n_queries=40))
    monkeypatch.setitem(worst_case.SURVIVOR_ATTACKS, "standard", attacks)


def rows_of(evaluation: Evaluation, model: nn.Module = MODEL, parts: int | None = None) -> list[dict[str, Any]]:
    """The rows of an evaluation, measured whole or in parts of so many images."""
    results = [measure(part, Context(model, DATA)) for part in evaluation.split(parts, DATA)] if parts else []
    return list(measure(evaluation, Context(model, DATA), results)["rows"])


def verdicts(rows: list[dict[str, Any]], **wanted: Any) -> list[np.ndarray]:
    """Whether each image is right, bool [N], of the overall accuracies among the rows."""
    kept = [row for row in rows if "right" in row and all(row.get(name) == wanted[name] for name in wanted)]
    return [np.array(list(row["right"])) == "1" for row in kept]


def crafted(attack: Any, model: nn.Module = MODEL, seed: int = 0) -> Tensor:
    """Adversarial images of each batch of 64; starts are drawn for an image by its place, other draws by batch."""
    found = []
    for places in torch.arange(COUNT).split(BATCH):
        images, part = IMAGES[places], Part(IMAGES[places], LABELS[places], places)
        if attack is not None:
            how = {"start": start_of(attack, part, seed)} if isinstance(attack, Attack) else {}
            drawn = make_generator(seed, "attack", int(places[0]), repr(attack))
            images = attack(model, images, LABELS[places], generator=drawn, **how)
        found.append(images)
    return torch.cat(found)


ATTACKED = (
    *(None, FGSM(1 / 64), FGSM(1 / 16, targeted=True), FGSM(0.5, norm="l2"), pgd(1 / 64)),
    *(pgd(1 / 32, random_start=False), pgd(1 / 64, restarts=3), pgd(0.5, norm="l2")),
)


def test_every_row_counts_its_attack_called_by_hand() -> None:
    rows = rows_of(UnderAttack(ATTACKED, COUNT, seed=3, leak_free=True))
    starts = [place for place, row in enumerate(rows) if "right" in row]
    labels = LABELS.numpy()
    for attack, start, stop in zip(ATTACKED, starts, [*starts[1:], len(rows)], strict=True):
        called = own_labels(MODEL, crafted(attack, seed=3)).numpy()
        hits, found = called == labels, rows[start:stop]
        assert np.array_equal(*verdicts(found), hits), attack
        overall = values(found)
        assert overall["accuracy"] == pytest.approx(hits.mean())
        assert overall["missed_tumour_rate"] == pytest.approx((called == HEALTHY)[labels != HEALTHY].mean())
        assert values(found, **{"class": "pituitary"})["recall"] == pytest.approx(hits[labels == 3].mean())
        assert values(found, subset="leak-free")["accuracy"] == pytest.approx(hits[LEAKED:].mean())
        names = ("eps", "step_size", "steps", "restarts", "norm")
        told = [getattr(attack, name, None) for name in names] if attack else [0.0, None, None, None, None]
        assert [found[0][name] for name in ("epsilon", "alpha", "steps", "restarts", "norm")] == told
        assert found[0]["attack"] == (type(attack).__name__.lower() if attack else "none")
    assert len({tuple(hits) for hits in verdicts(rows)}) > 5  # else rows could be mixed up unseen


@pytest.mark.parametrize("evaluation", [UnderAttack(ATTACKED, 70), WorstCase(EPSILONS, 70, steps=3, restarts=2)])
def test_parts_give_the_rows_of_the_whole(evaluation: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(robustness, "CHUNK", BATCH)
    assert [part.span for part in evaluation.split(BATCH, DATA)] == [(0, 64), (64, 70)]
    assert evaluation.split(70, DATA) == ()
    assert rows_of(evaluation, parts=BATCH) == rows_of(evaluation)


@pytest.mark.parametrize("budget", ["pgd", "standard"])
def test_the_worst_case_never_rises_and_is_never_above_an_attack_of_it(budget: str) -> None:
    told: list[tuple[int, int]] = []
    context = Context(MODEL, DATA, on_step=lambda *step: told.append(step))
    worst = WorstCase(EPSILONS, COUNT, steps=4, restarts=2, budget=budget, seed=1, leak_free=True)
    rows, strong = list(worst(context)), budget == "standard"
    attacks = (None, *(PGD(eps, steps=4, restarts=2) for eps in EPSILONS))
    clean, *alone = verdicts(rows_of(UnderAttack(attacks, COUNT, seed=1)))
    assert np.array_equal(*verdicts(rows, attack="none"), clean)
    after = [verdicts(rows, attack="worst-case", after=name) for name in ("pgd", "square")]
    for stage in after if strong else after[:1]:
        for right, before, plain in zip(stage, [clean, *stage], alone, strict=False):
            assert (right <= before).all()  # what a smaller epsilon has fooled stays fooled
            assert (right <= plain).all()
        assert stage[-1].sum() < stage[0].sum()
    if strong:
        assert all((last <= first).all() for first, last in zip(*after, strict=True))
        assert sum(map(np.sum, after[1])) < sum(map(np.sum, after[0]))
    else:
        assert after[1] == []
    found = context.artefacts["minimal_epsilon"]
    smallest = np.array([np.inf if eps is None else eps for eps in found["epsilon"]])
    for eps, right in zip((0.0, *EPSILONS), [clean, *after[int(strong)]], strict=True):
        assert np.array_equal(smallest > eps, right)
        leak_free = {"subset": "leak-free", "epsilon": eps, "attack": "worst-case" if eps else "none"}
        stage = {"after": "square" if strong else "pgd"} if eps else {}
        assert values(rows, **leak_free, **stage)["accuracy"] == pytest.approx(right[LEAKED:].mean())
    assert told == sorted(told)
    assert told[-1] == (COUNT, COUNT)
    assert found["files"] == list(TEST.names)
    assert found["labels"] == [SmallNet.classes[label] for label in LABELS]


@pytest.mark.parametrize(("norm", "dual"), [("linf", 1), ("l2", 2)])
@pytest.mark.parametrize("classes", [2, 3, 4, 6])
def test_the_worst_case_of_a_linear_model_is_the_closed_form(
    classes: int, norm: Any, dual: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Targeted APGD alone, after one step of PGD: an image falls at the least margin over ||w_k - w_y||, dual norm."""
    monkeypatch.setitem(worst_case.SURVIVOR_ATTACKS, "quick", (worst_case.apgd_targeted(6),))
    generator = torch.Generator().manual_seed(classes)
    images = 0.3 + 0.4 * torch.rand((60, 1, 8, 8), generator=generator)
    weight = torch.randn(classes, 64, generator=generator)
    model = Linear(weight, -weight.sum(1) / 2).eval()
    labels, logits = own_labels(model, images), ((images.double().flatten(1) - 0.5) @ weight.double().T)
    reach = (logits.gather(1, labels[:, None]) - logits) / (weight[labels][:, None] - weight).norm(p=dual, dim=2)
    least = reach.scatter(1, labels[:, None], torch.inf).amin(1)
    epsilons = least.quantile(torch.tensor([0.2, 0.5, 0.8]).double()).tolist()
    names = tuple(map(str, range(classes)))
    test = Split(images.numpy(), labels.numpy(), names * 60)
    asked = WorstCase(tuple(epsilons), 60, steps=1, restarts=1, budget="quick", norm=norm)
    after = verdicts(list(asked(Context(model, Dataset("linear", test, test, names, "linear")))), after="apgdt")
    places = choose_images(60, 60)
    for eps, right in zip(epsilons, after, strict=True):
        assert np.array_equal(right, (least > eps).numpy()[places])


class Grey(Nameless):
    """Lets a grey network stand where a classifier shows it three equal channels."""

    def forward(self, images: Tensor) -> Tensor:
        return self.inner(images[:, :1])


@pytest.mark.parametrize("engine", ENGINES)
def test_each_member_sees_its_own_adversarial_image(engine: str) -> None:
    how: Any = {"architecture": "cnn", "classes": SmallNet.classes, "image_size": 8, "mean": 0.0, "std": 1.0}
    members = [Classifier(Grey(small_net(seed)), **how) for seed in (1, 2, 3)]
    model, attacks = Ensemble(members, [0.25, 0.25, 0.5]).eval(), (None, FGSM(1 / 32), pgd(1 / 32))
    found = verdicts(rows_of(UnderAttack(attacks, COUNT, engine=engine, each_member=True), model))
    for attack, right in zip(attacks, found, strict=True):
        logits = torch.zeros(COUNT, 4)
        for member, share in zip(model.members, (0.25, 0.25, 0.5), strict=True):
            with torch.no_grad():
                logits += share * member(crafted(attack, member))
        assert np.array_equal(logits.argmax(1) == LABELS, right)
    whole = verdicts(rows_of(UnderAttack(attacks, COUNT, engine=engine), model))
    assert not np.array_equal(whole[1:], found[1:])


@pytest.mark.parametrize("holder", [lambda z: {"logits": z}, lambda z: (z, None), lambda z: z[:, :, None, None]])
def test_a_curve_takes_logits_in_any_holder_and_one_output_for_two_classes(holder: Any) -> None:
    class Holds(Nameless):
        def forward(self, images: Tensor) -> Any:
            return holder(self.inner(images))

    how: dict[str, Any] = {"attack": partial(PGD, steps=2), "epsilons": 1 / 32}
    plain = epsilon_curve(MODEL, IMAGES, LABELS, **how)
    pd.testing.assert_frame_equal(epsilon_curve(Holds(MODEL), IMAGES, LABELS, **how), plain)
    assert sanity_checks(Holds(MODEL).eval(), IMAGES, LABELS) == sanity_checks(MODEL.eval(), IMAGES, LABELS)
    weight = torch.randn(1, 64, generator=torch.Generator().manual_seed(0))
    one, two = Linear(weight, torch.zeros(1)), Linear(torch.cat([-weight / 2, weight / 2]), torch.zeros(2))
    labels = own_labels(two, IMAGES)
    pd.testing.assert_frame_equal(epsilon_curve(one, IMAGES, labels, **how), epsilon_curve(two, IMAGES, labels, **how))


def test_engines_give_the_same_rows_and_the_starts_come_from_the_seed() -> None:
    attacks = (FGSM(1 / 64), pgd(1 / 64), pgd(1 / 32, random_start=False))
    first, *others = [verdicts(rows_of(UnderAttack(attacks, COUNT, engine=engine))) for engine in ENGINES]
    assert all(np.array_equal(first, other) for other in others)
    weak = PGD(0.1, alpha=1e-6, steps=1)
    one, again, other = (verdicts(rows_of(UnderAttack((weak,), COUNT, seed=seed)))[0] for seed in (0, 0, 1))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert torch.equal(run_attack(MODEL, Part.of(IMAGES[5:8], LABELS[5:8], first=5), weak), crafted(weak)[5:8])
    with pytest.raises(ValueError, match="foolbox"):
        load_engine("foolbox")


def curve(**how: Any) -> np.ndarray:
    return epsilon_curve(MODEL, IMAGES, LABELS, EPSILONS, **how)["accuracy"].to_numpy()


@pytest.mark.parametrize("name", ATTACKS.names())
def test_the_curve_of_one_attack_is_exact_at_every_epsilon(name: str) -> None:
    make = ATTACKS.load(name)
    attacks = (None, *map(make, EPSILONS))
    expected = [(own_labels(MODEL, crafted(attack)) == LABELS).double().mean().item() for attack in attacks]
    assert curve(attack=name) == pytest.approx(expected)
    if name in ("fgsm", "pgd", "apgd"):
        assert np.array_equal(curve(attack=name, norm="l2"), curve(attack=partial(make, norm="l2"), norm="l2"))
    stopped = curve(attack=make, early_stop=True)
    assert (np.diff(stopped) <= 0).all()
    if issubclass(make, Attack):  # others draw for a batch, not for an image
        assert (stopped <= curve(attack=make)).all()


def test_the_worst_case_and_half_precision_are_never_above_pgd_stopped_early() -> None:
    plain = curve(attack=PGD, early_stop=True)
    for found in (curve(attack="worst-case"), curve(attack=PGD, early_stop="bf16")):
        assert found[0] == plain[0]
        assert (found <= plain).all()


def test_a_linear_models_curve_is_the_share_of_margins_over_epsilon_whatever_form_the_images_have() -> None:
    weight = torch.randn(2, 64, generator=torch.Generator().manual_seed(3))
    pixels, labels, sizes = 64 + PIXELS // 2, LABELS % 2, (0.002, 0.01, 0.03)
    images, model = pixels.float() / 255, Linear(weight, -weight.sum(1) / 2)
    gap = (weight[1] - weight[0]).double()
    margins = (images.double().flatten(1) - 0.5) @ gap * (2 * labels - 1)
    right = [int((margins > eps * gap.abs().sum()).sum()) for eps in (0, *sizes)]
    halves = [{"image": images[a:b], "label": labels[a:b], "name": "x"} for a, b in ((0, 3), (3, COUNT))]
    given: Any = [
        (images, labels), (pixels.numpy(), labels.tolist()), (DataLoader(TensorDataset(images, labels), 7),),
        (DataLoader(TensorDataset(images.double(), labels.int(), labels), 7),), (TensorDataset(images, labels),),
        (halves,), ((images.numpy(), labels),), (images.double().numpy(), labels.int()),
        (list(images), labels[:, None].double()), (list(images.numpy()[..., ::-1].copy()[..., ::-1]), labels.short()),
        (images.double().requires_grad_(), list(labels)),
        ([(images, labels, 0)],),
        (pixels.numpy()[..., ::-1].copy()[..., ::-1], labels == 1),
    ]  # fmt: skip
    tables = [epsilon_curve(model, *each, epsilons=(0.0, *sizes[::-1]), attack="fgsm") for each in given]
    with torch.inference_mode():
        tables.append(epsilon_curve(model, images.clone(), labels.clone(), np.array(sizes), attack="fgsm"))
    alone = epsilon_curve(model, images, labels, sizes[1], attack="fgsm")
    pd.testing.assert_frame_equal(alone, tables[0].iloc[[0, 2]].reset_index(drop=True))
    tables.append(epsilon_curve(model, images, labels, sizes, attack=partial(PGD, steps=8), early_stop=True))
    for table in tables:
        pd.testing.assert_frame_equal(table, tables[0])
    assert table["epsilon"].tolist() == [0.0, *sizes]
    for row, count in zip(table.itertuples(), right, strict=True):
        interval = binomtest(count, COUNT).proportion_ci(method="wilson")
        assert (row.accuracy, row.ci_low, row.ci_high, row.n) == pytest.approx(
            (count / COUNT, interval.low, interval.high, COUNT)
        )


@pytest.mark.parametrize("early_stop", [False, True])
def test_an_attack_that_holds_its_model_gives_the_same_curve(early_stop: bool) -> None:
    expected = curve(attack=FGSM)
    for theirs in (
        lambda eps: torchattacks.FGSM(MODEL, eps=eps), lambda eps: as_torchattack("FGSM", MODEL, eps=eps),
        lambda eps: as_torchattack(FGSM, MODEL, eps=eps), lambda eps: lambda x, y: FGSM(eps)(MODEL, x, y),
        lambda eps: lambda model, images, labels: FGSM(eps)(model, images, labels),
    ):  # fmt: skip
        found = curve(attack=theirs, early_stop=early_stop)
        assert found == pytest.approx(np.minimum.accumulate(expected) if early_stop else expected, abs=1 / COUNT)
        assert early_stop or np.array_equal(found, expected)


class Picky(Nameless):
    """Refuses an empty batch."""

    def forward(self, images: Tensor) -> Tensor:
        assert len(images)
        return super().forward(images)


@pytest.mark.parametrize("attack", ["worst-case", *ATTACKS.names(), lambda eps: lambda images, labels: 1 - images])
@pytest.mark.parametrize("early_stop", [False, True])
def test_no_empty_batch_is_sent_where_all_are_wrong_or_all_are_fooled(attack: Any, early_stop: bool) -> None:
    ask = partial(epsilon_curve, Picky(MODEL), IMAGES, epsilons=[0.5, 1], attack=attack, early_stop=early_stop)
    own = own_labels(MODEL, IMAGES)
    assert ask((own + 1) % 4)["accuracy"][0] == 0
    assert ask(own)["accuracy"][0] == 1


X, Y = IMAGES, LABELS


@pytest.mark.parametrize(
    ("given", "how", "named"),
    [
        ((X, torch.eye(4)[Y]), {}, "argmax"), ((X, Y + 0.5), {}, "whole"), ((X, Y * torch.nan), {}, "whole"),
        ((X, ["a"] * COUNT), {}, "whole"), ((X, Y + 1), {}, "0..3"), ((X,), {}, "labels"),
        (([],), {}, "at least one"), ((X[:0], Y[:0]), {}, "at least one"), ((X, Y[1:]), {}, "one label"),
        (([{"a": X, "label": Y}],), {}, "pixel_values"),
        (([X],), {}, "Tensor"), ((X * 255, Y), {}, "255"), ((X.permute(0, 2, 3, 1), Y), {}, "H, W, C"),
        ((X, Y, 8), {}, "epsilon"), ((X, Y, 128), {"norm": "l2"}, "255"), ((X, Y), {"norm": "l1"}, "linf, l2"),
        ((X, Y), {"attack": "random-search", "norm": "l2"}, "random-search"),
        ((X, Y), {"attack": PGD(0.1)}, "epsilon"), ((X, Y), {"attack": 3}, "epsilon"),
        ((X, Y), {"attack": torchattacks.PGD}, "epsilon"), ((X, Y), {"attack": lambda x, y: x}, "epsilon"),
        ((X, Y), {"attack": lambda eps: eps}, "attack"), ((X, Y), {"early_stop": "fp16"}, "bf16"),
    ],
)  # fmt: skip
def test_the_curve_refuses_what_it_cannot_take_in_one_line(given: Any, how: Any, named: str) -> None:
    with pytest.raises((TypeError, ValueError), match=named) as raised:
        epsilon_curve(MODEL, *given, **how)
    assert "\n" not in str(raised.value)
