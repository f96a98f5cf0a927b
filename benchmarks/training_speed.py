"""Images a second: `fit` against a plain float32 PyTorch loop that reads JPEG files through PIL and a DataLoader."""

import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from mri_robust.data.dataset import MEAN, STD, Dataset
from mri_robust.models.classifier import build_model
from mri_robust.training import FitSettings, fit

BATCH = 32
IMAGES = 256


def native(dataset: Dataset, architecture: str, image_size: int) -> float:
    """Seconds for one epoch of `IMAGES` images by `fit`, on images in memory, in the processor's own precision."""
    torch.manual_seed(0)
    model = build_model(architecture, classes=dataset.classes, image_size=image_size)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)
    images, labels = dataset.train.images[:IMAGES], dataset.train.labels[:IMAGES]
    began = time.perf_counter()
    fit(model, images, labels, optimizer=optimizer, settings=FitSettings(epochs=1, batch_size=BATCH))
    return time.perf_counter() - began


def plain_loop(dataset: Dataset, architecture: str, image_size: int) -> float:
    """Seconds for the same epoch as most scripts write it."""
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    with tempfile.TemporaryDirectory() as folder:
        for place in range(IMAGES):
            name = dataset.classes[dataset.train.labels[place]]
            target = Path(folder) / name
            target.mkdir(exist_ok=True)
            pixels = np.asarray(dataset.train.images[place])[0]
            Image.fromarray(pixels).save(target / f"{place}.jpg")
        change = transforms.Compose(
            [
                transforms.Resize((image_size, image_size)),
                transforms.ToTensor(),
                transforms.Normalize([MEAN] * 3, [STD] * 3),
            ]
        )
        loader = DataLoader(datasets.ImageFolder(folder, change), batch_size=BATCH, shuffle=True)
        torch.manual_seed(0)
        model = build_model(architecture, classes=dataset.classes, image_size=image_size).network
        optimizer, loss = torch.optim.Adam(model.parameters(), lr=1e-4), nn.CrossEntropyLoss()
        model.train()
        began = time.perf_counter()
        for images, labels in loader:
            optimizer.zero_grad()
            loss(model(images), labels).backward()
            optimizer.step()
        return time.perf_counter() - began


def adversarial_epoch(dataset: Dataset, architecture: str, image_size: int) -> float:
    """Seconds for an epoch of adversarial training with PGD of 7 steps on `IMAGES` images."""
    from mri_robust.defences.adversarial_training import AdversarialTraining
    from mri_robust.training import Changes

    torch.manual_seed(0)
    model = build_model(architecture, classes=dataset.classes, image_size=image_size)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)
    adversary = AdversarialTraining("pgd", (4 / 255,))
    images, labels = dataset.train.images[:IMAGES], dataset.train.labels[:IMAGES]
    began = time.perf_counter()
    settings = FitSettings(epochs=1, batch_size=BATCH)
    fit(model, images, labels, optimizer=optimizer, settings=settings, changes=Changes(adversary=adversary))
    return time.perf_counter() - began
