"""Trained models on disk: made from their recipes once, found again by digest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from mri_robust.bench.environment import Machine
from mri_robust.bench.making import Maker, Model
from mri_robust.core.hashing import plain
from mri_robust.core.errors import UserError
from mri_robust.core.files import set_aside
from mri_robust.core.files import locked
from mri_robust.core.progress import OnStep, silent
from mri_robust.data.dataset import Dataset
from mri_robust.defences.snooping import Snooper
from mri_robust.models.checkpoint import load_model, read_notes, save_model
from mri_robust.models.weights_file import read_state_dict
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
        on_damage: called with what was found damaged and set aside, in words.
    """

    def __init__(
        self,
        folder: Path,
        dataset: Dataset,
        machine: Machine,
        *,
        weights_folder: Path | None = None,
        on_step: OnStep = silent,
        on_damage: Callable[[str], None] | None = None,
    ) -> None:
        self.folder = folder
        self.dataset = dataset
        self.machine = machine
        self.on_step = on_step
        self.on_damage = on_damage
        self._maker = Maker(dataset, machine, self.get, weights_folder, on_step)
        self._loaded: dict[str, Model] = {}
        self._failed: dict[str, Exception] = {}

    def name(self, recipe: Recipe) -> str:
        """The file name of a recipe's model, without its ending."""
        return f"{recipe.model}-{model_digest(recipe, self.dataset.digest, self.machine.deciding())}"

    def get(self, recipe: Recipe) -> Any:
        """The model of a recipe on the machine's device, in eval mode; trained and stored if it is not there yet.

        A training that was cut short goes on after its last whole epoch. One that failed is not tried again by the same
        store.

        Returns:
            A `Classifier`, an `Ensemble`, or a `Snooper` where the recipe says `snooping`.

        Raises:
            UserError: training fails, or pretrained weights cannot be had.
        """
        name = self.name(recipe)
        if name in self._failed:
            raise self._failed[name]
        if name not in self._loaded:
            try:
                model = self._load(self._path(name), recipe) or self._load_or_make(name, recipe)
            except Exception as error:
                self._failed[name] = error
                raise
            module = model.model if isinstance(model, Snooper) else model
            module.to(self.machine.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            module.eval()
            self._loaded[name] = model
        return self._loaded[name]

    def history(self, recipe: Recipe) -> list[Record]:
        """The training record of a stored model, one entry an epoch; empty when the model is not stored."""
        path = self._path(self.name(recipe))
        notes: Any = read_notes(path) if path.exists() else {}
        return list(notes.get("history", []))

    def forget(self) -> None:
        """Let go of the models in memory; they are read again when they are asked for."""
        self._loaded.clear()

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"

    def _load_or_make(self, name: str, recipe: Recipe) -> Model:
        """The model, made by one process while others that want it wait."""
        path, part = self._path(name), self.folder / f"{name}.partial.safetensors"
        with locked(self.folder / f"{name}.lock", lambda: self.on_step(f"wait for {recipe.model}", 0, 1)):
            model = self._load(path, recipe)
            if model is not None:
                return model
            self._check(path)
            self._check(part)
            model, history = self._maker.make(recipe, part)
            notes = {"recipe": plain(recipe), "data_digest": self.dataset.digest, "history": history}
            if isinstance(model, Snooper):
                model.save(path, **notes, environment=self.machine.deciding())
            else:
                save_model(model, path, **notes, environment=self.machine.deciding())
            part.unlink(missing_ok=True)
        return model

    def _load(self, path: Path, recipe: Recipe) -> Model | None:
        """The model at `path`; None where there is none, or it is damaged."""
        if not path.exists():
            return None
        try:
            return Snooper.load(path) if recipe.snooping else load_model(path)
        except UserError:
            return None

    def _check(self, path: Path) -> None:
        """Set a damaged file aside."""
        if not path.exists():
            return
        try:
            read_state_dict(path)
        except UserError:
            aside = set_aside(path)
            if self.on_damage:
                self.on_damage(f"model '{path}' was damaged: it is made again, the old file is kept as '{aside.name}'")
