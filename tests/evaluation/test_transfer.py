"""Transfer against the white-box numbers of `UnderAttack`, and against images crafted by hand on another model."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from toy_data import split, values
from toy_models import SmallNet, dyadic_images, own_labels, small_net

from mri_robust.attacks.evasion.apgd import APGD
from mri_robust.attacks.evasion.epsilon_sweep import run_attack
from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.attacks.evasion.search import Part
from mri_robust.attacks.privacy.extraction import Extraction
from mri_robust.bench.audit import audit
from mri_robust.core.errors import UserError
from mri_robust.data.dataset import Dataset
from mri_robust.evaluation.evaluation import Context
from mri_robust.evaluation.extraction import ExtractionTest, Theft
from mri_robust.evaluation.robustness import UnderAttack
from mri_robust.evaluation.rows import choose_images
from mri_robust.evaluation.transfer import Transfer
from mri_robust.experiments.transfer import EXPERIMENT
from mri_robust.study.recipe import External, Recipe

COUNT = 70
PIXELS = (dyadic_images(COUNT) * 255).round().byte()
IMAGES = PIXELS.float() / 255
TARGET, OTHER = small_net(0), small_net(7)
LABELS = own_labels(TARGET, IMAGES)
DATA = Dataset(
    "noise",
    split(PIXELS.numpy()[:40], LABELS.numpy()[:40]),
    split(PIXELS.numpy(), LABELS.numpy()),
    SmallNet.classes,
    "noise",
)
ASKED, SOURCE = External("target"), Recipe("other", "cnn", 8, "grey", seed=0)
ATTACKS = (FGSM(1 / 32), PGD(1 / 32, steps=3), APGD(1 / 32, steps=5))


def rows_of(transfer: Any, **how: Any) -> list[dict[str, Any]]:
    return list(transfer(Context(TARGET, DATA, ASKED, **{"open_model": lambda _: OTHER, **how})))


def test_the_diagonal_is_the_white_box_number_and_another_source_is_weaker() -> None:
    rows = rows_of(Transfer(ATTACKS, COUNT, (ASKED, SOURCE), seed=3))
    open_rows = list(UnderAttack(ATTACKS, COUNT, seed=3)(Context(TARGET, DATA)))
    own, other, truth = (
        [values(some, attack=name, **where) for name in ("fgsm", "pgd", "apgd")]
        for some, where in ((rows, {"source": "target"}), (rows, {"source": "other"}), (open_rows, {}))
    )
    assert own == truth
    assert all(far["accuracy"] > near["accuracy"] for far, near in zip(other, own, strict=True))
    assert values(rows, attack="none") == {"accuracy": 1.0, "missed_tumour_rate": 0.0}


def test_images_are_those_of_the_source_and_the_verdict_is_the_targets() -> None:
    images, places = 50, choose_images(COUNT, 50)
    part = Part(IMAGES[places], LABELS[places], torch.arange(images))
    rows = rows_of(Transfer(ATTACKS[:1], images, (SOURCE,), seed=3))
    crafted = run_attack(OTHER, part, ATTACKS[0])
    expected = (own_labels(TARGET, crafted) == LABELS[places]).double().mean().item()
    assert values(rows, source="other")["accuracy"] == pytest.approx(expected)


def test_a_stolen_copy_is_the_one_that_extraction_trains() -> None:
    theft = Theft("own code", Extraction("training images", 40, updates=40, batch_size=8, learning_rate=2e-3))
    thefts = (theft, Theft("untrained copy"))
    rows = rows_of(Transfer(ATTACKS[:1], COUNT, (), thefts, seed=3))
    by_art = replace(theft, thief="ART")
    stolen = list(ExtractionTest((by_art, *thefts), seed=3)(Context(TARGET, DATA)))
    for source, thief in (("stolen copy", "own code"), ("untrained copy", "untrained copy")):
        fidelity = values(stolen, thief=thief)["fidelity"]
        assert values(rows, attack="none", source=source) == {"fidelity": fidelity}
        assert set(values(rows, attack="fgsm", source=source)) == {"accuracy", "missed_tumour_rate"}


@pytest.mark.parametrize(("fact", "other"), [("image_size", 16), ("channels", "rgb"), ("classes", ("a", "b"))])
def test_a_source_of_other_images_or_classes_is_refused(fact: str, other: Any, monkeypatch: Any) -> None:
    source = small_net(1)
    monkeypatch.setattr(source, fact, other, raising=False)
    with pytest.raises(UserError, match=f"'other'.*'target'.*{fact}"):
        rows_of(Transfer(ATTACKS, COUNT, (SOURCE,)), open_model=lambda _: source)


def test_own_models_are_each_others_sources_and_one_alone_without_training_images_its_own() -> None:
    table = audit(small_net(), (IMAGES, LABELS), ["transfer"], images=20, epsilons=(1 / 32,))
    attacked = table[table["attack"] != "none"]
    assert set(attacked["source"]) == {"model"}
    from toy_data import config

    pair = (External("a"), External("b"))
    asked = config(models=pair, dataset=replace(DATA, train=split(np.zeros((0, 1, 8, 8), np.uint8))))
    tasks = EXPERIMENT.tasks(asked)
    assert [(model, task.sources, task.thefts) for model, task in tasks] == [(one, pair, ()) for one in pair]
    assert set(tasks[0][1].further_models()) == set(pair)
    assert len(EXPERIMENT.tasks(config(models=pair[:1]))[0][1].thefts) == 2
