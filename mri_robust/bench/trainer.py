"""Models by their recipe, trained once and found again by digest; and the user's own, opened."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mri_robust.attacks.evasion.epsilon_sweep import BATCH, attacked_predictions
from mri_robust.attacks.evasion.fgsm import FGSM
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.attacks.evasion.search import Part
from mri_robust.core.errors import UserError
from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.core.files import set_aside
from mri_robust.core.hashing import digest, plain
from mri_robust.core.progress import OnStep, silent
from mri_robust.core.registry import Spec
from mri_robust.core.rng import derive_seed
from mri_robust.core.validation import to_unit_range
from mri_robust.data.dataset import Dataset
from mri_robust.data.subset import training_images
from mri_robust.defences.snooping import Snooper
from mri_robust.evaluation.evaluation import CODE_VERSION, predicted_classes
from mri_robust.evaluation.pictures import confusion
from mri_robust.evaluation.sanity import GAP
from mri_robust.evaluation.training_set import training_set
from mri_robust.models.checkpoint import load_model, save_model
from mri_robust.models.classifier import Classifier, Ensemble, build_model
from mri_robust.models.external import fit_to_data, model_digest
from mri_robust.models.opening import open_model
from mri_robust.models.weights import find_imagenet, read_notes, read_state_dict
from mri_robust.study.config import Config
from mri_robust.study.recipe import External, Model, Recipe
from mri_robust.study.results_folder import ResultsFolder
from mri_robust.training import Changes, FitSettings, Record, fit

WATCHED_IMAGES = 64  # training images on which adversarial training is watched for overfitting to its attack


class Trainer:
    """The models of one data set on one machine, in one results folder, as `<model id>-<digest>.safetensors`."""

    def __init__(
        self,
        folder: ResultsFolder,
        dataset: Dataset,
        config: Config,  # says on what machine, and where ImageNet's weights are looked for
        *,
        opened: dict[str, nn.Module] | None = None,  # the user's own models that are in memory, by id
        on_step: OnStep = silent,
    ) -> None:
        self.folder, self.dataset, self.config, self.on_step = folder, dataset, config, on_step
        self._opened = dict(opened or {})
        self._loaded: dict[str, Any] = {}
        self._failed: dict[str, Exception] = {}

    def name(self, model: Model) -> str:
        """What names a model: its id and the digest of all that decides it."""
        if isinstance(model, External):
            return f"{model.model}-{model.digest}"
        deciding = [repr(model), self.dataset.digest, self.config.environment, CODE_VERSION]
        return f"{model.model}-{digest(deciding)}"

    def get(self, model: Model) -> Any:
        """A `Classifier`, `Ensemble`, `Snooper` or own module, on its device, in eval mode; trained if need be.

        A training that was cut short goes on after its last whole epoch. UserError where it fails, which is not tried
        again, weights or the user's own model cannot be had, or that model is another one now.
        """
        name = self.name(model)
        if name in self._failed:
            raise self._failed[name]
        if name not in self._loaded:
            try:
                self._loaded[name] = self._open(model) if isinstance(model, External) else self._trained(name, model)
            except Exception as error:
                self._failed[name] = error
                raise
        return self._loaded[name]

    def history(self, model: Model) -> list[Record]:
        """The training record of a stored model, one entry per epoch; empty for one that is not stored."""
        path = self._path(self.name(model))
        notes: Any = read_notes(path) if isinstance(model, Recipe) and path.exists() else {}
        return list(notes.get("history", []))

    def forget(self) -> None:
        """Let go of the trained models in memory; they are read again when they are asked for."""
        self._loaded.clear()

    def _open(self, model: External) -> nn.Module:
        if model.model not in self._opened:
            data, weights = self.dataset, Path(model.weights_file) if model.weights_file else None
            how: dict[str, Any] = {"classes": data.classes, "image_size": data.size, "channels": data.channels}
            opened = open_model(model.source, weights=weights, mean=model.mean, std=model.std, **how)
            opened = opened.to(self.config.device)
            few = to_unit_range(data.test.images[:BATCH]).to(self.config.device)
            opened, _ = fit_to_data(opened, few, data.classes, model.model, dict(model.renamed))
            if model_digest(opened, data.test.images.shape[1:]) != model.digest:
                raise UserError(
                    f"model '{model.model}' is not the one that the run began with: it gives other logits or has other "
                    "weights in this process; save its weights and give them with --weights"
                )
            self._opened[model.model] = opened
        return self._opened[model.model].to(self.config.device)

    def _trained(self, name: str, recipe: Recipe) -> Any:
        """A recipe's model, made by one process while others that want it wait."""
        path, part = self._path(name), self._path(f"{name}.partial")
        model = self._load(path, recipe)
        if model is None:
            with self.folder.hold(name, lambda: self.on_step(f"wait for {recipe.model}", 0, 1)):
                model = self._load(path, recipe) or self._make(recipe, path, part)
        module = model.model if isinstance(model, Snooper) else model
        module.to(self.config.device).to(memory_format=torch.channels_last).eval()
        return model

    def _make(self, recipe: Recipe, path: Path, part: Path) -> Any:
        for each in filter(Path.exists, (path, part)):
            try:
                read_state_dict(each)
            except UserError:
                said = f"model '{each}' was damaged: it is made again, the old file is kept as '{set_aside(each).name}'"
                self.folder.notices.append(said)
        model, history = self.train(recipe, part)
        about = {"recipe": plain(recipe), "data_digest": self.dataset.digest, "history": history}
        save = model.save if isinstance(model, Snooper) else partial(save_model, model)
        save(path, **about, environment=self.config.environment)
        part.unlink(missing_ok=True)
        return model

    def _path(self, name: str) -> Path:
        return self.folder.models / f"{name}.safetensors"

    def _load(self, path: Path, recipe: Recipe) -> Any:
        """The model at `path`; None where there is none, or it is damaged."""
        try:
            return (Snooper.load if recipe.snooping else load_model)(path) if path.exists() else None
        except UserError:
            return None

    def train(self, recipe: Recipe, resume: Path | None = None) -> tuple[Any, list[Record]]:
        """The model of a recipe and the record of its training, one entry per epoch.

        The file `resume` keeps the training after each epoch; where it is there, the training goes on from it.
        UserError where the loss is not finite, or pretrained weights cannot be had.
        """
        if recipe.members:
            return Ensemble([self.get(member) for member in recipe.members], recipe.shares), []
        if recipe.snooping:
            return self._train_snooper(recipe, recipe.snooping.parameters, resume)
        model = self._first_weights(recipe)
        return model, self._fit(model, recipe, resume)

    def _train_snooper(self, recipe: Recipe, how: dict[str, Any], resume: Path | None) -> tuple[Snooper, list[Record]]:
        seed = derive_seed(recipe.seed, "first weights", recipe.model)
        about: dict[str, Any] = {"image_size": recipe.image_size, "channels": recipe.channels, "seed": seed}
        snooper = Snooper.create(architecture=recipe.architecture, weights=self._weights(recipe), **about)
        snooper.model.to(self.config.device)
        images, _ = training_images(self.dataset.train, recipe.train_images, recipe.seed)
        how = {name: part.build() if isinstance(part, Spec) else part for name, part in how.items()}
        how |= {"settings": self._settings(recipe, resume), "learning_rate": recipe.learning_rate}
        return snooper, snooper.fit(images, anneal=recipe.anneal, **how)

    def _first_weights(self, recipe: Recipe) -> Classifier:
        about: dict[str, Any] = {"image_size": recipe.image_size, "channels": recipe.channels}
        about |= {"mean": recipe.mean, "std": recipe.std}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(recipe.seed, "first weights", recipe.architecture))
            classes, weights = self.dataset.classes, self._weights(recipe)
            model = build_model(recipe.architecture, classes=classes, weights=weights, **about)
        if recipe.start is not None:
            model.load_state_dict(self.get(recipe.start).state_dict())
        return model.to(self.config.device)

    def _weights(self, recipe: Recipe) -> str:
        """`none`, `imagenet` where they have to be downloaded, or the path of a file."""
        if recipe.weights == "imagenet":
            return str(find_imagenet(recipe.architecture, self.config.weights_folder) or recipe.weights)
        return recipe.weights or "none"

    def _fit(self, model: Classifier, recipe: Recipe, resume: Path | None) -> list[Record]:
        data = training_set(recipe, self.dataset)
        adversary, loss = (part.build() if part else None for part in (recipe.adversary, recipe.loss))
        for name, parameter in model.network.named_parameters():
            parameter.requires_grad_(not recipe.trained or name.startswith(recipe.trained))
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        base = torch.optim.Adam(trained, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True)
        optimizer: torch.optim.Optimizer = base
        for spec in recipe.optimizers:
            optimizer = spec.build(optimizer)

        def on_epoch(current: nn.Module) -> Record:
            record = watch_overfitting(current, data.images, data.labels, max(adversary.epsilons)) if adversary else {}
            if recipe.watch_test:
                test = self.dataset.test
                predicted = predicted_classes(current, test.images)
                record["test"] = confusion("", test.labels, predicted, self.dataset.classes)["counts"]
            return record

        settings = replace(self._settings(recipe, resume), on_epoch=on_epoch)
        how: dict[str, Any] = {"changes": Changes(data.augment, data.stamp, adversary)}
        if recipe.plateau:  # the study's
            how["scheduler"] = torch.optim.lr_scheduler.ReduceLROnPlateau(base, factor=0.1, patience=5)
        elif recipe.anneal:
            how["scheduler"] = torch.optim.lr_scheduler.CosineAnnealingLR(base, recipe.epochs)
        return fit(model, data.images, data.labels, optimizer=optimizer, settings=settings, loss=loss, **how)

    def _settings(self, recipe: Recipe, resume: Path | None) -> FitSettings:
        how: dict[str, Any] = {name: getattr(recipe, name) for name in ("epochs", "batch_size", "seed", "clip_norm")}
        how |= {"precision": self.config.precision, "watched": recipe.plateau or "loss", "resume": resume}
        return FitSettings(**how, on_step=partial(self.on_step, f"train {recipe.model}"))


def watch_overfitting(model: nn.Module, images: np.ndarray, labels: np.ndarray, eps: float) -> Record:
    """`clean`, `fgsm`, `pgd`: accuracy in [0, 1] on 64 training images, under FGSM, and PGD of 10 steps, of size `eps`.
    `overfitted` says that FGSM is resisted and PGD is not (Wong et al. 2020, arXiv 2001.03994)."""
    some = np.linspace(0, len(labels) - 1, min(WATCHED_IMAGES, len(labels))).astype(int)
    device, truth = device_of(model), torch.from_numpy(labels[some])
    pixels = to_unit_range(images[some]).to(device)
    with eval_mode(model):
        attacks = (None, FGSM(eps), PGD(eps, steps=10))
        predicted = attacked_predictions(model, Part.of(pixels, truth.to(device)), attacks)
    clean, fgsm, pgd = ((row == truth).float().mean().item() for row in predicted)
    return {"clean": clean, "fgsm": fgsm, "pgd": pgd, "overfitted": fgsm - pgd > GAP}
