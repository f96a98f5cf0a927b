"""The cross-check passes what is right and fails what is broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from toy_models import Nameless, assert_unchanged, dyadic_images, own_labels, small_net, state_of, unsettle

from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.attacks.poisoning.creeper import Creeper
from mri_robust.evaluation.agreement import Agreement
from mri_robust.evaluation.certificate import Certificate
from mri_robust.evaluation.crosscheck import catches, crosscheck
from mri_robust.evaluation.engines import ENGINES, Engine, Stamping, load_engine, run_native
from mri_robust.evaluation.mutants import MUTANTS, mutate

IMAGES = dyadic_images(24)
LABELS = own_labels(small_net(), IMAGES)


@pytest.fixture(scope="module")
def certificate() -> Certificate:
    return crosscheck(small_net(), IMAGES, LABELS)


def test_three_right_engines_pass(certificate: Certificate) -> None:
    assert certificate.passed, certificate.verdict()
    assert "PASSED" in certificate.verdict()
    assert certificate.images == 24
    assert certificate.mutants == {
        "wrong sign": True, "one step fewer": True, "no projection": True, "moved trigger": True,
    }  # fmt: skip
    assert certificate.verdict().endswith("; 4 of 4 mutants caught")


def test_the_table_has_every_pair_of_engines(certificate: Certificate) -> None:
    table = certificate.table()
    columns = "attack engine other images bit_identical max_difference equal_predictions success_differs bound passed"
    assert list(table.columns) == columns.split()
    linf = table[~table.attack.str.contains("l2|trigger")]
    assert linf.groupby("attack").size().eq(3).all()
    assert (linf.bit_identical == 1).all()
    assert (linf.max_difference == 0).all()
    assert (table.max_difference <= table.bound).all()
    (trigger,) = table[table.attack == "creeper trigger"].to_dict("records")
    assert (trigger["engine"], trigger["other"], trigger["images"]) == ("native", "art", 24)
    assert (trigger["bit_identical"], trigger["bound"]) == (1, 0)


def test_the_certificate_is_json(certificate: Certificate) -> None:
    content = json.loads(certificate.json())
    assert content["passed"] is True
    assert len(content["comparisons"]) == len(certificate.agreements)
    assert content["versions"].keys() >= {"torch", "torchattacks", "adversarial-robustness-toolbox"}


class WideBallPGD(PGD):
    """Projects to a ball half as large again."""

    def _advance(self, images: Tensor, iterate: Tensor, direction: Tensor) -> Tensor:
        eps = 1.5 * self.eps if self.norm == "l2" else min(1.0, 1.5 * self.eps)
        return PGD._advance(_plain(self, eps=eps), images, iterate, direction)


class ShortStepPGD(PGD):
    def _advance(self, images: Tensor, iterate: Tensor, direction: Tensor) -> Tensor:
        return super()._advance(images, iterate, direction / 2)


class NoClipPGD(PGD):
    def _advance(self, images: Tensor, iterate: Tensor, direction: Tensor) -> Tensor:
        return PGD._advance(_plain(self, bounds=(-9.0, 9.0)), images, iterate, direction)


class ForgetfulPGD(PGD):
    """Begins at the image whatever start it is given."""

    def craft(self, model: nn.Module, images: Tensor, labels: Tensor, starts: Tensor) -> Tensor:
        return super().craft(model, images, labels, images.expand_as(starts))


def values(attack: FGSM | PGD) -> dict[str, Any]:
    return {name: getattr(attack, name) for name in attack.__dataclass_fields__ if name != "_"}


def _plain(attack: PGD, **changes: Any) -> PGD:
    return PGD(**values(attack) | changes)


def short_sighted_fgsm(attack: FGSM) -> FGSM:
    return replace(attack, eps=attack.eps / 2)


BROKEN: dict[str, Callable[[Any], Any]] = {
    **{name: lambda attack, name=name: mutate(attack, name) for name in MUTANTS},
    "wide ball": lambda attack: WideBallPGD(**values(attack)) if isinstance(attack, PGD) else attack,
    "half step": lambda attack: ShortStepPGD(**values(attack)) if isinstance(attack, PGD) else attack,
    "start ignored": lambda attack: ForgetfulPGD(**values(attack)) if isinstance(attack, PGD) else attack,
    "no clipping": lambda attack: NoClipPGD(**values(attack)) if isinstance(attack, PGD) else attack,
    "half fgsm": lambda attack: short_sighted_fgsm(attack) if isinstance(attack, FGSM) else attack,
    "not targeted": lambda attack: replace(attack, targeted=False) if attack.targeted else attack,
    "dim trigger": lambda attack: Stamping(Creeper(0.5)) if isinstance(attack, Stamping) else attack,
    "no trigger": lambda attack: Stamping(torch.clone) if isinstance(attack, Stamping) else attack,
}


def engine_of(change: Callable[[Any], Any]) -> Engine:
    def run(attack: Any, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None) -> Tensor:
        return run_native(change(attack), model, images, labels, start)

    return run


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_engine_fails(name: str) -> None:
    engines = {"native": engine_of(BROKEN[name])} | {other: load_engine(other) for other in ENGINES[1:]}
    certificate = crosscheck(small_net(), IMAGES, LABELS, engines=engines)
    assert certificate.passed is False
    assert certificate.verdict().startswith("cross-check FAILED: ")
    blamed = [a for a in certificate.agreements if not a.passed]
    assert all("native" in (a.engine, a.other) for a in blamed)  # the two right ones still agree


def test_only_the_trigger_is_blamed_for_a_moved_trigger() -> None:
    engines = {"native": engine_of(BROKEN["moved trigger"]), "art": load_engine("art")}
    verdict = crosscheck(small_net(), IMAGES, LABELS, engines=engines).verdict()
    assert verdict == "cross-check FAILED: creeper trigger (native against art)"


def test_the_moved_trigger_is_the_face_one_pixel_to_the_left() -> None:
    stamped = mutate(Stamping(Creeper(1.0)), "moved trigger")(small_net(), torch.zeros(1, 1, 12, 12), LABELS)
    face = torch.from_numpy(Creeper().mask(12, 12))
    assert torch.equal(stamped[0, 0, :, :-1] == 1, face[:, 1:])


def test_images_smaller_than_the_trigger_are_checked_without_it() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(49, 4))
    certificate = crosscheck(net, dyadic_images(4, side=7), LABELS[:4])
    assert certificate.passed, certificate.verdict()
    assert "creeper trigger" not in set(certificate.table().attack)
    assert certificate.mutants["moved trigger"]  # on the self-test's own images


def test_a_mutation_that_touches_nothing_is_not_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MUTANTS, "idle", {})
    assert catches("idle", load_engine("art")) is False


def test_swapping_the_engines_changes_no_figure() -> None:
    engines = {name: load_engine(name) for name in reversed(ENGINES)}
    assert crosscheck(small_net(), IMAGES, LABELS, engines=engines).passed


def test_an_engine_of_pixels_that_are_no_numbers_fails() -> None:
    def blank(attack: Any, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None) -> Tensor:
        return torch.full_like(images, torch.nan)

    certificate = crosscheck(small_net(), IMAGES, LABELS, engines={"native": blank, "art": load_engine("art")})
    assert not any(agreement.passed for agreement in certificate.agreements)
    assert json.loads(certificate.json())["passed"] is False


@pytest.mark.parametrize("names", [("native",), ("ours", "theirs"), ("ours", "native")])
def test_no_comparison_is_no_pass(names: tuple[str, ...]) -> None:
    """One engine alone, or engines of other names, must not pass for want of anything to compare."""

    def idle(attack: Any, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None) -> Tensor:
        return images

    engines = {name: idle if name == "ours" else run_native for name in names}
    try:
        certificate = crosscheck(small_net(), IMAGES, LABELS, engines=engines)
    except ValueError:
        return
    assert not certificate.passed


@pytest.mark.parametrize("wrap", [lambda net: net, Nameless], ids=["stated", "nameless"])
def test_the_model_and_the_global_generator_are_left_alone(wrap: Callable[[nn.Module], nn.Module]) -> None:
    model = unsettle(wrap(small_net()))
    before, chance = state_of(model), torch.get_rng_state()
    assert crosscheck(model, IMAGES, LABELS).passed
    assert_unchanged(model, before)
    assert torch.equal(torch.get_rng_state(), chance)


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_few_steps_fail_no_right_engine(steps: int) -> None:
    """A mutation that changes nothing at so few steps cannot be held against the engines."""
    certificate = crosscheck(small_net(), IMAGES, LABELS, steps=steps)
    assert all(agreement.passed for agreement in certificate.agreements)
    assert certificate.passed, certificate.verdict()


def test_wrong_inputs_are_refused() -> None:
    with pytest.raises(TypeError, match="uint8"):
        crosscheck(small_net(), (IMAGES * 255).byte(), LABELS)
    with pytest.raises(ValueError, match=r"0\.\.3, got 7"):
        crosscheck(small_net(), IMAGES, LABELS + 7 - LABELS)


def test_agreement_counts_by_hand() -> None:
    one = torch.zeros(4, 1, 2, 2)
    two = one.clone()
    two[1, 0, 0, 0], two[3, 0, 1, 1] = 0.25, -0.5
    says, fooled = torch.tensor([0, 1, 2, 3]), torch.tensor([True, False, True, False])
    judged, other = (says, fooled), (torch.tensor([0, 1, 0, 3]), torch.tensor([True, True, True, False]))
    blank = Agreement("pgd", "a", "b", bound=0.5, equal_success=True)
    agreement = blank.add(one, two, judged, other)
    assert agreement.row() == {
        "attack": "pgd", "engine": "a", "other": "b", "images": 4, "bit_identical": 0.5, "max_difference": 0.5,
        "equal_predictions": 0.75, "success_differs": 1, "bound": 0.5, "passed": False,
    }  # fmt: skip
    assert replace(agreement, equal_success=False).passed
    assert not replace(agreement, equal_success=False, bound=0.49).passed
    twice = agreement.add(one, one, judged, judged)
    assert (twice.images, twice.identical, twice.difference, twice.success_differs) == (8, 6, 0.5, 1)
