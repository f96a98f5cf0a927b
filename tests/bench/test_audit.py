"""The user's own model through the study's experiments: in memory, opened from its source, and two compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny
import torch
from torch.utils.data import DataLoader, TensorDataset
from toy_models import Linear, assert_unchanged, small_net, state_of, unsettle

from mri_robust.bench import audit as own
from mri_robust.bench.runner import Run
from mri_robust.core.errors import UserError
from mri_robust.evaluation import robustness
from mri_robust.models.checkpoint import save_model
from mri_robust.models.classifier import build_model
from mri_robust.study.config import Config
from mri_robust.study.experiment import all_experiments, load_experiment
from mri_robust.study.results_folder import ResultsFolder

EPSILONS = (0.003, 0.01, 0.02)


def linear(seed: int = 0) -> tuple[Linear, torch.Tensor, torch.Tensor, np.ndarray]:
    """A model of two classes; images well inside [0, 1], their labels, and how far each is from being fooled."""
    generator = torch.Generator().manual_seed(seed)
    images = 0.3 + 0.4 * torch.rand((60, 1, 8, 8), generator=generator)
    weight = torch.randn(2, 64, generator=generator)
    model = Linear(weight, -weight.sum(1) / 2)
    gap = (weight[1] - weight[0]).double()
    margins = (images.double().flatten(1) - 0.5) @ gap
    labels = (margins > 0).long()
    labels[::6] = 1 - labels[::6]
    signed = torch.where(labels == 1, margins, -margins)
    return model.eval(), images, labels, (signed / gap.abs().sum()).numpy()


def overall(table: pd.DataFrame, attack: str) -> list[float]:
    rows = table[(table["metric"] == "accuracy") & (table["subset"] == "all") & (table["attack"] == attack)]
    return rows.sort_values("epsilon")["value"].tolist()


def test_a_linear_models_accuracy_is_the_share_of_margins_over_epsilon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(robustness, "SURVIVOR_ATTACKS", (("Square", (("n_queries", 20),)),))
    model, images, labels, reach = linear()
    how: dict[str, Any] = {"epsilons": EPSILONS, "steps": 8, "restarts": 1}
    table = own.audit(model, (images, labels), ["fgsm", "pgd", "worst-case"], **how)
    expected = [(reach > eps).mean() for eps in EPSILONS]
    assert 0 < expected[2] < expected[1] < expected[0] < (reach > 0).mean()
    for attack in ("fgsm", "pgd", "worst-case"):
        found = overall(table[table["after"].isna() | (table["after"] == "square")], attack)
        assert found == pytest.approx(expected), attack
    assert overall(table[table["experiment"] == "pgd"], "none") == [pytest.approx((reach > 0).mean())]
    assert [finding["tripped"] for finding in table.attrs["findings"]] == [False] * len(table.attrs["findings"])
    assert len(table.attrs["findings"]) >= 9


def test_arrays_tensors_and_loaders_are_the_same_images_and_the_model_stays_as_it_was() -> None:
    model = unsettle(small_net())
    before, state = state_of(model), torch.get_rng_state()
    pixels = torch.randint(0, 256, (30, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(30) % 4
    loader = DataLoader(TensorDataset(pixels.float() / 255, labels), batch_size=7)
    first, other = (
        own.audit(model, each, ["fgsm"], images=20) for each in ((pixels, labels), (pixels.numpy(), [*labels]))
    )
    assert torch.equal(torch.get_rng_state(), state)
    pd.testing.assert_frame_equal(first, other)
    pd.testing.assert_frame_equal(first, own.audit(model, loader, ["fgsm"], images=20))
    assert set(first["n"]) >= {20}
    assert set(first["class"]) <= {"", *model.classes}
    assert_unchanged(model, before)


def test_a_source_is_read_as_the_model_states() -> None:
    table = own.audit(small_net(), tiny.DATA, ["fgsm"], epsilons=(0.1,))
    assert (set(table["dataset"]), table["n"].max()) == ({"phantom"}, 16)


def test_experiments_that_train_their_own_models_cannot_ask_the_users() -> None:
    assert [each.name for each in own.tests_of((), everything=False)] == ["worst-case", "artefacts"]
    assert [each.name for each in own.tests_of(["table3", "fgsm"], everything=False)] == ["fgsm"]
    everything = own.tests_of((), everything=True)
    assert everything == [each for each in all_experiments(beyond=True) if each.finished]
    with pytest.raises(UserError, match="trains its own"):
        own.tests_of(["fgsm", "noisy-loss"], everything=False)


def test_floors_name_the_models_that_stay_under_them() -> None:
    columns = ["model", "seed", "epsilon", "after", "value"]
    rows = [("a", 42, 0.0, None, 0.9), ("a", 42, 4 / 255, "pgd", 0.6), ("a", 42, 4 / 255, "square", 0.4)]
    rows += [("b", 42, 4 / 255, "square", 0.5), ("a", 43, 4 / 255, "square", 0.7)]
    table = pd.DataFrame(rows, columns=columns).assign(metric="accuracy", subset="all", attack="worst-case")
    for least, models in ((0.39, []), (0.5, ["a"]), (0.55, ["a", "b"]), (0.8, ["a", "b", "a"])):
        found = own.broken_floors(table, [(4 / 255, least)])
        assert [line.split(":")[0] for line in found] == models
    with pytest.raises(UserError, match="eps"):
        own.broken_floors(table, [(8 / 255, 0.5)])


def checkpoint(path: Path, seed: int, **changes: Any) -> str:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        how: dict[str, Any] = {"classes": ("glioma", "meningioma", "notumor", "pituitary"), "image_size": 16}
        save_model(build_model("cnn", **how | changes), path)
    return str(path)


def test_two_models_are_opened_compared_stored_and_found_again(tmp_path: Path) -> None:
    sources = [checkpoint(tmp_path / f"{seed}.safetensors", seed) for seed in (1, 2)]
    config = Config(data=tiny.DATA, scale=tiny.SCALE, images=12)
    for computed in (True, False):
        opened = own.open_models(sources, config)  # opened anew, a model has the same digest
        assert (opened.config.scale.image_size, opened.config.channels, opened.dataset.size) == (16, "grey", 16)
        run = Run([load_experiment("fgsm")], [opened.config], ResultsFolder(tmp_path / "out"), opened=opened.modules)
        run.run()
        assert {outcome.computed for outcome in run.outcomes if outcome} == {computed}
    table, pairs = run.folder.table("fgsm"), run.folder.table("comparisons")
    assert list(dict.fromkeys(table["model"])) == sources
    assert table["n"].max() == 12
    assert set(zip(pairs["model"], pairs["other"], strict=True)) == {tuple(sources)}
    assert run.provenance("audit", 1.0)["own_models"] == sources


def test_models_and_data_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    config = Config(data=tiny.DATA, scale=tiny.SCALE)
    other = checkpoint(tmp_path / "other.safetensors", 1, classes=("cat", "dog"))
    with pytest.raises(UserError, match="class"):
        own.open_models([other], config)
    with pytest.raises(UserError, match="absent"):
        own.open_models([str(tmp_path / "absent.safetensors")], config)
    with pytest.raises(UserError, match="std"):
        own.open_models([other], config, mean=(0.5,), std=(0.0,))
