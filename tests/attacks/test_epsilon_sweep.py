"""The engine for accuracy over epsilon against its definition, computed by brute force, for every registered attack."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from toy_models import Counter, Linear, Nameless, build_attack, dyadic_images, own_labels, small_net

from mri_robust.attacks.evasion import ATTACKS
from mri_robust.attacks.evasion import epsilon_sweep as sweep
from mri_robust.attacks.evasion import search as side_by_side
from mri_robust.attacks.evasion.attack import loss_gradient, predict
from mri_robust.attacks.evasion.epsilon_sweep import attacked_predictions, fooled_clean, lower
from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.attacks.evasion.search import Fooled, Part, start_of
from mri_robust.attacks.evasion.strongest import worst_case
from mri_robust.core.errors import UserError


class Wavy(Nameless):
    """Its decisions change back and forth along an attack: a later iterate need not fool where an earlier one did."""

    def forward(self, images: Tensor) -> Tensor:
        return (20 * super().forward(images)).sin()


EPSILONS = (0.002, 0.006, 0.015, 0.03, 0.1)
MODEL = Wavy(small_net())
IMAGES = dyadic_images(16)
LABELS = own_labels(MODEL, IMAGES)
LABELS[::7] = (LABELS[::7] + 1) % 4
PART = Part.of(IMAGES, LABELS)
N = len(IMAGES)
WRONG = torch.arange(N) % 7 == 0
NAMES = ATTACKS.names()
PARTS = ((0, 5), (5, 6), (6, N))


@dataclass(frozen=True)
class Theirs:
    """Another package's attack: it adds a fixed pattern and leaves the model in train mode."""

    eps: float
    size: float = 1.0
    norm: str = "linf"

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor, *, generator: torch.Generator) -> Tensor:
        model.train()
        return (images + self.size * self.eps * (dyadic_images(1, seed=9) - 0.5).sign()).clamp(0, 1)


def iterates(attack: Any, seed: int) -> Iterator[Tensor]:
    """Every image that counts: the result, or each iterate of each run, by plain calls of 0, 1, 2, ... steps."""
    if isinstance(attack, Theirs):
        yield attack(MODEL, IMAGES, LABELS, generator=torch.Generator())
        return
    start = start_of(attack, PART, seed)
    if not attack.early_stop:
        yield attack(MODEL, IMAGES, LABELS, start=start)
        return
    for run in IMAGES[None] if start is None else start:
        yield run
        for steps in range(1, attack.steps + 1):
            shorter = replace(attack, steps=steps)
            single = replace(shorter, restarts=1) if attack.restarts > 1 else shorter
            yield single(MODEL, IMAGES, LABELS, start=run)


@cache
def by_definition(attacks: tuple[Any, ...], seed: int = 0, last: bool = False) -> Fooled:
    """Fooled at the smallest epsilon at which it, or a smaller one, has an image that fools; `last`: a run's last."""
    predicted = predict(MODEL, IMAGES)
    index = torch.where(predicted == LABELS, len(attacks), -1)
    for level, attack in enumerate(attacks):
        found = list(iterates(attack, seed))
        MODEL.eval()
        for crafted in found[attack.steps :: attack.steps + 1] if last else found:
            called = predict(MODEL, crafted)
            hit = (index == len(attacks)) & (called != LABELS)
            index[hit], predicted[hit] = level, called[hit]
    return Fooled(index, predicted)


def search(
    attacks: tuple[Any, ...], before: Fooled | None = None, places: range = range(N), batch: int = 32, **options: Any
) -> Fooled:
    MODEL.eval()
    part = PART.at(torch.tensor(places))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep, "SEARCH_BATCH", batch)
        patch.setattr(side_by_side, "BATCH", batch)
        found = lower(before or fooled_clean(MODEL, part, len(attacks)), MODEL, part, attacks, **options)
    MODEL.eval()
    return found


def same(found: Fooled, expected: Fooled) -> bool:
    return torch.equal(found.index, expected.index) and torch.equal(found.predicted, expected.predicted)


def at_all(make: Callable[..., Any], epsilons: tuple[float, ...] = EPSILONS, **options: Any) -> tuple[Any, ...]:
    return tuple(make(eps, **options) for eps in epsilons)


KINDS: dict[str, tuple[Any, ...]] = {name: at_all(partial(build_attack, name)) for name in NAMES} | {
    "a step for all epsilons": at_all(PGD, alpha=0.002, steps=7, random_start=False),
    "a step that divides no epsilon": at_all(PGD, alpha=0.0015, steps=5, random_start=False),
    "steps that grow late": tuple(PGD(e, alpha=max(0.001, e / 4), steps=7, random_start=False) for e in EPSILONS),
    "restarts": at_all(PGD, steps=2, restarts=3),
    "restarts, clip before": at_all(PGD, alpha=0.002, steps=2, restarts=2, clip="before"),
    "L2 from the image": tuple(PGD(9 * e, alpha=0.02, steps=4, norm="l2", random_start=False) for e in EPSILONS),
    "L2 restarts": tuple(PGD(9 * e, steps=3, norm="l2", restarts=2) for e in EPSILONS),
    "no early stop": at_all(PGD, steps=3, clip="end"),
    "no early stop, restarts": at_all(PGD, steps=2, clip="end", restarts=2, norm="l2"),
    "L2 FGSM": tuple(FGSM(9 * e, norm="l2") for e in EPSILONS),
    "steps by epsilon": tuple(PGD(e, alpha=0.003, steps=2 + int(90 * e), random_start=False) for e in EPSILONS),
    "another package's": at_all(Theirs),
}


class TestLower:
    @pytest.mark.parametrize("kind", KINDS)
    def test_is_the_definition_for_every_batch_size_and_any_parts(self, kind: str) -> None:
        expected = by_definition(KINDS[kind], seed=5)
        assert kind == "another package's" or len(set(expected.index.tolist())) > 2
        for batch in (1, 7, 64):
            assert same(search(KINDS[kind], seed=5, batch=batch), expected)
        parts = [search(KINDS[kind], places=range(a, b), seed=5) for a, b in PARTS]
        assert same(Fooled(*(torch.cat(each) for each in zip(*parts, strict=True))), expected)

    @given(
        alpha=st.sampled_from([None, 0.001, 0.003, 0.01]), steps=st.integers(1, 4), random_start=st.booleans(),
        runs=st.integers(1, 2), norm=st.sampled_from(["linf", "l2"]), seed=st.integers(0, 9),
        epsilons=st.sets(st.integers(1, 50), min_size=1, max_size=4), batch=st.integers(1, 30),
    )  # fmt: skip
    @settings(max_examples=15)
    def test_is_the_definition_for_any_pgd(
        self, epsilons: set[int], runs: int, seed: int, batch: int, random_start: bool, norm: Any, **given: Any
    ) -> None:
        scale, given = 0.001 if norm == "linf" else 0.01, {**given, "norm": norm, "random_start": random_start}
        attacks = tuple(PGD(scale * e, restarts=runs if random_start else 1, **given) for e in sorted(epsilons))
        assert same(search(attacks, seed=seed, batch=batch), by_definition(attacks, seed))

    def test_random_starts_depend_on_the_seed_and_the_place(self) -> None:
        attacks = KINDS["restarts"]
        assert not torch.equal(search(attacks, seed=1).index, search(attacks, seed=2).index)
        drawn, other = (start_of(each, PART.at(torch.tensor([0, 1, 0])), 0) for each in (attacks[0], KINDS["pgd"][0]))
        assert torch.equal(drawn[:, 0], drawn[:, 2])
        assert not torch.equal(drawn[0, 0], drawn[0, 1])
        assert not torch.equal(drawn[0], other[0])  # of the same size, but of another attack

    @given(limits=st.lists(st.integers(-1, len(EPSILONS)), min_size=N, max_size=N), kind=st.sampled_from(list(KINDS)))
    @settings(max_examples=15)
    def test_an_earlier_attack_limits_the_search_and_can_only_be_lowered(self, limits: list[int], kind: str) -> None:
        before = Fooled(torch.tensor(limits), torch.arange(N))
        alone = by_definition(KINDS[kind])
        right = predict(MODEL, IMAGES) == LABELS
        found = search(KINDS[kind], Fooled(torch.where(right, before.index, -1), before.predicted))
        lowered = right & (alone.index < before.index)
        assert torch.equal(found.index, torch.where(lowered, alone.index, torch.where(right, before.index, -1)))
        assert torch.equal(found.predicted, torch.where(lowered, alone.predicted, before.predicted))
        assert before.index.tolist() == limits

    @pytest.mark.parametrize("kind", KINDS)
    def test_wrong_images_are_never_attacked(self, kind: str) -> None:
        seen: list[Tensor] = []
        before = fooled_clean(MODEL, PART, len(EPSILONS))

        class Recorded(Nameless):
            def forward(self, images: Tensor) -> Tensor:
                seen.extend(images.detach())
                return super().forward(images)

        search(KINDS[kind], before, copies=[Recorded(MODEL)])
        near = {int((IMAGES - image).flatten(1).abs().sum(1).argmin()) for image in seen}
        assert near == set(torch.nonzero(~WRONG).flatten().tolist())

    @pytest.mark.parametrize("copies", [[], [MODEL], [Wavy(MODEL), MODEL]])
    def test_another_packages_attack_is_asked_once_about_each_survivor_alone(self, copies: list[nn.Module]) -> None:
        seen: list[Tensor] = []
        attack = lambda model, images, labels, generator: seen.append(images) or images  # noqa: E731
        worst_case(MODEL, PART, [0.1, 0.2], [lambda eps: attack], copies=copies)
        assert torch.equal(torch.cat(seen), IMAGES[~WRONG].repeat(2, 1, 1, 1))

    def test_another_packages_attack_runs_on_the_copy_and_the_model_judges(self) -> None:
        asked: list[nn.Module] = []
        theirs = at_all(lambda eps: lambda model, images, labels, generator: asked.append(model) or 1 - images)
        found = search(theirs, copies=[copy := Wavy(MODEL)])
        assert torch.equal(found.index == 0, (predict(MODEL, 1 - IMAGES) != LABELS) & ~WRONG)
        assert set(asked) == {copy}

    @pytest.mark.parametrize("kind", KINDS)
    def test_nobody_standing_calls_no_model(self, kind: str) -> None:
        class Picky(Nameless):
            def forward(self, images: Tensor) -> Tensor:
                assert len(images)
                return super().forward(images)

        model = Picky(MODEL)
        wrong = (predict(MODEL, IMAGES) + 1) % 4
        before = fooled_clean(model, Part.of(IMAGES, wrong), len(EPSILONS))
        model.forward = None  # type: ignore[method-assign,assignment]
        found = lower(before, model, Part.of(IMAGES, wrong), KINDS[kind])
        assert same(found, before)
        assert found.index.tolist() == [-1] * N
        halfway = Fooled(torch.full((N,), 1), LABELS)  # none stands at the second epsilon
        assert (lower(halfway, Picky(MODEL).eval(), PART, KINDS[kind]).index <= 1).all()

    @pytest.mark.parametrize("lie", ["everybody", "nobody", "some"])
    @pytest.mark.parametrize("kind", ["pgd", "a step for all epsilons", "steps that grow late", "L2 restarts"])
    def test_a_copy_that_lies_counts_no_success_and_hides_no_last_iterate(
        self, kind: str, lie: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        generator = torch.Generator().manual_seed(0)

        def liar(copy: nn.Module, images: Tensor, labels: Tensor, **_: Any) -> tuple[Tensor, Tensor]:
            gradient, _ = loss_gradient(MODEL, images, labels)
            wrong = {"everybody": (labels + 1) % 4, "nobody": labels}.get(lie)
            wrong = torch.randint(4, labels.shape, generator=generator) if wrong is None else wrong
            return gradient, nn.functional.one_hot(wrong, 4).float()

        monkeypatch.setattr(side_by_side, "loss_gradient", liar)
        found, every = search(KINDS[kind], copies=[Nameless(MODEL)]), by_definition(KINDS[kind])
        last = by_definition(KINDS[kind], last=True)
        assert (every.index <= found.index).all()
        assert (found.index <= last.index).all()
        assert lie == "some" or same(found, every if lie == "everybody" else last)
        assert kind == "pgd" or not same(every, last)

    def test_shared_steps_are_not_computed_again(self) -> None:
        """Alpha .001: the runs at .002 and .005 share 1 and 2 steps; those at .01 and .1 repeat the one at .005.

        Once in its corner, a run takes one more step to see that it stays there: 2 gradients at each of three epsilons.
        """
        model = Counter(Linear(torch.tensor([[1.0] * 64, [-1.0] * 64]), torch.tensor([100.0, 0.0])))  # never fooled
        images, labels = torch.full((8, 1, 8, 8), 0.5), torch.zeros(8, dtype=torch.int64)
        attacks = at_all(PGD, (0.001, 0.002, 0.005, 0.01, 0.1), alpha=0.001, steps=5, random_start=False)
        before = fooled_clean(model, Part.of(images, labels), 5)
        model.answers = 0
        assert lower(before, model, Part.of(images, labels), attacks).index.tolist() == [5] * 8
        assert (model.gradients, model.answers) == (8 * (2 + 2 + 2), 8 * 3)

    def test_a_linear_model_is_fooled_at_the_first_radius_over_its_margin(self) -> None:
        """The gap of the logits falls by 128 eps: an image with gap g is fooled from eps = g / 128 on."""
        model = Linear(torch.tensor([[1.0] * 64, [-1.0] * 64]), torch.tensor([0.0, 64.0]))
        images = torch.full((3, 1, 8, 8), 0.5) + torch.tensor([0.005, 0.015, 0.4]).view(3, 1, 1, 1)
        labels = torch.zeros(3, dtype=torch.int64)
        attacks = at_all(PGD, (0.01, 0.02, 0.04), alpha=0.005, steps=8, random_start=False)
        found = lower(fooled_clean(model, Part.of(images, labels), 3), model, Part.of(images, labels), attacks)
        assert found.index.tolist() == [0, 1, 3]
        assert found.predicted.tolist() == [1, 1, 0]


class TestAttackedPredictions:
    @pytest.mark.parametrize("kind", KINDS)
    def test_are_those_of_each_attack_by_itself_image_by_image_and_in_any_parts(
        self, kind: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sweep, "BATCH", 6)
        attacks, told = [None, *KINDS[kind]], []
        found = attacked_predictions(MODEL, PART, attacks, seed=4, on_image=lambda *n: told.append(n))
        assert not MODEL.training
        assert told == [(6, N), (12, N), (N, N)]
        assert torch.equal(found[0], predict(MODEL, IMAGES))
        for row, attack in zip(found[1:], attacks[1:], strict=True):
            for place in range(N):
                one, label = IMAGES[place : place + 1], LABELS[place : place + 1]
                if isinstance(attack, Theirs):
                    crafted = attack(MODEL, one, label, generator=torch.Generator())
                    MODEL.eval()
                else:
                    crafted = attack(MODEL, one, label, start=start_of(attack, PART.at(torch.tensor([place])), 4))
                assert int(predict(MODEL, crafted)) == row[place]
        joined = [attacked_predictions(MODEL, Part.of(IMAGES[a:b], LABELS[a:b], a), attacks, seed=4) for a, b in PARTS]
        assert torch.equal(torch.cat(joined, 1), found)

    def test_the_gradient_at_the_images_is_computed_once_for_all_epsilons(self) -> None:
        model = Counter(MODEL)
        images, labels = IMAGES.repeat(9, 1, 1, 1)[:130], LABELS.repeat(9)[:130]  # three batches
        attacked_predictions(model, Part.of(images, labels), at_all(FGSM))
        assert (model.gradients, model.answers) == (130, 130 * len(EPSILONS))

    def test_a_faster_copy_proposes_and_the_model_says_who_is_fooled(self) -> None:
        other, attacks = small_net(1), [FGSM(0.05), PGD(0.05, steps=2)]
        found = attacked_predictions(MODEL, PART, attacks, proposer=other)
        for row, attack in zip(found, attacks, strict=True):
            crafted = attack.craft(other, IMAGES, LABELS, start_of(attack, PART, 0))
            sure = predict(other, crafted) == LABELS
            assert torch.equal(row, torch.where(sure, LABELS, predict(MODEL, crafted)))
            assert (row != LABELS).any()

    def test_another_code_runs_the_attacks_from_the_same_starts(self) -> None:
        given = []

        def craft(attack: PGD, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor) -> Tensor:
            given.append(start)
            return start[0]

        attack = PGD(0.1)
        found = attacked_predictions(MODEL, PART, [attack], craft=craft, seed=2)
        assert torch.equal(given[0], start_of(attack, PART, 2))
        assert torch.equal(found[0], predict(MODEL, given[0][0]))


def test_another_packages_attack_draws_from_the_seed_and_not_from_its_address() -> None:
    class Plain:
        def __call__(self, model: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
            return torch.rand(images.shape, generator=generator)

    use = [Plain(), Plain(), Plain()]
    one, again, other = (attacked_predictions(MODEL, PART, [use[s]], seed=s // 2) for s in range(3))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


class Perturb(nn.Module):
    """An attack that is a module."""

    def forward(self, images: Tensor, labels: Tensor, steps: int = 3) -> Tensor:
        assert labels.dtype == torch.int64
        return (images + 0.1 * torch.rand(images.shape)).clamp(0, 1)


class Unnamed:
    def __call__(self, inputs: Tensor, labels: Tensor | None = None, *args: Any, **kwargs: Any) -> Tensor:
        assert not kwargs  # as torchattacks: what it cannot use would reach the attack
        return Perturb()(inputs, labels)


CALLS: list[Any] = [
    lambda model, images, labels: Perturb()(images, labels), lambda images, labels: Perturb()(images, labels),
    lambda model, x, y=None: Perturb()(x, y), lambda m, x, y, eps=1.0, **more: Perturb()(x, y), Perturb(), Unnamed(),
    partial(lambda scale, images, labels: Perturb()(images, labels), 2.0),
]  # fmt: skip


@pytest.mark.parametrize("attack", CALLS)
def test_an_attack_is_called_as_its_signature_says_and_draws_from_the_seed_alone(attack: Any) -> None:
    state = torch.get_rng_state()
    with torch.no_grad():
        one, again, other = (sweep.run_attack(MODEL, PART, attack, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert 0 < (one - IMAGES).abs().max() <= 0.1 + 1e-6
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    with pytest.raises(TypeError, match="attack"):
        sweep.run_attack(MODEL, PART, 0.1)


def test_no_model_is_asked_about_no_images_and_no_nan_is_counted() -> None:
    model = Nameless(MODEL)
    model.forward = None  # type: ignore[method-assign,assignment]
    none = PART.at(torch.arange(0))
    assert attacked_predictions(model, none, [None, FGSM(0.1), CALLS[0]]).shape == (3, 0)
    for attacks in KINDS.values():
        assert lower(fooled_clean(model, none, 5), model, none, attacks).index.shape == (0,)
    broken = Linear(torch.full((4, 64), torch.nan), torch.zeros(4))
    for use in (attacked_predictions, worst_case):
        with pytest.raises(UserError, match="finite"):
            use(broken, PART, *([[None]] if use is attacked_predictions else [[0.1], [PGD]]))


@pytest.mark.parametrize(
    ("attack", "named"),
    [
        (Theirs(0.1, size=1.5), "0.15"), (Theirs(0.1, norm="l2"), "0.79"), (lambda m, x, y, generator: x + 1, "lie in"),
        (lambda m, x, y, generator: x.double(), "float64"), (lambda m, x, y, generator: x[:1], "images"),
        (lambda m, x, y, generator: None, "NoneType"),
    ],
)  # fmt: skip
def test_another_packages_attack_is_refused_when_it_leaves_its_ball_or_gives_no_images(attack: Any, named: str) -> None:
    for use in (partial(attacked_predictions, MODEL, PART), search):
        with pytest.raises(UserError, match=named):
            use((attack,))
    attacked_predictions(MODEL, PART, [Theirs(0.1), Theirs(0.81, size=0.125, norm="l2")])
