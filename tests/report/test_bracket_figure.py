"""The bracket of certificate and attack: a panel per smoothed model, grey between its two ends."""

from pathlib import Path

import numpy as np
import pytest
from test_figures import Rows, drawn, lines, number

RADII = (0.0, 0.125, 0.25)
CERTIFIED, ATTACKED, PLAIN = (0.8, 0.5, 0.2), (0.8, 0.7, 0.6), (0.9, 0.3, 0.0)


def over_radii(values: tuple[float, ...], **columns: object) -> Rows:
    return [
        number(value, epsilon=radius, attack="pgd" if radius else "none", norm="l2" if radius else "", **columns)
        for radius, value in zip(RADII, values, strict=True)
    ]


def test_a_panel_holds_both_ends_and_the_model_without_smoothing(tmp_path: Path) -> None:
    rows = over_radii(CERTIFIED, sigma=0.12, metric="certified_accuracy") + over_radii(ATTACKED, sigma=0.12)
    rows += over_radii(PLAIN)
    other = [{**row, "model": "cnn_noise", "noise": 0.12, "value": row["value"] / 2} for row in rows]
    longer = number(0.1, epsilon=0.5, attack="pgd", norm="l2")  # of a larger sigma's panel, if there were one
    figures = drawn(tmp_path, [*rows, longer, *other], row_key=("noise", "sigma", "attack", "epsilon"))
    assert list(figures) == ["bracket"]
    clean, noise = figures["bracket"].axes
    assert [axes.get_title().split(",")[0] for axes in (clean, noise)] == ["CNN_clean", "CNN_noise"]
    for axes, factor in ((clean, 1.0), (noise, 0.5)):
        found = lines(axes)
        assert len(found) == 3
        for (_, line), values in zip(found.items(), (PLAIN, CERTIFIED, ATTACKED), strict=True):
            assert line == [(radius, pytest.approx(factor * v)) for radius, v in zip(RADII, values, strict=True)]
        grey = axes.collections[-1].get_paths()[0].vertices
        corners = {tuple(np.round(point, 3)) for point in grey}
        assert {(0.25, round(0.2 * factor, 3)), (0.25, round(0.6 * factor, 3))} <= corners
