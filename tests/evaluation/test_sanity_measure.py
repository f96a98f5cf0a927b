"""The bench asks the sanity checks of its models: a model whose gradient is cut trips them, and the run warns."""

from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

from mri_robust.bench.runner import Bench
from mri_robust.data.dataset import Dataset, Split
from mri_robust.evaluation.measures.sanity import measure_sanity
from mri_robust.evaluation.subject import Subject

WORDS = {"model": "cnn_clean", "protocol": "sound", "seed": 42}


class Brightness(nn.Module):
    """Class 1 if the mean pixel is over 1/2; `cut` keeps the gradient from the pixels."""

    def __init__(self, cut):
        super().__init__()
        self.cut = cut
        self.scale = nn.Parameter(torch.tensor(40.0))

    def forward(self, images):
        pixels = images.detach() if self.cut else images
        margin = self.scale * (pixels.mean((1, 2, 3)) - 0.5)
        return torch.stack([-margin, margin], 1)


def findings(cut):
    shades = np.linspace(0.46, 0.54, 40)
    images = np.broadcast_to((255 * shades).round()[:, None, None, None], (40, 1, 8, 8)).astype(np.uint8)
    split = Split(images, (images[:, 0, 0, 0] > 127).astype(np.int64), tuple(map(str, range(40))))
    dataset = Dataset("shades", split, split, ("dark", "bright"), "0" * 16)
    return measure_sanity({"eps": 4 / 255, "seed": 0}, Subject(Brightness(cut).eval(), dataset))["findings"]


def warnings(found):
    bench = Bench.__new__(Bench)
    bench.plan = SimpleNamespace(weights="none", protocols=())
    cell = SimpleNamespace(words=WORDS, recipe=None, others=())
    return bench.warnings({"pgd": [(cell, {"rows": [], "findings": found})]})


def test_a_cut_gradient_trips_and_the_run_warns_of_it_with_the_model():
    found = findings(cut=True)
    tripped = {finding["check"] for finding in found if finding["tripped"]}
    assert {"zero-gradients", "black-box"} <= tripped
    assert len(warnings(found)) == len(tripped)
    assert all(line.startswith("cnn_clean (sound, seed 42), sanity check ") for line in warnings(found))


def test_the_same_model_with_its_gradient_trips_nothing():
    found = findings(cut=False)
    assert len(found) == 9
    assert not [finding for finding in found if finding["tripped"]]
    assert warnings(found) == []
