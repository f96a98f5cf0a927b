"""The table of universal perturbations on a linear model, whose answers under one follow from its weights."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from toy_data import config, noise, split, values
from toy_models import Linear, seeded

from mri_robust.attacks.evasion.universal import Universal
from mri_robust.core.errors import UserError
from mri_robust.core.validation import to_unit_range
from mri_robust.data.dataset import Dataset
from mri_robust.evaluation.evaluation import Context
from mri_robust.evaluation.universal import Fitting, UniversalTest
from mri_robust.experiments.universal import EXPERIMENT
from mri_robust.report.contact_sheet import opened

SIDE, CLASSES = 8, ("glioma", "notumor")
EPS = 0.02
WEIGHT = torch.randn(2, SIDE**2, generator=seeded(3))
GAP = WEIGHT[1] - WEIGHT[0]
MODEL = Linear(WEIGHT, torch.tensor([GAP.sum().item() * 0.5, 0.0]))


def labelled(seed: int, count: int) -> Any:
    images = 60 + noise(seed, count, most=140, side=SIDE)
    return split(images, MODEL(to_unit_range(images)).argmax(1).numpy())


TRAIN, TEST = labelled(1, 60), labelled(2, 50)
DATA = Dataset("noise", TRAIN, TEST, CLASSES, "noise")


def test_it_turns_the_test_images_that_are_nearer_than_the_dual_norm() -> None:
    fittings = (Fitting(Universal(EPS, targeted=True)), Fitting(Universal(EPS), 0))
    context = Context(MODEL, DATA)
    rows = list(UniversalTest(fittings, 50, target=1)(context))
    tumours = to_unit_range(TEST.images[TEST.labels == 0])
    margins = tumours.flatten(1) @ GAP - 0.5 * GAP.sum()
    expected = (margins + EPS * GAP.abs().sum() > 0).double().mean().item()
    assert 0 < expected < 1
    targeted = values(rows, attack="universal", target="notumor")
    assert targeted["missed_tumour_rate"] == pytest.approx(expected)
    assert values(rows, attack="none") == {"accuracy": 1.0, "missed_tumour_rate": 0.0}
    assert values(rows, attack="random signs")["missed_tumour_rate"] < expected
    fitted = int((TRAIN.labels == 0).sum())
    assert {row["fitting_images"] for row in rows if row["attack"] == "universal"} == {fitted}
    [clean, pattern, both] = context.artefacts["sheet"][0]["cells"]
    shown = np.asarray(opened(pattern["image"]), dtype=int)[..., 0]
    assert np.array_equal(shown, np.where(GAP.reshape(SIDE, SIDE) > 0, 255, 0))
    changed = np.asarray(opened(both["image"]), dtype=int) - np.asarray(opened(clean["image"]), dtype=int)
    assert np.abs(changed).max() == round(255 * EPS)


def test_fitting_images_are_no_test_images_and_fewer_are_among_more(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[bytes]] = []

    class Watched(Universal):
        def __call__(self, model: Any, images: Any, labels: Any, **how: Any) -> Any:
            seen.append({image.numpy().tobytes() for image in images})
            return super().__call__(model, images, labels, **how)

    test = split(np.concatenate([TEST.images, TRAIN.images[:20]]), np.concatenate([TEST.labels, TRAIN.labels[:20]]))
    leaky = Dataset("leaky", TRAIN, test, CLASSES, "leaky")
    attack = Watched(EPS, steps=4)
    rows = list(UniversalTest((*(Fitting(attack, n) for n in (8, 30, 100, None)),), 70)(Context(MODEL, leaky)))
    assert [len(each) for each in seen] == [8, 30, 40]  # 100 images are no more than all
    assert seen[0] < seen[1] < seen[2]
    assert not seen[2] & {image.tobytes() for image in test.images}
    assert {row["n"] for row in rows if row["subset"] == "training"} == {8, 30, 40}
    whole = Dataset("whole", TRAIN, TRAIN, CLASSES, "whole")
    with pytest.raises(UserError, match="whole"):
        list(UniversalTest((Fitting(attack),), 8)(Context(MODEL, whole)))


def test_both_engines_have_rows_of_their_own() -> None:
    fittings = (Fitting(Universal(0.1), 8), Fitting(Universal(0.1), 8, "art"))
    context = Context(MODEL, DATA)
    rows = list(UniversalTest(fittings, 50)(context))
    ours, art = (values(rows, attack="universal", engine=engine)["accuracy"] for engine in ("native", "art"))
    assert ours < 1
    assert art < 1
    assert len(context.artefacts["sheet"]) == 2
    assert all(
        isinstance(opened(cell["image"]), Image.Image) for each in context.artefacts["sheet"] for cell in each["cells"]
    )


def test_without_a_class_without_a_tumour_nothing_is_aimed_at() -> None:
    named = Dataset("named", TRAIN, TEST, ("a", "b"), "named")
    [(_, asked), *_] = EXPERIMENT.tasks(config(dataset=named))
    assert asked.target == -1
    assert not any(each.attack.targeted for each in asked.fittings)
    [(_, both), *_] = EXPERIMENT.tasks(config(dataset=DATA))
    assert both.target == 1
    assert {round(each.attack.eps * 255) for each in both.fittings} == {2, 4, 8}
    aims = {(each.attack.targeted, each.images, each.engine) for each in both.fittings}
    assert aims == {
        *((aim, n, "native") for aim in (False, True) for n in (16, 128, None)),
        (False, 128, "art"),
        (False, 0, "native"),
    }
