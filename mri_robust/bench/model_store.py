"""Trained models on disk: made from their recipes once, found again by digest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from mri_robust.bench.environment import Machine
from mri_robust.bench.making import Maker, Model
from mri_robust.core.digest import plain
from mri_robust.core.errors import UserError
from mri_robust.core.progress import OnStep, silent
from mri_robust.data.dataset import Dataset
from mri_robust.defences.snooping import Snooper
from mri_robust.models.checkpoint import load_model, read_notes, save_model
from mri_robust.study.cell import model_digest
from mri_robust.study.recipe import Recipe
from mri_robust.training import Record


class ModelStore:
    """Models of one data set in one folder, as `<model id>-<digest>.safetensors`.

    Args:
        folder: where they lie.
        dataset: what they are trained on.
        machine: on what.
        weights_folder: where ImageNet weights are looked for before torch's own cache.
        on_step: called as (what is going on, done, total).
    """

    def __init__(
        self,
        folder: Path,
        dataset: Dataset,
        machine: Machine,
        *,
        weights_folder: Path | None = None,
        on_step: OnStep = silent,
    ) -> None:
        self.folder = folder
        self.dataset = dataset
        self.machine = machine
        self._maker = Maker(dataset, machine, self.get, weights_folder, on_step)
        self._loaded: dict[str, Model] = {}

    def name(self, recipe: Recipe) -> str:
        """The file name of a recipe's model, without its ending."""
        return f"{recipe.model}-{model_digest(recipe, self.dataset.digest, self.machine.deciding())}"

    def get(self, recipe: Recipe) -> Any:
        """The model of a recipe on the machine's device, in eval mode; trained and stored if it is not there yet.

        Returns:
            A `Classifier`, an `Ensemble`, or a `Snooper` where the recipe says `snooping`.

        Raises:
            UserError: training fails, or pretrained weights cannot be had.
        """
        name = self.name(recipe)
        if name not in self._loaded:
            path = self.folder / f"{name}.safetensors"
            model = _load_whole(path, recipe) or self._make(recipe, path)
            module = model.model if isinstance(model, Snooper) else model
            module.to(self.machine.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            module.eval()
            self._loaded[name] = model
        return self._loaded[name]

    def history(self, recipe: Recipe) -> list[Record]:
        """The training record of a stored model, one entry an epoch; empty when the model is not stored."""
        path = self.folder / f"{self.name(recipe)}.safetensors"
        notes: Any = read_notes(path) if path.exists() else {}
        return list(notes.get("history", []))

    def forget(self) -> None:
        """Let go of the models in memory; they are read again when they are asked for."""
        self._loaded.clear()

    def _make(self, recipe: Recipe, path: Path) -> Model:
        model, history = self._maker.make(recipe)
        notes = {"recipe": plain(recipe), "data_digest": self.dataset.digest, "history": history}
        if isinstance(model, Snooper):
            model.save(path, **notes, environment=self.machine.deciding())
        else:
            save_model(model, path, **notes, environment=self.machine.deciding())
        return model


def _load_whole(path: Path, recipe: Recipe) -> Model | None:
    """The model at `path`; None where there is none, or it is damaged and has to be made again."""
    if not path.exists():
        return None
    try:
        return Snooper.load(path) if recipe.snooping else load_model(path)
    except UserError:
        return None
