"""What is counted of stored attacks, against greys whose fate in each format is known."""

from typing import Any

import numpy as np
import pytest
import torch
from test_pictures_and_artefacts import pixels
from torch import Tensor, nn
from toy_data import SCALE, config, split, values

from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.grid_pgd import GridPGD
from mri_robust.data.dataset import Dataset
from mri_robust.data.storage import FORMATS
from mri_robust.evaluation.evaluation import Context, measure
from mri_robust.evaluation.storage import Storage
from mri_robust.experiments import storage
from mri_robust.study.recipe import External

HALF, WHOLE = 0.4 / 255, 1.7 / 255
GREYS = np.array([127, 128, 127, 128, 127, 127, 90, 128])
LABELS = np.array([0, 1, 0, 1, 0, 1, 0, 1])  # the sixth is wrong from the start, the seventh out of reach
DATA = Dataset(
    "greys",
    split(np.full((1, 1, 8, 8), 7, np.uint8), np.array([0])),
    split(np.broadcast_to(GREYS[:, None, None, None], (8, 1, 8, 8)).astype(np.uint8), LABELS),
    ("glioma", "notumor"),
    "greys",
)


class Brightness(nn.Module):
    """Calls an image `notumor` whose mean is over 127.3 greys: 127 is .3 of a grey from it, 128 .7."""

    def forward(self, images: Tensor) -> Tensor:
        above = 255 * images.flatten(1).mean(1, keepdim=True) - 127.3
        return torch.cat([-above, above], 1)


def asked(*attacks: Any, **more: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    context = Context(Brightness(), DATA)
    return list(Storage(attacks, len(LABELS), **more)(context)), context.artefacts


def test_under_half_a_grey_an_attack_lives_in_12_bits_alone_and_one_on_the_grid_everywhere() -> None:
    rows, _ = asked(FGSM(HALF), GridPGD(WHOLE, steps=3))
    for name in ("none", *FORMATS):
        assert values(rows, stored=name, attack="none") == {"accuracy": 7 / 8, "missed_tumour_rate": 0}
        deep, unsaved = name in ("none", "dicom-12-bit"), name == "none"
        fine = values(rows, stored=name, attack="fgsm")
        # the three greys of 127 that are right cross the boundary, or are what they were
        assert fine["accuracy"] == (4 / 8 if deep else 7 / 8)
        assert fine["missed_tumour_rate"] == (3 / 4 if deep else 0)
        assert fine.get("survived") == (None if unsaved else float(deep))
        if name not in ("none", "dicom-window"):  # the window's greys lie between those of the file
            assert fine["change_left"] == pytest.approx(float(deep), abs=0.1)  # .4 of a grey is 6.4 steps of 12 bits
        whole = values(rows, stored=name, attack="grid-pgd")
        assert whole["accuracy"] == 1 / 8
        assert whole.get("survived") == (None if unsaved else 1)
    [survived] = [r for r in rows if (r["metric"], r["stored"], r["attack"]) == ("survived", "8-bit", "fgsm")]
    assert (survived["n"], survived["epsilon"]) == (3, HALF)
    left = values(rows, stored="8-bit", attack="grid-pgd")["change_left"]
    assert (left, values(rows, stored="8-bit", attack="fgsm")["change_left"]) == (1, 0)


def test_what_a_format_alone_gets_wrong_is_no_success_of_the_attack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, "8-bit", lambda images: images + (images < 127.5 / 255) / 255)  # 127 comes back as 128
    rows, _ = asked(FGSM(HALF), FGSM(2.5 / 255), formats=("8-bit",))
    assert values(rows, stored="8-bit", attack="none")["accuracy"] == 5 / 8
    assert "survived" not in values(rows, stored="8-bit", epsilon=HALF)  # it fools greys of 127 alone
    assert values(rows, stored="8-bit", epsilon=2.5 / 255)["survived"] == 1  # 128, which is 125.5 and then 126.5
    [row] = [row for row in rows if row["metric"] == "survived"]
    assert row["n"] == 3


def test_parts_give_the_rows_of_the_whole() -> None:
    whole = Storage((FGSM(HALF), GridPGD(WHOLE, steps=3)), len(LABELS), ("8-bit", "jpeg-75"), seed=3)
    parts = [measure(part, Context(Brightness(), DATA)) for part in whole.split(3, DATA)]
    assert len(parts) == 3
    assert measure(whole, Context(Brightness(), DATA), parts)["rows"] == list(whole(Context(Brightness(), DATA)))


def test_the_sheet_shows_what_is_left_of_each_change_and_formats_left_out_are_said() -> None:
    _, artefacts = asked(FGSM(HALF), pictured=(FGSM(HALF),))
    clean, attacked, change = artefacts["sheet"]
    assert "notes" not in artefacts
    assert [len(each["cells"]) for each in (clean, attacked, change)] == [1 + len(FORMATS)] * 3
    assert [set(pixels(each["image"]).flatten()) for each in clean["cells"][:2]] == [{90}] * 2  # the surest tumour
    assert len({each["image"] for each in attacked["cells"][:5]}) == 1
    shown = dict(zip(("none", *FORMATS), change["cells"], strict=True))
    assert np.ptp(pixels(shown["none"]["image"])) == 0
    assert pixels(shown["none"]["image"]).max() == 255
    assert set(pixels(shown["8-bit"]["image"]).flatten()) == {128}
    _, artefacts = asked(FGSM(HALF), formats=("8-bit",))
    assert all(name in artefacts["notes"][0] for name in FORMATS if name != "8-bit")


def test_the_study_is_asked_at_its_sizes_under_half_a_grey_and_others_at_the_scales() -> None:
    small = [255 * attack.eps for attack in storage.under_half_a_grey()]
    assert small == pytest.approx([255 * 0.1813 * size for size in (0.01, 0.005, 0.002, 0.001, 0.01, 0.01, 0.01)])
    assert max(small) < 0.5
    own = (External("mine"),)
    [(_, evaluation)] = storage.tasks(config(models=own))
    assert {attack.eps for attack in evaluation.attacks} == set(SCALE.epsilons)
    assert len(evaluation.attacks) == 4 * len(SCALE.epsilons)
    [(_, in_l2)] = storage.tasks(config(models=own, scale=SCALE.in_norm("l2")))
    assert {attack.norm for attack in in_l2.attacks} == {"l2"}
    first, *others = storage.tasks(config())
    assert [bool(evaluation.pictured) for _, evaluation in (first, *others)] == [True, *[False] * 3]
    assert first[1].attacks[:7] == tuple(storage.under_half_a_grey())
