"""Our models and images in MAITE's own evaluation."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from toy_data import CLASSES, DATA
from toy_models import Linear, assert_unchanged, seeded, small_net, state_of, unsettle

import mri_robust
from mri_robust.evaluation.evaluation import predicted_classes

SIDE = DATA.size


class Accuracy:
    """A metric after MAITE's protocol, which knows nothing of us."""

    def __init__(self) -> None:
        self.metadata, self.right, self.files = {"id": "accuracy"}, list[bool](), list[str]()

    def reset(self) -> None:
        self.right.clear()

    def update(self, preds: Sequence[Any], targets: Sequence[Any], metadatas: Sequence[Any], /) -> None:
        self.right += [np.argmax(p) == np.argmax(t) for p, t in zip(preds, targets, strict=True)]
        self.files += [each["id"] for each in metadatas]

    def compute(self) -> dict[str, float]:
        return {"accuracy": float(np.mean(self.right))}


def reader() -> Linear:
    return Linear(torch.randn(4, SIDE * SIDE, generator=seeded()), torch.zeros(4)).eval()


@pytest.mark.parametrize("split", ["test", "train"])
def test_maites_own_evaluate_finds_our_accuracy(split: Any) -> None:
    tasks = pytest.importorskip("maite.tasks")
    model, metric, part = reader(), Accuracy(), getattr(DATA, split)
    given = {"model": mri_robust.as_maite_model(model), "dataset": mri_robust.as_maite_dataset(DATA, split=split)}
    protocols = pytest.importorskip("maite.protocols.image_classification")
    assert isinstance(given["model"], protocols.Model)
    assert isinstance(given["dataset"], protocols.Dataset)
    found, predictions, _ = tasks.evaluate(**given, metric=metric, batch_size=7, return_preds=True)
    ours = predicted_classes(model, part.images)
    assert found["accuracy"] == (ours == part.labels).mean()
    assert 0 < found["accuracy"] < 1
    assert np.array_equal([row.argmax() for batch in predictions for row in batch], ours)
    assert tuple(metric.files) == part.names


def test_both_are_what_maites_protocols_say() -> None:
    dataset = mri_robust.as_maite_dataset(DATA)
    model = mri_robust.as_maite_model(small_net(), name="ours")
    assert (len(dataset), len(list(dataset))) == (len(DATA.test),) * 2  # it ends with an IndexError
    image, target, about = dataset[3]
    assert (image.dtype, image.shape) == (np.float32, (1, SIDE, SIDE))
    assert np.array_equal(np.rint(image * 255), DATA.test.images[3])
    assert target.tolist() == [float(place == DATA.test.labels[3]) for place in range(4)]
    assert about == {"id": DATA.test.names[3]}
    names = dict(enumerate(CLASSES))
    assert model.metadata == {"id": "ours", "index2label": names}
    assert dataset.metadata["index2label"] == names
    assert "index2label" not in mri_robust.as_maite_model(reader()).metadata


def test_the_model_gives_probabilities_of_arrays_tensors_and_lists_and_stays_as_it_was() -> None:
    model = unsettle(small_net())
    before, images = state_of(model), torch.rand((5, 1, 8, 8), generator=seeded())
    wrapped = mri_robust.as_maite_model(model)
    answers = [wrapped(list(given)) for given in (images, images.double().numpy(), images.tolist())]
    with torch.no_grad():
        expected = small_net()(images).softmax(1).numpy()
    for answer in answers:
        assert [each.shape for each in answer] == [(4,)] * 5
        np.testing.assert_allclose(answer, expected, atol=1e-6)
    assert_unchanged(model, before)


@pytest.mark.parametrize("batch", [[np.zeros((1, 8, 8)), np.zeros((1, 9, 9))], [np.full((1, 8, 8), 255)], []])
def test_images_of_several_sizes_or_of_0_to_255_are_refused(batch: Any) -> None:
    with pytest.raises(ValueError, match=r"images|shape|array"):
        mri_robust.as_maite_model(small_net())(batch)


def test_an_unknown_split_is_refused() -> None:
    split: Any = "validation"
    with pytest.raises(ValueError, match="split"):
        mri_robust.as_maite_dataset(DATA, split=split)
