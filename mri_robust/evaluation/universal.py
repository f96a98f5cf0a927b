"""One perturbation for all images: fitted on some training images, and added to test images that it never saw."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mri_robust.adapters.art import fit_universal
from mri_robust.attacks.evasion.epsilon_sweep import BATCH
from mri_robust.attacks.evasion.norms import ascent_direction
from mri_robust.attacks.evasion.universal import Universal
from mri_robust.core.errors import UserError
from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.core.rng import derive_seed
from mri_robust.core.validation import to_unit_range
from mri_robust.data.audit import fingerprint
from mri_robust.data.dataset import Dataset
from mri_robust.evaluation.evaluation import Context, Evaluation, predicted_classes
from mri_robust.evaluation.pictures import cell, strip
from mri_robust.evaluation.robustness import PROBE, factors_of
from mri_robust.evaluation.rows import Row, choose_images, rates_by_subset, share
from mri_robust.models.folded import attack_copy
from mri_robust.study.epsilon import epsilon_text

PASSES = 1
"""Of ART's attack over its images: each takes a DeepFool of its own, and all ten times as long as our code."""
SIGNS = "random signs"
SHOWN = 128
"""Most fitting images that are also counted."""


@dataclass(frozen=True)
class Fitting:
    """One way to a perturbation."""

    attack: Universal
    images: int | None = None  # most fitting images; None for all; 0 for the control, a random sign for each pixel
    engine: str = "native"  # or `art`: whose code fits


@dataclass(frozen=True)
class UniversalTest(Evaluation):
    """Fit each perturbation on training images, none of which is also a test image, add it to test images and count.

    A targeted one is fitted on images of other classes. It keeps a sheet: a test image, the perturbation, scaled so
    that its greatest change is black or white, and their sum, for each way at the largest epsilon and the most images.
    """

    fittings: tuple[Fitting, ...]  # in table order
    images: int  # how many of the shuffled test images
    target: int = -1  # the class that targeted attacks aim at; -1 for none

    def __call__(self, context: Context) -> Iterator[Row]:
        """The rates of the clean images, then under each perturbation; beside them the accuracy on fitting images."""
        model, dataset = context.model, context.dataset
        chosen = choose_images(len(dataset.test), self.images)
        images, counted = dataset.test.images[chosen], (dataset, self.leak_free, chosen)
        clean = predicted_classes(model, images)
        yield from rates_by_subset(clean, *counted, **factors_of(None))
        with eval_mode(model):
            copy = attack_copy(model, to_unit_range(images[:PROBE]).to(device_of(model)))
        pool = self._pool(dataset)
        example = chosen[((clean == dataset.test.labels[chosen]) & self._victims(dataset.test.labels[chosen])).argmax()]
        done, strips = set[Any](), dict[Any, Any]()
        for each in context.steps(self.fittings):
            places = pool[self._victims(dataset.train.labels[pool]) | (not each.attack.targeted)][: each.images]
            if (each.attack, each.engine, len(places)) in done:  # there are no more images than before
                continue
            done.add((each.attack, each.engine, len(places)))
            found, factors = self._fit(each, copy, places, dataset), self._factors(each, len(places), dataset)
            yield from rates_by_subset(self._called(model, images, found), *counted, **factors)
            if len(places):
                some, truth = (values[places[:SHOWN]] for values in (dataset.train.images, dataset.train.labels))
                yield share(self._called(model, some, found) == truth, "accuracy", "training", **factors)
            if each.attack.eps == max(other.attack.eps for other in self.fittings):
                strips[factors["attack"], each.engine, each.attack.targeted] = found, factors
        context.artefacts["sheet"] = [self._strip(context, example, *kept) for kept in strips.values()]

    def _victims(self, labels: np.ndarray) -> np.ndarray:
        """bool [N]: the images that a targeted attack may turn; all without a target."""
        return labels != self.target

    def _pool(self, dataset: Dataset) -> np.ndarray:
        """Places of the training images that are no test image, in an order shuffled by the seed, int64 [N]."""
        test, train = set(map(fingerprint, dataset.test.images)), dataset.train
        order = torch.randperm(len(train), generator=self.generator("fitting images")).numpy()
        pool = order[[fingerprint(train.images[place]) not in test for place in order]]
        if not len(pool):
            raise UserError(f"data '{dataset.name}' have no training image that is not also a test image to fit on")
        return pool

    def _fit(self, fitting: Fitting, model: nn.Module, places: np.ndarray, dataset: Dataset) -> Tensor:
        """The perturbation, float32 [1, C, S, S] on the CPU."""
        attack, train = fitting.attack, dataset.train
        if fitting.images == 0:
            signs = torch.rand(1, *train.images.shape[1:], generator=self.generator("random signs")) - 0.5
            return attack.eps * ascent_direction(signs.sign(), attack.norm)
        pixels, labels = torch.from_numpy(np.array(train.images[places])), torch.from_numpy(train.labels[places])
        if fitting.engine == "art":
            where, seed = device_of(model), derive_seed(self.seed, "art")
            return fit_universal(attack, model, to_unit_range(pixels).to(where), labels, passes=PASSES, seed=seed).cpu()
        wanted = torch.full_like(labels, self.target) if attack.targeted else labels
        return attack(model, pixels, wanted, generator=self.generator("batches")).cpu()

    @staticmethod
    def _called(model: nn.Module, images: np.ndarray, found: Tensor) -> np.ndarray:
        """int64 [N]: the classes of images, uint8 [N, C, S, S], under the perturbation."""
        batches = (to_unit_range(images[begin : begin + BATCH]) for begin in range(0, len(images), BATCH))
        return np.concatenate([predicted_classes(model, (some + found).clamp(0, 1)) for some in batches])

    def _factors(self, fitting: Fitting, count: int, dataset: Dataset) -> Row:
        about = factors_of(fitting.attack, fitting.engine)
        if fitting.images == 0 or fitting.engine == "art":  # which take no steps, or others
            about |= {"alpha": None, "steps": None}
        if fitting.images == 0:
            return {**about, "attack": SIGNS}
        aim = dataset.classes[self.target] if fitting.attack.targeted else "any other class"
        return {**about, "target": aim, "fitting_images": count}

    def _strip(self, context: Context, place: int, found: Tensor, factors: Row) -> dict[str, Any]:
        """A test image, a perturbation [1, C, S, S], its greatest change black or white, and their sum."""
        model, dataset = context.model, context.dataset
        image = to_unit_range(dataset.test.images[place : place + 1])
        both, most = (image + found).clamp(0, 1), float(found.abs().max()) or 1.0
        before, after = (dataset.classes[predicted_classes(model, some)[0]] for some in (image, both))
        whose = "" if factors["engine"] == "native" else factors["engine"]
        parts = (factors["attack"], epsilon_text(factors["epsilon"], factors["norm"]), factors.get("target"), whose)
        shown = cell((0.5 + found / (2 * most))[0], f"perturbation × {1 / (2 * most):.3g}")
        cells = [cell(image[0], f"called {before}"), shown, cell(both[0], f"called {after}")]
        return strip(", ".join(filter(None, parts)), cells)
