"""The cross-check passes what is right and fails what is broken."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from toy_models import Nameless, assert_unchanged, dyadic_images, own_labels, small_net, state_of, unsettle

from mri_robust.attacks.evasion.epsilon_sweep import Craft
from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.attacks.poisoning.creeper import Creeper
from mri_robust.evaluation.broken_attacks import MUTANTS, changed
from mri_robust.evaluation.comparison import Check, Stamping, engine, summary
from mri_robust.evaluation.crosscheck import Certificate, crosscheck
from mri_robust.study.config import ENGINES

IMAGES = dyadic_images(24)
LABELS = own_labels(small_net(), IMAGES)


def check(**engines: Craft) -> Certificate:
    return crosscheck(small_net(), IMAGES, LABELS, engines=engines or None)


def deviating(**engines: Craft) -> Certificate:
    return crosscheck(small_net(), IMAGES, LABELS, steps=1, engines=engines or None, with_deviations=True)


@pytest.fixture(scope="module")
def certificate() -> Certificate:
    return check()


def test_three_right_engines_pass_and_every_mutant_is_caught(certificate: Certificate) -> None:
    assert certificate.passed, certificate.verdict()
    assert certificate.images == 24
    assert certificate.mutants == dict.fromkeys(MUTANTS, True)
    assert {"wrong sign", "no projection", "no halving", "no momentum", "likeliest target last"} < MUTANTS.keys()
    content = json.loads(json.dumps(certificate.content(), allow_nan=False))
    assert (content["passed"], len(content["comparisons"])) == (True, len(certificate.rows))
    assert content["versions"].keys() >= {"torch", "torchattacks", "adversarial-robustness-toolbox"}


def test_the_table_has_every_pair_of_engines(certificate: Certificate) -> None:
    table = certificate.table()
    linf = table[~table.attack.str.contains("l2|trigger|apgd")]
    assert linf.groupby("attack").size().eq(3).all()
    assert len(linf) == 5 * 3
    apgd = table[table.attack.str.startswith("apgd") & (table.other == "torchattacks")]
    assert apgd[["attack", "engine", "other"]].to_numpy().tolist() == [
        [name, "native", "torchattacks"] for name in ("apgd", "apgd-l2", "apgd targeted")
    ]
    linf = pd.concat([linf, apgd])
    assert (linf.bit_identical == 1).all()
    assert (linf.max_difference == 0).all()
    assert (table.max_difference <= table.bound).all()
    [trigger] = table[table.attack == "creeper trigger"].to_dict("records")
    assert (trigger["engine"], trigger["other"], trigger["images"]) == ("native", "art", 24)
    assert (trigger["bit_identical"], trigger["bound"]) == (1, 0)


def test_known_deviations_are_counted_and_break_nothing() -> None:
    certificate = deviating()
    known = {(row["other"], row["attack"]): row for row in certificate.rows if row["deviation"]}
    assert {*known} >= {("torchattacks", "apgd"), ("torchattacks", "apgd-l2 targeted"), ("art", "apgd")}
    assert all(row["bound"] is None and row["passed"] for row in known.values())
    assert f"{len(known)} known deviations" in certificate.verdict()
    broken = deviating(native=lambda attack, model, images, *_: images * torch.nan, art=engine("art"))
    assert not any(row["passed"] for row in broken.rows if row["deviation"])


class WideBallPGD(PGD):
    """Projects to a ball half as large again."""

    def projected(self, images: Tensor, iterate: Tensor, eps: float | Tensor) -> Tensor:
        return super().projected(images, iterate, 1.5 * eps)


class ShortStepPGD(PGD):
    def stepped(self, iterate: Tensor, slope: Tensor, alpha: float | Tensor) -> Tensor:
        return super().stepped(iterate, slope, alpha / 2)


class ForgetfulPGD(PGD):
    """Begins at the image whatever start it is given."""

    def craft(self, model: nn.Module, images: Tensor, labels: Tensor, start: Any, gradient: Any = None) -> Tensor:
        return super().craft(model, images, labels, images.expand_as(start), gradient)


def as_(kind: type[PGD]) -> Callable[[PGD], PGD]:
    return lambda attack: kind(**{name: value for name, value in vars(attack).items() if name != "_"})


BROKEN: dict[str, tuple[type, Callable[[Any], Any]]] = {
    "wide ball": (PGD, as_(WideBallPGD)),
    "half step": (PGD, as_(ShortStepPGD)),
    "start ignored": (PGD, as_(ForgetfulPGD)),
    "no clipping": (PGD, lambda attack: replace(attack, bounds=(-9.0, 9.0))),
    "half fgsm": (FGSM, lambda attack: replace(attack, eps=attack.eps / 2)),
    "not targeted": (FGSM, lambda attack: replace(attack, targeted=False)),
    "dim trigger": (Stamping, lambda attack: Stamping(Creeper(0.5))),
}


def broken(name: str) -> Craft:
    kind, change = BROKEN.get(name, (object, None))
    touches, craft = MUTANTS.get(name) or (lambda attack: isinstance(attack, kind), partial(changed, change))

    def run(attack: Any, *rest: Any) -> Tensor:
        return (craft if touches(attack) else engine("native"))(attack, *rest)

    return run


@pytest.mark.parametrize("name", [*MUTANTS, *BROKEN])
def test_a_broken_engine_fails_and_is_the_one_blamed(name: str) -> None:
    found = check(native=broken(name), **{other: engine(other) for other in ENGINES[1:]})
    blamed = [row for row in found.rows if not row["passed"]]
    assert not found.passed
    assert blamed
    assert all("native" in (row["engine"], row["other"]) for row in blamed)  # the two right ones still agree
    if "trigger" in name:
        assert {row["attack"] for row in blamed} == {"creeper trigger"}
    assert all(row["attack"] in found.verdict() for row in blamed)


def test_few_steps_and_images_smaller_than_the_trigger_fail_no_right_engine() -> None:
    assert crosscheck(small_net(), IMAGES, LABELS, steps=1).passed
    net = nn.Sequential(nn.Flatten(), nn.Linear(49, 4))
    found = crosscheck(net, dyadic_images(4, side=7), LABELS[:4])
    assert found.passed, found.verdict()
    assert "creeper trigger" not in set(found.table().attack)
    assert found.mutants["moved trigger"]  # on the self-test's own images


def test_pixels_that_are_no_numbers_fail() -> None:
    blank = check(native=lambda attack, model, images, labels, start: images * torch.nan, art=engine("art"))
    assert {(row["passed"], row["max_difference"]) for row in blank.rows} == {(False, None)}


@pytest.mark.parametrize("names", [("native",), ("ours", "theirs"), ("ours", "native")])
def test_no_comparison_is_no_pass(names: tuple[str, ...]) -> None:
    """One engine alone, or engines of other names, must not pass for want of anything to compare."""

    def idle(attack: Any, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None) -> Tensor:
        return images

    engines = {name: idle if name == "ours" else engine("native") for name in names}
    assert not check(**engines).passed


@pytest.mark.parametrize("wrap", [lambda net: net, Nameless], ids=["stated", "nameless"])
def test_the_model_and_the_global_generator_are_left_alone(wrap: Callable[[nn.Module], nn.Module]) -> None:
    model = unsettle(wrap(small_net()))
    before, state = state_of(model), torch.get_rng_state()
    assert crosscheck(model, IMAGES, LABELS, steps=2).passed
    assert_unchanged(model, before)
    assert torch.equal(torch.get_rng_state(), state)
    with pytest.raises(TypeError, match="uint8"):
        crosscheck(model, (IMAGES * 255).byte(), LABELS)


def test_a_row_counts_images_by_hand() -> None:
    difference, same = torch.tensor([0, 0.25, 0, 0.5]), torch.tensor([True, False, True, True])
    check, differs = Check("pgd", FGSM(0.5), bound=0.5), torch.tensor([False, True, False, False])
    assert summary(check, "a", "b", difference, same, differs) == {
        **{"attack": "pgd", "engine": "a", "other": "b", "images": 4, "bit_identical": 0.5, "max_difference": 0.5},
        **{"equal_predictions": 0.75, "success_differs": 1, "bound": 0.5, "passed": False, "deviation": ""},
    }
    assert summary(check, "a", "b", difference, same, differs & False)["passed"]
    for bound, passed in ((0.5, True), (0.49, False)):
        loose = replace(check, bound=bound, equal_success=False)
        assert summary(loose, "a", "b", difference, same, differs)["passed"] == passed
