"""A backdoored model before and after repairs: pruned and tuned on clean images, or trained again without poison."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from mri_robust.adapters.art_detectors import activation_flags
from mri_robust.attacks.evasion.epsilon_sweep import BATCH
from mri_robust.core.eval_mode import device_of
from mri_robust.core.rng import derive_seed
from mri_robust.defences.fine_pruning import FinePruning, channels_off, last_convolution, prune_channels, pruning_order
from mri_robust.evaluation.attacked_training import triggered
from mri_robust.evaluation.evaluation import Context, Evaluation, predicted_classes
from mri_robust.evaluation.rows import Row, draw, figure, share, shares
from mri_robust.evaluation.training_set import TrainingSet, training_set, trusted_images
from mri_robust.models.classifier import Classifier, build_model, penultimate_features
from mri_robust.study.recipe import Recipe
from mri_robust.training import Changes, FitSettings, fit

ANALYSIS = "silhouette-scores"
"""Of the activation clustering that flags images before a model is trained again."""
REPAIRS = 6
"""How many there are, the model as it was among them."""


@dataclass(frozen=True)
class Repair(Evaluation):
    """Repair copies of the model, and count what each calls the test images, clean and triggered."""

    target: int  # the class that the trigger stands for
    trusted: int  # how many clean images the repairer has
    images: int  # most clean and most triggered images for the curve over pruned channels
    pruning: FinePruning  # how channels are pruned, and the rest tuned
    attack: str = "creeper"  # how the model was poisoned, for the rows

    def __call__(self, context: Context) -> Iterator[Row]:
        """For each repair `accuracy` on clean test images; `asr`, the share of triggered images of other classes that
        the model calls `target`, and `missed_tumour_rate`, that share without the trigger; `pruned`, the share of the
        channels, or `removed`, the share of the training images that it took away. Then accuracy and attack success
        over the pruned channels."""
        dataset, labels = context.dataset, context.dataset.test.labels
        trusted = trusted_images(dataset.train, self.trusted, self.seed)
        gone = self.pruning.choose(context.model, *trusted)
        victims = np.flatnonzero(labels != self.target)
        stamped, data = triggered(dataset, victims)[victims], (dataset, self.leak_free)
        for number, (name, model, taken) in enumerate(self._repaired(context, trusted, gone), start=1):
            factors: Row = {"attack": self.attack, "repair": name}
            called, fooled = (predicted_classes(model, images) for images in (dataset.test.images, stamped))
            yield from shares(called == labels, "accuracy", *data, **factors)
            yield from shares(fooled == self.target, "asr", *data, victims, **factors)
            yield from shares(called[victims] == self.target, "missed_tumour_rate", *data, victims, **factors)
            for metric, value in taken.items():
                yield figure(metric, value, **factors)
            context.on_step(number, REPAIRS)
        clean = draw(len(labels), self.images, self.generator("clean inputs"))
        some = draw(len(victims), self.images, self.generator("triggered inputs"))
        order = pruning_order(context.model, trusted[0])
        for count in self.pruning.counts(context.model):
            factors = {"attack": self.attack, "repair": "", "channels": count, "chosen": count == len(gone)}
            with channels_off(context.model, order[:count]):
                right = predicted_classes(context.model, dataset.test.images[clean]) == labels[clean]
                fooled = predicted_classes(context.model, stamped[some]) == self.target
            yield share(right, "accuracy", "drawn", patients=dataset.test.whose(clean), **factors)
            yield share(fooled, "asr", "drawn", patients=dataset.test.whose(victims[some]), **factors)

    def _repaired(
        self, context: Context, trusted: tuple[np.ndarray, np.ndarray], gone: np.ndarray
    ) -> Iterator[tuple[str, Classifier, dict[str, float]]]:
        """(name, repaired copy, metric -> the share that was taken away).

        The last repair knows the poison, and bounds what removal can do. ValueError where a user's own model would have
        to be trained again: nobody knows how.
        """
        model = context.model
        yield "none", model, {}
        pruned, taken = deepcopy(model), {"pruned": len(gone) / last_convolution(model)[0].out_channels}
        prune_channels(pruned, gone)
        yield "pruned", pruned, taken
        fine_pruned, tuned = deepcopy(pruned), deepcopy(model)
        how: dict[str, Any] = {"seed": self.seed, "precision": context.precision}
        self.pruning.tune(fine_pruned, *trusted, gone, **how)
        yield "fine-pruned", fine_pruned, taken
        self.pruning.tune(tuned, *trusted, gone[:0], **how)
        yield "fine-tuned without pruning", tuned, {}
        data = training_set(context.asked, context.dataset)
        features = penultimate_features(model, data.batches(BATCH))
        flagged = activation_flags(features, data.labels, analysis=ANALYSIS, seed=self.seed)
        for known, dropped in (("what activation clustering flags", flagged), ("the poison (oracle)", data.poisoned)):
            again = model  # which it is when it is trained again on all of its images
            if dropped.any():
                if not isinstance(context.asked, Recipe):
                    raise ValueError("a model can be trained again by its recipe alone")
                again = trained_again(model, context.asked, data.without(dropped), context.precision)
            yield f"retrained without {known}", again, {"removed": float(dropped.mean())}


def trained_again(model: Classifier, recipe: Recipe, data: TrainingSet, precision: str) -> Classifier:
    """A new model like `model`, trained by its recipe on `data` from random weights, in `fp32` or `bf16`.

    On the whole of its training set it is that model again. UserError where the loss is not finite.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(recipe.seed, "first weights", model.architecture))
        new = build_model(**model.description()).to(device_of(model))
    optimizer = torch.optim.Adam(new.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs) if recipe.anneal else None
    settings = FitSettings(epochs=recipe.epochs, batch_size=recipe.batch_size, seed=recipe.seed, precision=precision)
    changes = Changes(data.augment, data.stamp)
    fit(new, data.images, data.labels, optimizer=optimizer, scheduler=scheduler, settings=settings, changes=changes)
    return new
