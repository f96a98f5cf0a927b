"""Adversarial images of one model tried on another: an attacker who has some model, or has stolen one, but not this."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

from mri_robust.core.errors import UserError
from mri_robust.core.eval_mode import eval_mode
from mri_robust.evaluation.evaluation import Context, Evaluation, predicted_classes
from mri_robust.evaluation.extraction import Theft, stolen
from mri_robust.evaluation.robustness import factors_of, predict_attacked
from mri_robust.evaluation.rows import Row, choose_images, rates_by_subset, shares
from mri_robust.models.external import stated
from mri_robust.study.recipe import Model


@dataclass(frozen=True)
class Transfer(Evaluation):
    """Craft on each source, with its gradients alone, and ask the model itself, the target, in float32.

    With itself among the sources it is attacked in the open, as by `UnderAttack`: the control. Another control is a
    copy that nobody trained.
    """

    attacks: tuple[Any, ...]  # native ones
    images: int  # how many of the shuffled test images
    sources: tuple[Model, ...]  # of the target's images and classes
    thefts: tuple[Theft, ...] = ()  # further sources: copies, trained on the target's answers to training images

    def __call__(self, context: Context) -> Iterator[Row]:
        """The rates of the clean images, then for each source under every attack; of a copy also its `fidelity`."""
        dataset, target = context.dataset, context.model
        test, chosen = dataset.test, choose_images(len(dataset.test), self.images)
        counted = dataset, self.leak_free
        yield from rates_by_subset(predicted_classes(target, test.images[chosen]), *counted, chosen, **factors_of(None))
        for source in context.steps((*self.sources, *self.thefts)):
            model, name = self._open(source, context)
            if isinstance(source, Theft):
                agree = predicted_classes(model, test.images) == predicted_classes(target, test.images)
                yield from shares(agree, "fidelity", *counted, attack="none", source=name)
            judge = None if model is target else target
            with eval_mode(target):
                where: dict[str, Any] = {"places": chosen, "seed": self.seed, "judge": judge}
                found = predict_attacked(model, test.images, test.labels, self.attacks, **where)
            for attack, predicted in zip(self.attacks, found, strict=True):
                yield from rates_by_subset(predicted, *counted, chosen, **factors_of(attack), source=name)

    def _open(self, source: Model | Theft, context: Context) -> tuple[nn.Module, str]:
        """A source, and what rows call it; UserError where it has other images than the target, or other classes."""
        if isinstance(source, Theft):
            return stolen(source, context, self.seed)[0], "stolen copy" if source.attack else source.thief
        if source == context.asked:
            return context.model, source.model
        model, dataset = context.get(source), context.dataset
        said = stated(model)
        for fact, wanted in (
            ("image_size", dataset.size),
            ("channels", dataset.channels),
            ("classes", dataset.classes),
        ):
            if (own := said.get(fact, wanted)) != wanted:
                raise UserError(
                    f"model '{source.model}' cannot be a source for '{context.asked.model}': its {fact} are {own}, and "
                    f"those of the data {wanted}; take models of the same images and classes"
                )
        return model, source.model
