import numpy as np
import pytest

from mri_robust.data.dataset import Dataset, Split, content_digest

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("MRI_ROBUST_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def make_dataset(size=16, train=64, test=32, channels=1, seed=0):
    """Four classes told apart by which quarter of the image is bright."""
    random = np.random.default_rng(seed)

    def split(count, name):
        labels = np.arange(count) % len(CLASSES)
        images = random.integers(0, 90, (count, channels, size, size), dtype=np.uint8)
        half = size // 2
        for image, label in zip(images, labels, strict=True):
            top, left = half * (label // 2), half * (label % 2)
            image[:, top : top + half, left : left + half] += 120
        names = tuple(f"{name}/{CLASSES[label]}/{index}.png" for index, label in enumerate(labels))
        return Split(images, labels.astype(np.int64), names)

    one, two = split(train, "Training"), split(test, "Testing")
    digest = content_digest(one.images, one.labels, two.images, two.labels)
    return Dataset("quarters", one, two, CLASSES, digest)


@pytest.fixture(scope="session")
def quarters():
    return make_dataset()
