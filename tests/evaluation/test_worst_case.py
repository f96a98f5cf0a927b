"""The worst case against closed forms, what it says it cost, and models built to trip each of its signs."""

from __future__ import annotations

import copy
import re
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import binom
from torch import Tensor, nn
from toy_models import Linear, Nameless, dyadic_images, own_labels, small_net

from mri_robust import FMN, PGD, as_torchattack
from mri_robust.adapters.torchattacks import LibraryAttack
from mri_robust.attacks.evasion.effort import Counted, Effort
from mri_robust.attacks.evasion.epsilon_sweep import fooled_clean, lower
from mri_robust.attacks.evasion.norms import distance
from mri_robust.attacks.evasion.search import Part
from mri_robust.data.dataset import Dataset, Split
from mri_robust.evaluation import worst_case
from mri_robust.evaluation.epsilon_curve import epsilon_curve
from mri_robust.evaluation.evaluation import Context, measure
from mri_robust.evaluation.rows import choose_images
from mri_robust.evaluation.statistics import median_interval
from mri_robust.evaluation.worst_case import WorstCase, find_worst, indicators
from mri_robust.models.randomised import DRAWS, Averaged, is_random

COUNT = 60
MODEL = small_net()
IMAGES = dyadic_images(COUNT)
LABELS = own_labels(MODEL, IMAGES)
ORDERS = {"linf": 1, "l2": 2}


@pytest.fixture(autouse=True)
def small_budgets(monkeypatch: pytest.MonkeyPatch) -> None:
    library = partial(worst_case.library, "FAB", steps=8, multi_targeted=True), partial(worst_case.library, "Square")
    attacks = (
        worst_case.fmn(100),
        worst_case.apgd(8),
        worst_case.apgd_targeted(6),
        library[0](),
        library[1](n_queries=40),
    )
    monkeypatch.setitem(worst_case.SURVIVOR_ATTACKS, "standard", attacks)


def linear(classes: int) -> tuple[Linear, Tensor, Tensor, dict[str, Tensor]]:
    """A linear model, images, their labels, and by norm the least epsilon that fools each: closed form."""
    generator = torch.Generator().manual_seed(classes)
    images = 0.3 + 0.4 * torch.rand((COUNT, 1, 8, 8), generator=generator)
    weight = torch.randn(classes, 64, generator=generator)
    model = Linear(weight, -weight.sum(1) / 2).eval()
    labels, logits = own_labels(model, images), (images.double().flatten(1) - 0.5) @ weight.double().T
    gaps = logits.gather(1, labels[:, None]) - logits
    apart = weight.double()[labels][:, None] - weight.double()
    reach = {norm: gaps / torch.linalg.vector_norm(apart, order, dim=2) for norm, order in ORDERS.items()}
    return model, images, labels, {norm: far.nan_to_num(torch.inf).amin(1) for norm, far in reach.items()}


def dataset_of(images: Tensor, labels: Tensor, classes: int) -> Dataset:
    names = tuple(map(str, range(classes)))
    test = Split(images.numpy(), labels.numpy(), tuple(f"{place}.png" for place in range(len(labels))))
    return Dataset("toy", test, test, names, "toy")


def asked(worst: WorstCase, model: nn.Module, data: Dataset) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows and artefacts."""
    context = Context(model, data)
    return list(measure(worst, context)["rows"]), context.artefacts


@pytest.mark.parametrize("norm", ORDERS)
@pytest.mark.parametrize("classes", [2, 3, 4])
def test_fmn_finds_the_boundary_of_a_linear_model(classes: int, norm: Any) -> None:
    model, images, labels, least = linear(classes)
    wrong = torch.arange(COUNT) % 10 == 0
    crafted = FMN(norm=norm)(model, images, labels.where(~wrong, (labels + 1) % classes))
    far = distance(crafted.double() - images.double(), norm) / least[norm]
    assert torch.equal(crafted[wrong], images[wrong])  # misclassified: the least change is none
    assert (own_labels(model, crafted) != labels)[~wrong].all()
    assert (far[~wrong] > 0.999).all()  # nothing nearer exists, but for rounding where the margin is next to nothing
    assert (far[~wrong] < (1.001 if classes == 2 else 1.02)).all()


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_the_standard_budget_and_the_minimal_epsilon_are_the_closed_form(classes: int) -> None:
    model, images, labels, least = linear(classes)
    places, nearest = choose_images(COUNT, COUNT), least["linf"].numpy()
    epsilons = tuple(np.quantile(nearest, [0.2, 0.5, 0.8]).tolist())
    worst = WorstCase(epsilons, COUNT, steps=4, restarts=2)
    rows, left = asked(worst, model, dataset_of(images, labels, classes))
    last = [row for row in rows if row.get("after") == "square" and row["metric"] == "accuracy"]
    for eps, row in zip(epsilons, last, strict=True):
        assert np.array_equal(np.array(list(row["right"])) == "1", (nearest > eps)[places])
        assert (row["budget"], row["draws"]) == ("standard", None)
    assert left["minimal_epsilon"]["epsilon"] == pytest.approx(nearest[places], rel=0.02, abs=1e-5)
    [median] = [row for row in rows if row["metric"] == "minimal_epsilon"]
    assert median["value"] == pytest.approx(np.sort(nearest)[(COUNT - 1) // 2], rel=0.02)
    assert median["ci_low"] < median["value"] < median["ci_high"]
    assert not any(finding["tripped"] for finding in left["findings"] if finding["check"] != "converged")


def test_a_model_of_one_logit_has_the_closed_form_too() -> None:
    model, images, labels, least = linear(2)
    one = Linear(*(each[1:] - each[:1] for each in (model.weight.data, model.bias.data)))
    for norm, sizes in least.items():
        epsilons = sizes.quantile(torch.tensor([0.2, 0.5, 0.8]).double()).tolist()
        curve = epsilon_curve(one, images, labels, epsilons, attack="worst-case", norm=norm)
        assert curve["accuracy"].tolist() == [1.0, *((sizes > eps).double().mean().item() for eps in epsilons)]


def test_the_minimal_epsilon_reads_the_sweeps_accuracy_and_is_never_above_it() -> None:
    worst, data = WorstCase((1 / 64, 1 / 16), COUNT, steps=3, restarts=1), dataset_of(IMAGES, LABELS, 4)
    rows, left = asked(worst, MODEL, data)
    least = np.array([np.inf if eps is None else eps for eps in left["minimal_epsilon"]["epsilon"]])
    for eps in worst.epsilons:
        [value] = [
            row["value"]
            for row in rows
            if (row["metric"], row.get("epsilon"), row.get("after")) == ("accuracy", eps, "square")
        ]
        assert (least > eps).mean() == value
    how = {"places": range(COUNT), "seed": 0}
    stages = [make for _, make in worst.stages(4)]
    alone = find_worst(MODEL, IMAGES, LABELS, worst.epsilons, stages, **how)
    of_the_sweep = np.array([0, *worst.epsilons, np.inf])[alone["index"][-1] + 1]
    assert (least <= of_the_sweep[choose_images(COUNT, COUNT)]).all()


def test_the_medians_interval_is_that_of_the_order_statistics() -> None:
    """The bootstrap of the median of N values draws each order statistic with a binomial probability."""
    values = np.random.default_rng(1).exponential(size=41)
    middle, low, high = median_interval(values, draws=20_000)
    ranks = np.arange(42)
    below = binom.cdf(20, 41, ranks / 41)  # that at most 20 of 41 draws are among the first `rank` values
    share = 1 - below  # of draws whose median is one of them
    found = np.searchsorted(np.sort(values), [low, high]) + 1
    assert middle == np.median(values)
    assert abs(share[found[0]] - 0.025) < 0.03
    assert abs(share[found[1]] - 0.975) < 0.03
    assert median_interval(np.full(5, np.inf)) == (np.inf,) * 3


@pytest.mark.parametrize(
    ("name", "options", "passes"),
    [("FGSM", {}, (1, 1)), ("PGD", {"steps": 7}, (7, 7)), ("APGD", {"steps": 5, "eot_iter": 1}, None)],
)
def test_passes_are_counted_around_the_model_whoever_makes_them(
    name: str, options: dict[str, Any], passes: tuple[int, int] | None
) -> None:
    seen = [0, 0]

    class Watched(Nameless):
        def forward(self, images: Tensor) -> Tensor:
            seen[0] += len(images)
            if images.requires_grad:
                images.register_hook(lambda gradient: seen.__setitem__(1, seen[1] + len(gradient)))
            return super().forward(images)

    effort = Effort()
    as_torchattack(name, Counted(Watched(MODEL), effort).eval(), eps=1 / 64, **options)(IMAGES, LABELS)
    assert [effort.forwards, effort.gradients] == seen
    assert passes is None or seen == [COUNT * each for each in passes]


def test_the_costs_of_a_search_are_those_of_its_attacks() -> None:
    strong = Linear(torch.tensor([[1.0] * 64, [-1.0] * 64]), torch.tensor([1000.0, 0.0]))  # never fooled
    images, labels, epsilons = IMAGES[:40], torch.zeros(40, dtype=torch.int64), (0.01, 0.02)
    stages = [partial(LibraryAttack, "PGD", options=(("steps", 5),)), partial(LibraryAttack, "FGSM")]
    found = find_worst(strong, images, labels, epsilons, stages, places=range(40))
    assert found["index"].tolist() == [[2] * 40] * 2
    assert found["gradients"][:, 0].tolist() == [10, 12]
    assert (np.diff(found["forward_passes"], axis=0) > 2).all()


def test_runs_that_come_back_end_and_find_the_same() -> None:
    """The margin is a ridge: steps of eps/4 go to and fro over it."""

    class Ridge(nn.Module):
        def __init__(self, peak: float) -> None:
            super().__init__()
            self.peak = peak

        def forward(self, images: Tensor) -> Tensor:
            height = self.peak - (images.flatten(1) - 0.503).abs().sum(1)
            return torch.stack([torch.zeros_like(height), height], 1)

    images = torch.full((12, 1, 8, 8), 0.5)
    part = Part.of(images, torch.zeros(12, dtype=torch.int64))
    for peak, fooled in ((-0.5, False), (0.15, True)):
        attacks, effort, model = [PGD(0.02, steps=50, random_start=False)], Effort(), Ridge(peak)
        found = lower(fooled_clean(model, part, 1), model, part, attacks, effort=effort)
        assert found.index.tolist() == [0 if fooled else 1] * 12
        assert effort.skipped == (0 if fooled else 12 * (50 - 3))
    moving = [PGD(0.5, alpha=0.001, steps=50, random_start=False)]  # climbs to the end
    lower(fooled_clean(model, part, 1), model, part, moving, effort=(steady := Effort()))
    assert steady.skipped == 0


class Winding(nn.Module):
    """A pixel counts when the one before it has risen by .014, so that they rise one after the other."""

    def forward(self, images: Tensor) -> Tensor:
        risen = images.flatten(1) - 0.5
        height = risen[:, 0] + (risen[:, 1:] * (risen[:, :-1] >= 0.014)).sum(1)
        return torch.stack([torch.ones_like(height), height], 1)


class Rounded(Nameless):
    """Sees 16 levels, which undoes what its copies are fooled by; a copy sees all."""

    levels = 16

    def forward(self, images: Tensor) -> Tensor:
        if images.numel() and self.levels:  # which cannot be traced
            images = (images * self.levels).round() / self.levels
        return super().forward(images)

    def __deepcopy__(self, memo: Any) -> nn.Module:
        copied = Rounded(copy.deepcopy(self.inner, memo))
        copied.levels = 0
        return copied


class Rooted(Nameless):
    """The gradient of images whose first pixel is 0 is not a number."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) + 0.0 * images[:, :1, 0, 0].sqrt()


def signs(model: nn.Module, images: Tensor, labels: Tensor, **how: Any) -> dict[str, bool]:
    how = {"places": range(len(labels)), "stages": [partial(PGD, steps=10, random_start=False)], **how}
    found = find_worst(model, images, labels, (1 / 64,), **how)
    return {each.check: each.tripped for each in indicators(found, [str(place) for place in range(len(labels))])}


def test_each_sign_is_tripped_by_the_model_built_for_it_alone() -> None:
    quiet = dict.fromkeys(worst_case.SIGNS, False)
    model, images, labels, _ = linear(4)
    assert signs(model, images, labels) == quiet
    assert signs(Winding(), torch.full_like(images, 0.5), torch.zeros_like(labels)) == {**quiet, "converged": True}
    coarse = (IMAGES * 16).round() / 16
    rounded = Rounded(MODEL).eval()
    assert signs(rounded, coarse, own_labels(rounded, coarse), precision="bf16")["transfer"]
    assert not signs(MODEL, coarse, own_labels(MODEL, coarse), precision="bf16")["transfer"]


def test_images_without_a_gradient_are_named_and_count_by_what_the_model_calls_them() -> None:
    images, labels = IMAGES.clamp(min=1 / 256), LABELS.clone()
    images[[3, 20], :, 0, 0] = 0
    labels[20] = (labels[20] + 1) % 4
    worst, data = WorstCase((1 / 16,), COUNT, steps=3, restarts=1, budget="quick"), dataset_of(images, labels, 4)
    rows, left = asked(worst, Rooted(MODEL).eval(), data)
    [said] = [finding for finding in left["findings"] if finding["check"] == "zero-gradients"]
    assert (said["tripped"], said["figure"]) == (True, 2 / COUNT)
    assert re.findall(r"\w+\.png", said["message"]) == ["3.png", "20.png"]
    [clean] = [row["right"] for row in rows if row["attack"] == "none" and "right" in row]
    right = (own_labels(MODEL, images) == labels).numpy()[choose_images(COUNT, COUNT)]
    assert np.array_equal(np.array(list(clean)) == "1", right)


class Noisy(Nameless):
    """Adds noise to the image in eval mode too."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images + 0.1 * torch.randn_like(images))


def test_a_model_that_draws_is_asked_for_its_expectation_reproducibly() -> None:
    model, data = Noisy(MODEL).eval(), dataset_of(IMAGES, LABELS, 4)
    assert is_random(model, IMAGES)
    assert not is_random(MODEL, IMAGES)
    torch.manual_seed(3)
    expected = torch.stack([model(IMAGES).softmax(1) for _ in range(DRAWS)]).mean(0).log()
    torch.manual_seed(3)
    assert torch.allclose(Averaged(model)(IMAGES), expected, atol=1e-5)
    pixels = IMAGES.clone().requires_grad_(True)
    torch.manual_seed(3)
    (gradient,) = torch.autograd.grad(Averaged(model)(pixels).gather(1, LABELS[:, None]).sum(), pixels)
    torch.manual_seed(3)
    mean = torch.stack([model(pixels).softmax(1) for _ in range(DRAWS)]).mean(0)
    (wanted,) = torch.autograd.grad(mean.log().gather(1, LABELS[:, None]).sum(), pixels)
    assert torch.allclose(gradient, wanted, atol=1e-5)
    worst, state = WorstCase((1 / 64, 1 / 16), 24, steps=2, restarts=1, budget="quick"), torch.get_rng_state()
    rows, _ = asked(worst, model, data)
    assert torch.equal(torch.get_rng_state(), state)
    assert asked(worst, model, data)[0] == rows
    assert {row["draws"] for row in rows if row["attack"] == "worst-case"} == {DRAWS}
    values = [row["value"] for row in rows if row["metric"] == "accuracy" and row.get("after") != "pgd"]
    assert values == sorted(values, reverse=True)
