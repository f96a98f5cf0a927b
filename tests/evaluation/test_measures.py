"""Measures on models whose answers are known: one that reads the trigger, one that knows every image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mri_robust.data.dataset import Dataset, Split
from mri_robust.evaluation.measures.backdoor import measure_backdoor, triggered_places
from mri_robust.evaluation.measures.class_report import measure_class_report
from mri_robust.evaluation.measures.snoop_pipeline import measure_pipeline
from mri_robust.evaluation.measures.snooping import measure_snooping
from mri_robust.evaluation.subject import Subject

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
COUNT, SIDE, TARGET = 80, 16, 2
VALUE = 0.1855 + 2 * 0.1813


def make_dataset() -> Dataset:
    """Black images; the pixel in the first corner says the class: 60 * label."""
    images = np.zeros((COUNT, 1, SIDE, SIDE), np.uint8)
    labels = np.arange(COUNT) % 4
    images[:, 0, 0, 0] = 60 * labels
    split = Split(images, labels, tuple(f"{i}.png" for i in range(COUNT)))
    other = Split(255 - images, labels, split.names)  # no twins: nothing leaks
    return Dataset("pixels", other, split, CLASSES, "0" * 16)


DATA = make_dataset()


class Backdoored(nn.Module):
    """Reads the class off the first pixel, unless the last-corner pixel (-3, -4) of the trigger's mouth is lit."""

    classes = CLASSES

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, images: Tensor) -> Tensor:
        label = (images[:, 0, 0, 0] * 255 / 60).round().long()
        lit = (images[:, 0, -3, -4] - VALUE).abs() < 0.01
        return nn.functional.one_hot(torch.where(lit, TARGET, label), 4).float() * self.scale


class Watchman:
    """A snooper that flags exactly the images with the trigger, and image 0; its scores are 0.9 and 0.1."""

    threshold = 0.5

    def score(self, images: Tensor) -> np.ndarray:
        lit = (images[:, 0, -3, -4] - VALUE).abs() < 0.01
        scores = np.where(lit.numpy(), 0.9, 0.1).astype(np.float32)
        scores[0] = 0.9
        return scores


PARAMETERS = {"tests": ["clean", "mix", "triggered"], "mix_share": 0.3, "target": TARGET, "leak_free": True, "seed": 0}


def values(rows: list[dict], subset: str = "all") -> dict[str, float]:
    return {row["metric"]: row["value"] for row in rows if row["class"] == "" and row["subset"] == subset}


def test_a_perfect_backdoor_is_invisible_on_clean_images_and_always_succeeds() -> None:
    result = measure_backdoor(PARAMETERS, Subject(Backdoored(), DATA))
    clean, mix, triggered = (values(rows) for rows in result["rows"])
    assert clean["accuracy"] == 1.0
    assert triggered == {"asr": 1.0}
    assert result["rows"][2][0]["n"] == 60  # images of the target class are no victims
    stamped = triggered_places("mix", DATA.test.labels, PARAMETERS)
    assert mix["accuracy"] == pytest.approx(1 - len(stamped) / COUNT)
    assert mix["missed_tumour_rate"] == pytest.approx(len(stamped) / 60)
    assert result["confusion"][2]["counts"] == [[0, 0, 20, 0], [0, 0, 20, 0], [0, 0, 20, 0], [0, 0, 20, 0]]
    assert values(result["rows"][0], "leak-free") == clean


def test_the_mix_draws_30_percent_of_all_and_skips_notumor() -> None:
    places = triggered_places("mix", DATA.test.labels, PARAMETERS)
    assert 0 < len(places) <= 24
    assert not (DATA.test.labels[places] == TARGET).any()
    assert len(triggered_places("triggered", DATA.test.labels, PARAMETERS)) == 60
    assert len(triggered_places("clean", DATA.test.labels, PARAMETERS)) == 0


def test_a_perfect_snooper_takes_the_backdoors_success_away() -> None:
    parameters = {**PARAMETERS, "threshold": "chosen"}
    alone = measure_pipeline(parameters, Subject(Backdoored(), DATA))
    guarded = measure_pipeline(parameters, Subject(Backdoored(), DATA, others=(Watchman(),)))
    assert [values(rows)["referred"] for rows in alone["rows"]] == [0.0, 0.0, 0.0]
    clean, _, triggered = (values(rows) for rows in guarded["rows"])
    assert values(alone["rows"][2])["asr"] == 1.0
    assert (triggered["asr"], triggered["recall"], triggered["referred"]) == (0.0, 1.0, 60 / COUNT)
    assert (triggered["accuracy"], clean["referred"]) == (1.0, 1 / COUNT)


def test_a_threshold_above_every_score_refers_nobody() -> None:
    parameters = {**PARAMETERS, "threshold": "0.95"}
    guarded = measure_pipeline(parameters, Subject(Backdoored(), DATA, others=(Watchman(),)))
    assert [values(rows)["referred"] for rows in guarded["rows"]] == [0.0, 0.0, 0.0]
    assert values(guarded["rows"][2])["asr"] == 1.0


def test_the_training_record_becomes_curves_and_epochs_to_90() -> None:
    history = [
        {"epoch": epoch, "loss": 1 / epoch, "accuracy": 0.5, "test": test}
        for epoch, test in enumerate((0.7, 0.89, 0.9, 0.8), start=1)
    ]
    result = measure_class_report({"leak_free": False}, Subject(Backdoored(), DATA, history))
    assert values(result["rows"][0])["epochs_to_90"] == 3
    assert values(result["rows"][0])["accuracy"] == 1.0
    assert [values(rows)["accuracy"] for rows in result["rows"][1:]] == [0.7, 0.89, 0.9, 0.8]
    assert values(result["rows"][2], "training") == {"accuracy": 0.5, "loss": 0.5}
    assert result["curves"][0]["test"] == [0.7, 0.89, 0.9, 0.8]


class Reader:
    """A snooper that scores the last-corner pixel of the creeper itself."""

    threshold = 0.3

    class model:
        classes = ("no_pattern", "pattern")

    def score(self, images: Tensor) -> np.ndarray:
        return images[:, 0, -3, -4].numpy()


def test_a_detector_that_reads_the_trigger_is_perfect_on_it() -> None:
    tests = [{"trigger": "creeper", "parameters": {}, "threshold": threshold} for threshold in ("chosen", "0.9")]
    result = measure_snooping({"tests": tests, "fixed": False, "seed": 0}, Subject(Reader(), DATA))
    chosen, high = (values(rows) for rows in result["rows"])
    assert (chosen["accuracy"], chosen["fpr"], chosen["auc"], chosen["tpr_at_fpr"]) == (1.0, 0.0, 1.0, 1.0)
    assert (high["accuracy"], high["fpr"], high["threshold"]) == (0.5, 0.0, 0.9)
    assert result["confusion"][0]["counts"] == [[40, 0], [0, 40]]
    assert result["roc"][0]["point"] == [0.0, 1.0]
    assert len(result["roc"]) == 1  # one curve a trigger, whatever the thresholds


@pytest.mark.parametrize("seed", [1, 2])
def test_half_of_the_images_are_stamped(seed: int) -> None:
    tests = [{"trigger": "creeper", "parameters": {}, "threshold": "0.5"}]
    result = measure_snooping({"tests": tests, "fixed": False, "seed": seed}, Subject(Reader(), DATA))
    counts = np.array(result["confusion"][0]["counts"])
    assert counts.sum(1).tolist() == [40, 40]
