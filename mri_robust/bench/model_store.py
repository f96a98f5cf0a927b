"""Trained models on disk: made from their recipes once, found again by digest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mri_robust.bench.environment import Machine
from mri_robust.core.digest import plain
from mri_robust.core.errors import UserError
from mri_robust.core.progress import OnStep, silent
from mri_robust.core.seeding import derive_seed, make_generator
from mri_robust.data.dataset import Dataset
from mri_robust.defences import DEFENCES
from mri_robust.evaluation.overfitting import watch_overfitting
from mri_robust.models.checkpoint import load_model, read_notes, save_model
from mri_robust.models.classifier import Classifier, build_model
from mri_robust.models.ensemble import Ensemble
from mri_robust.study.cell import model_digest
from mri_robust.study.recipe import Recipe
from mri_robust.training import FitSettings, Record, fit


class ModelStore:
    """Models of one data set in one folder, as `<model id>-<digest>.safetensors`."""

    def __init__(self, folder: Path, dataset: Dataset, machine: Machine, on_step: OnStep = silent) -> None:
        self.folder = folder
        self.dataset = dataset
        self.machine = machine
        self.on_step = on_step
        self._loaded: dict[str, Classifier | Ensemble] = {}

    def name(self, recipe: Recipe) -> str:
        """The file name of a recipe's model, without its ending."""
        return f"{recipe.model}-{model_digest(recipe, self.dataset.digest, self.machine.deciding())}"

    def get(self, recipe: Recipe) -> Classifier | Ensemble:
        """The model of a recipe on the machine's device, in eval mode; trained and stored if it is not there yet.

        Raises:
            UserError: training fails, or pretrained weights cannot be had.
        """
        name = self.name(recipe)
        if name not in self._loaded:
            path = self.folder / f"{name}.safetensors"
            model = _load_whole(path) or self._make(recipe, path)
            model.to(self.machine.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            self._loaded[name] = model.eval()
        return self._loaded[name]

    def history(self, recipe: Recipe) -> list[Record]:
        """The training record of a stored model, one entry an epoch; empty when the model is not stored."""
        path = self.folder / f"{self.name(recipe)}.safetensors"
        notes: Any = read_notes(path) if path.exists() else {}
        return list(notes.get("history", []))

    def _make(self, recipe: Recipe, path: Path) -> Classifier | Ensemble:
        history: list[Record] = []
        if recipe.members:
            members = [self.get(member) for member in recipe.members]
            model: Classifier | Ensemble = Ensemble([m for m in members if isinstance(m, Classifier)], recipe.shares)
        else:
            model = self._first_weights(recipe)
            history = self._train(model, recipe)
        notes = {"recipe": plain(recipe), "data_digest": self.dataset.digest, "history": history}
        save_model(model, path, **notes, environment=self.machine.deciding())
        return model

    def _first_weights(self, recipe: Recipe) -> Classifier:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(recipe.seed, "first weights", recipe.architecture))
            model = build_model(
                recipe.architecture,
                classes=self.dataset.classes,
                image_size=recipe.image_size,
                channels=recipe.channels,
                weights=recipe.weights or "none",
                mean=recipe.mean,
                std=recipe.std,
            )
        if recipe.start is not None:
            model.load_state_dict(self.get(recipe.start).state_dict())
        return model.to(self.machine.device)

    def _train(self, model: Classifier, recipe: Recipe) -> list[Record]:
        images, labels = self._training_images(recipe)
        optimizer = torch.optim.Adam(
            model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
        )
        adversary = recipe.adversary.build(DEFENCES) if recipe.adversary else None

        def on_epoch(current: nn.Module) -> Record:
            return watch_overfitting(current, images, labels, max(adversary.epsilons)) if adversary else {}

        def on_step(done: int, total: int) -> None:
            self.on_step(f"train {recipe.model}", done, total)

        return fit(
            model,
            images,
            labels,
            optimizer=optimizer,
            scheduler=torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs) if recipe.anneal else None,
            augment=recipe.augmentation.build(DEFENCES) if recipe.augmentation else None,
            adversary=adversary,
            settings=FitSettings(
                epochs=recipe.epochs,
                batch_size=recipe.batch_size,
                seed=recipe.seed,
                precision=self.machine.precision,
                on_step=on_step,
                on_epoch=on_epoch,
            ),
        )

    def _training_images(self, recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
        split = self.dataset.train
        if recipe.train_images is None or recipe.train_images >= len(split):
            return np.asarray(split.images), split.labels
        order = torch.randperm(len(split), generator=make_generator(recipe.seed, "training images")).numpy()
        chosen = np.sort(order[: recipe.train_images])
        return np.asarray(split.images[chosen]), split.labels[chosen]


def _load_whole(path: Path) -> Classifier | Ensemble | None:
    """The model at `path`; None where there is none, or it is damaged and has to be made again."""
    if not path.exists():
        return None
    try:
        return load_model(path)
    except UserError:
        return None
