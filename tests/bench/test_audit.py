"""The user's own model in memory through the study's experiments, and floors; from files, see test_audit_command.py."""

from typing import Any

import pandas as pd
import pytest
import tiny
import torch
from torch.utils.data import DataLoader, TensorDataset
from toy_data import CLASSES
from toy_models import Linear, assert_unchanged, small_net, state_of, unsettle

from mri_robust.bench import audit as own
from mri_robust.core.errors import UserError
from mri_robust.evaluation import worst_case
from mri_robust.evaluation.sanity import CHECKS
from mri_robust.evaluation.worst_case import SIGNS
from mri_robust.study.experiment import load_experiment


@pytest.mark.parametrize(("norm", "sizes"), [("linf", (0.003, 0.01, 0.02)), ("l2", (0.02, 0.07, 0.145))])
def test_a_linear_models_accuracy_is_the_share_of_margins_over_epsilon(
    norm: Any, sizes: tuple[float, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Epsilon times the dual norm of the weights, which is ||w||_1 of L-inf and ||w||_2 of L2."""
    monkeypatch.setitem(worst_case.SURVIVOR_ATTACKS, "quick", (worst_case.library("Square", n_queries=20),))
    generator = torch.Generator().manual_seed(0)
    images = 0.3 + 0.4 * torch.rand((60, 1, 8, 8), generator=generator)
    weight = torch.randn(2, 64, generator=generator)
    gap = (weight[1] - weight[0]).double()
    margins = (images.double().flatten(1) - 0.5) @ gap
    labels = (margins > 0).long()
    labels[::6] = 1 - labels[::6]
    reach = torch.where(labels == 1, margins, -margins) / gap.norm(p=1 if norm == "linf" else 2)
    expected = [(reach > eps).double().mean().item() for eps in (0.0, *sizes)]
    assert 0 < expected[3] < expected[2] < expected[1] < expected[0]
    model, asked = Linear(weight, -weight.sum(1) / 2).eval(), ["fgsm", "pgd", "worst-case"]
    table = own.audit(model, (images, labels), asked, epsilons=sizes, norm=norm)
    assert set(table["norm"][table["epsilon"] > 0]) == {norm}
    overall = table[(table["metric"] == "accuracy") & (table["subset"] == "all") & (table["after"] != "pgd")]
    for _, rows in overall.groupby("experiment"):
        assert rows.sort_values("epsilon")["value"].tolist() == pytest.approx(expected)
    assert overall["experiment"].nunique() == 3
    assert [finding["tripped"] for finding in table.attrs["findings"]] == [False] * len({*CHECKS, *SIGNS})  # asked once


def test_arrays_tensors_and_loaders_are_the_same_images_and_the_model_stays_as_it_was() -> None:
    model = unsettle(small_net())
    before, state = state_of(model), torch.get_rng_state()
    pixels = torch.randint(0, 256, (30, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(30) % 4
    given: list[Any] = [(pixels, labels), (pixels.numpy(), labels.tolist())]
    first, other = (own.audit(model, each, ["fgsm"], images=20) for each in given)
    assert torch.equal(torch.get_rng_state(), state)
    pd.testing.assert_frame_equal(first, other)
    loader = DataLoader(TensorDataset(pixels.float() / 255, labels), batch_size=7)
    pd.testing.assert_frame_equal(first, own.audit(model, loader, ["fgsm"], images=20))
    assert first["n"].max() == 20
    assert set(first["class"]) <= {"", *CLASSES}
    assert_unchanged(model, before)
    named = own.audit(model, tiny.DATA, ["fgsm"], epsilons=0.1)
    assert (set(named["dataset"]), named["n"].max()) == ({"phantom"}, 16)


def test_floors_name_the_models_that_stay_under_them() -> None:
    columns = ["model", "seed", "epsilon", "after", "value"]
    rows = [("a", 42, 4 / 255, "pgd", 0.6), ("a", 42, 4 / 255, "square", 0.4), ("b", 42, 4 / 255, "square", 0.5)]
    table = pd.DataFrame([*rows, ("a", 43, 4 / 255, "square", 0.7)], columns=columns)
    table = table.assign(metric="accuracy", subset="all", attack="worst-case", norm="linf")
    for least, models in ((0.39, []), (0.5, ["a"]), (0.55, ["a", "b"]), (0.8, ["a", "b", "a"])):
        assert [line.split(":")[0] for line in own.broken_floors(table, [(4 / 255, least)])] == models
    assert "4/255" in own.broken_floors(table, [(4 / 255, 0.5)])[0]
    assert "2 (L2)" in own.broken_floors(table.assign(norm="l2", epsilon=2.0), [(2.0, 0.5)])[0]
    worst, other = load_experiment("worst-case"), load_experiment("fgsm")
    own.check_floors([(0.0, 0.9), (4 / 255, 0.5)], [worst], (1 / 255, 0.0156862745098))
    for floors, asked in (([(8 / 255, 0.5)], [worst]), ([(4 / 255, 0.5)], [other])):
        with pytest.raises(UserError, match="--fail-under"):
            own.check_floors(floors, asked, (4 / 255,))
