"""How a model was trained, in plain words for the measures that look at its training set or train it again."""

from __future__ import annotations

from typing import Any

from mri_robust.study.recipe import Recipe

TRAINING = (
    *("seed", "train_images", "augmentation", "poison", "frozen_augmentation"),
    *("epochs", "batch_size", "learning_rate", "weight_decay", "anneal"),
)
"""Fields of a recipe that decide a training from random weights."""


def training_of(recipe: Recipe) -> dict[str, Any]:
    """The fields of a recipe that `evaluation.poisoned_training` takes."""
    return {name: getattr(recipe, name) for name in TRAINING}
