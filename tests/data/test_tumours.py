"""Which classes show a tumour: by name, or as somebody says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mri_robust.bench.environment import Machine
from mri_robust.bench.plan import Plan
from mri_robust.bench.runner import Bench
from mri_robust.core.errors import UserError
from mri_robust.data.dataset import load_dataset, with_tumours
from mri_robust.data.dataset import healthy_classes
from mri_robust.evaluation.rates import rates
from mri_robust.study.experiment import load_experiment
from mri_robust.study.scale import SCALES
from mri_robust.study.setting import DataFacts, Setting

STUDY = ("glioma", "meningioma", "notumor", "pituitary")
OWN = ("Astrozytom", "Gesund", "Metastase", "Narbe")
DATA = "phantom:train=8,test=8"


def test_names_say_it_unless_somebody_does() -> None:
    assert healthy_classes(STUDY) == (2,)
    assert healthy_classes(("No_Tumor", "x", "NORMAL")) == (0, 2)
    assert healthy_classes(OWN) == ()
    assert healthy_classes(OWN, ("Metastase", "Astrozytom")) == (1, 3)
    assert healthy_classes(STUDY, ("notumor",)) == (0, 1, 3)


def test_missed_tumours_with_two_healthy_classes_by_hand() -> None:
    """Four tumours: one called healthy, one called scar, one called the other tumour, one right."""
    labels, predicted = np.array([0, 0, 2, 2, 1, 3]), np.array([1, 3, 0, 2, 0, 1])
    rows = rates(labels, predicted, OWN, "all", (1, 3))
    (row,) = [row for row in rows if row["metric"] == "missed_tumour_rate"]
    assert (row["value"], row["n"]) == (2 / 4, 4)
    assert not [row for row in rates(labels, predicted, OWN, "all") if row["metric"] == "missed_tumour_rate"]


def test_the_studys_attacks_aim_at_the_first_healthy_class_and_start_from_all_tumours() -> None:
    facts = DataFacts("own", "0" * 16, "grey", OWN, 8, 8, tumour_classes=("Metastase", "Astrozytom"))
    assert facts.healthy == 1
    assert facts.tumours == [0, 2]
    with pytest.raises(UserError, match="name the others with --tumour-classes"):
        _ = replace(facts, tumour_classes=()).healthy


def test_a_data_set_is_changed_only_by_what_its_names_do_not_say() -> None:
    dataset = load_dataset(DATA, size=16)
    assert with_tumours(dataset, ()) is dataset
    assert with_tumours(dataset, ("pituitary", "glioma", "meningioma")) is dataset
    told = with_tumours(dataset, ("glioma", "pituitary"))
    assert told.healthy == (1, 2)
    assert told.digest == dataset.digest  # the pixels are the same, so trained models are too


def digests(tumour_classes: tuple[str, ...]) -> list[tuple[str, str]]:
    """Digest of each cell of two tables, and of the recipe of its model."""
    experiments = (load_experiment("fgsm"), load_experiment("noisy-loss"))
    plan = Plan(experiments=experiments, data=DATA, weights="none", tumour_classes=tumour_classes)
    bench = Bench(plan, Path("nowhere"), Machine(torch.device("cpu"), "fp32", 1))
    return [(cell.digest, repr(cell.recipe)) for cell in bench._declare("sound")]


def test_cells_are_others_only_where_the_option_says_something_new() -> None:
    default, same = digests(()), digests(("glioma", "meningioma", "pituitary"))
    other, reordered = digests(("pituitary", "glioma")), digests(("glioma", "pituitary"))
    assert same == default
    assert reordered == other
    assert not {digest for digest, _ in default} & {digest for digest, _ in other}
    assert [recipe for _, recipe in default] == [recipe for _, recipe in other]


@pytest.mark.parametrize(("classes", "targeted"), [(STUDY, True), (STUDY[1:3], False)])
def test_targeted_apgd_is_asked_for_only_where_its_loss_is_defined(classes: tuple[str, ...], targeted: bool) -> None:
    facts = DataFacts("own", "0" * 16, "grey", classes, 100, 100)
    cells = load_experiment("pgd").cells(Setting("sound", SCALES["full"], facts, seed=42))
    attacks = {line["attack"] for cell in cells for line in cell.lines}
    assert ("pgd-APGD-APGDT-Square" in attacks) == targeted
    assert ("pgd-APGD-Square" in attacks) != targeted
