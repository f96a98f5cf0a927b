"""MAITE (mit-ll-ai-technology/maite): our models and images as its tools take them, by its protocols.

The protocols say what methods and attributes there are, so that nothing of MAITE is imported: the extra `maite`
installs the tools themselves, such as `maite.tasks.evaluate`.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.core.validation import check_choice, check_images
from mri_robust.data.dataset import Dataset


class MaiteModel:
    """A `maite.protocols.image_classification.Model`. `metadata` has an `id`, and the names of the classes if known."""

    def __init__(self, model: nn.Module, name: str) -> None:
        self.model = model
        self.metadata: Any = {"id": name}  # a TypedDict of MAITE's
        if classes := getattr(model, "classes", None):
            self.metadata["index2label"] = dict(enumerate(classes))

    def __call__(self, batch: Sequence[Any], /) -> list[np.ndarray]:
        """The probability of each class, float32 [K], of each image [C, H, W] in [0, 1], arrays or tensors of one size.

        The model is asked in eval mode and left as it was. ValueError where sizes differ or pixels leave [0, 1].
        """
        images = torch.from_numpy(np.stack([np.asarray(image, dtype=np.float32) for image in batch]))
        check_images(images)
        with eval_mode(self.model), torch.no_grad():
            return list(self.model(images.to(device_of(self.model))).float().softmax(1).cpu().numpy())


class MaiteDataset:
    """A `maite.protocols.image_classification.Dataset`. `metadata` has an `id` and the names of the classes."""

    def __init__(self, dataset: Dataset, split: str) -> None:
        self.split, self.classes = getattr(dataset, split), len(dataset.classes)
        self.metadata: Any = {
            "id": f"{dataset.name} {split}",
            "index2label": dict(enumerate(dataset.classes)),
        }

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, place: int, /) -> tuple[np.ndarray, np.ndarray, Any]:
        """The image, float32 [C, H, W] in [0, 1]; its class, one-hot float32 [K]; and its file's name, as `id`."""
        image = self.split.images[place].astype(np.float32) / np.float32(255)
        return image, np.eye(self.classes, dtype=np.float32)[self.split.labels[place]], {"id": self.split.names[place]}


def as_maite_model(model: nn.Module, *, name: str | None = None) -> MaiteModel:
    """A model as MAITE takes it; it takes images [N, C, H, W] in [0, 1] and gives logits. `name` is the `id` in its
    metadata, that of its class when None."""
    return MaiteModel(model, name or type(model).__name__)


def as_maite_dataset(dataset: Dataset, *, split: Literal["test", "train"] = "test") -> MaiteDataset:
    """The test or the training images as MAITE takes them; ValueError for another `split`."""
    check_choice("split", split, ("test", "train"))
    return MaiteDataset(dataset, split)
