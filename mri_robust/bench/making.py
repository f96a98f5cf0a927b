"""From a recipe to a trained model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mri_robust.attacks.registry import POISONING, TRAINING, TRIGGERS
from mri_robust.bench.environment import Machine
from mri_robust.core.progress import OnStep
from mri_robust.core.rng import derive_seed
from mri_robust.core.registry import Spec
from mri_robust.data.dataset import Dataset
from mri_robust.data.subset import training_images
from mri_robust.defences import DEFENCES
from mri_robust.defences.snooping import Snooper
from mri_robust.evaluation.overfitting import watch_overfitting
from mri_robust.evaluation.poisoned_training import poison_training
from mri_robust.evaluation.prediction import predicted_classes
from mri_robust.models.classifier import Classifier, build_model
from mri_robust.models.ensemble import Ensemble
from mri_robust.models.pretrained import find_imagenet
from mri_robust.study.recipe import Recipe
from mri_robust.training import Changes, FitSettings, Record, fit

Model = Classifier | Ensemble | Snooper
PLATEAU = {"factor": 0.1, "patience": 5}
"""The study's ReduceLROnPlateau."""


class Maker:
    """Trains what recipes describe.

    Args:
        dataset: what on.
        machine: where.
        get: recipe -> its trained model, for the models that a recipe starts from or is made of.
        weights_folder: where ImageNet weights are looked for before torch's own cache.
        on_step: called as (what is going on, done, total).
    """

    def __init__(
        self,
        dataset: Dataset,
        machine: Machine,
        get: Callable[[Recipe], Any],
        weights_folder: Path | None,
        on_step: OnStep,
    ) -> None:
        self.dataset = dataset
        self.machine = machine
        self.get = get
        self.weights_folder = weights_folder
        self.on_step = on_step

    def make(self, recipe: Recipe, resume: Path | None = None) -> tuple[Model, list[Record]]:
        """The model and the record of its training, an entry an epoch.

        Args:
            recipe: what to train.
            resume: the file that keeps the training after each epoch, to go on from where it is there.

        Raises:
            UserError: the loss is not finite, or pretrained weights cannot be had.
        """
        if recipe.members:
            return Ensemble([self.get(member) for member in recipe.members], recipe.shares), []
        if recipe.snooping:
            return self._make_snooper(recipe, resume)
        model = self._first_weights(recipe)
        return model, self._train(model, recipe, resume)

    def _make_snooper(self, recipe: Recipe, resume: Path | None) -> tuple[Snooper, list[Record]]:
        how = dict(recipe.snooping.parameters) if recipe.snooping else {}
        snooper = Snooper.create(
            image_size=recipe.image_size,
            channels=recipe.channels,
            architecture=recipe.architecture,
            weights=self._weights(recipe),
            seed=derive_seed(recipe.seed, "first weights", recipe.model),
        )
        snooper.model.to(self.machine.device)
        patterns = Spec("patterns", how.pop("patterns")).build(TRIGGERS)
        images, _ = training_images(self.dataset.train, recipe.train_images, recipe.seed)
        history = snooper.fit(
            images,
            patterns=patterns,
            settings=self._settings(recipe, resume),
            learning_rate=recipe.learning_rate,
            anneal=recipe.anneal,
            **how,
        )
        return snooper, history

    def _first_weights(self, recipe: Recipe) -> Classifier:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(recipe.seed, "first weights", recipe.architecture))
            model = build_model(
                recipe.architecture,
                classes=self.dataset.classes,
                image_size=recipe.image_size,
                channels=recipe.channels,
                weights=self._weights(recipe),
                mean=recipe.mean,
                std=recipe.std,
            )
        if recipe.start is not None:
            model.load_state_dict(self.get(recipe.start).state_dict())
        return model.to(self.machine.device)

    def _weights(self, recipe: Recipe) -> str:
        """`none`, `imagenet` where they have to be downloaded, or the path of a file."""
        if recipe.weights == "imagenet":
            return str(find_imagenet(recipe.architecture, self.weights_folder) or recipe.weights)
        return recipe.weights or "none"

    def _train(self, model: Classifier, recipe: Recipe, resume: Path | None) -> list[Record]:
        images, labels = training_images(self.dataset.train, recipe.train_images, recipe.seed)
        augment = recipe.augmentation.build(DEFENCES) if recipe.augmentation else None
        adversary = recipe.adversary.build(DEFENCES) if recipe.adversary else None
        stamp = None
        if recipe.poison is not None:
            poisoned = poison_training(
                images,
                labels,
                recipe.poison.build(POISONING),
                augment=augment,
                seed=recipe.seed,
                frozen=recipe.frozen_augmentation,
            )
            images, labels, augment, stamp = poisoned.images, poisoned.labels, poisoned.augment, poisoned.stamp
        optimizer, base = self._optimizer(model, recipe)

        def on_epoch(current: nn.Module) -> Record:
            record = watch_overfitting(current, images, labels, max(adversary.epsilons)) if adversary else {}
            if recipe.watch_test:
                test = self.dataset.test
                record["test"] = float((predicted_classes(current, test.images) == test.labels).mean())
            return record

        return fit(
            model,
            images,
            labels,
            optimizer=optimizer,
            settings=self._settings(recipe, resume, on_epoch),
            loss=recipe.loss.build(TRAINING) if recipe.loss else None,
            scheduler=_scheduler(base, recipe),
            changes=Changes(augment, stamp, adversary),
        )

    def _optimizer(self, model: Classifier, recipe: Recipe) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
        """The optimizer that steps, and the Adam inside it."""
        for name, parameter in model.network.named_parameters():
            parameter.requires_grad_(not recipe.trained or name.startswith(recipe.trained))
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        base = torch.optim.Adam(trained, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True)
        optimizer: torch.optim.Optimizer = base
        for spec in recipe.optimizers:
            optimizer = TRAINING.load(spec.name)(optimizer, **spec.parameters)
        return optimizer, base

    def _settings(
        self, recipe: Recipe, resume: Path | None, on_epoch: Callable[[nn.Module], Record] | None = None
    ) -> FitSettings:
        return FitSettings(
            epochs=recipe.epochs,
            batch_size=recipe.batch_size,
            seed=recipe.seed,
            precision=self.machine.precision,
            clip_norm=recipe.clip_norm,
            watched=recipe.plateau or "loss",
            on_step=lambda done, total: self.on_step(f"train {recipe.model}", done, total),
            on_epoch=on_epoch,
            resume=resume,
        )


def _scheduler(optimizer: torch.optim.Optimizer, recipe: Recipe) -> Any:
    if recipe.plateau:
        return torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **PLATEAU)  # type: ignore[arg-type]
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs) if recipe.anneal else None
