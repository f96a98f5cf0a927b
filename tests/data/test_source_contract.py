"""What holds for every source of data that can be loaded by its name alone."""

from __future__ import annotations

import numpy as np
import pytest

from mri_robust import load_dataset
from mri_robust.data.sources import SOURCES

LOADABLE = ["phantom:train=8,test=8", *(name for name in SOURCES.added() if SOURCES.load(name).accepts(name))]


@pytest.mark.parametrize("text", LOADABLE)
class TestEverySource:
    @pytest.mark.parametrize(("channels", "planes"), [("grey", 1), ("rgb", 3)])
    def test_gives_images_of_the_size_and_channels_asked_for(self, text: str, channels: str, planes: int) -> None:
        dataset = load_dataset(text, size=16, channels=channels)
        for split in (dataset.train, dataset.test):
            assert split.images.dtype == np.uint8
            assert split.images.shape == (len(split.labels), planes, 16, 16)
            assert len(set(split.names)) == len(split.labels) > 0
            assert set(split.labels.tolist()) == set(range(len(dataset.classes)))

    def test_is_named_by_a_digest_of_what_it_gives(self, text: str) -> None:
        digest = load_dataset(text, size=16).digest
        assert digest == load_dataset(text, size=16).digest
        assert digest not in (load_dataset(text, size=24).digest, load_dataset(text, size=16, channels="rgb").digest)


@pytest.mark.parametrize("name", SOURCES.names())
def test_no_source_takes_what_is_nobodys(name: str) -> None:
    assert not SOURCES.load(name).accepts("no-such-data")
    assert not SOURCES.load(name).accepts("")
