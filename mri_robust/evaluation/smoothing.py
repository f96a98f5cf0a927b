"""A smoothed classifier between its certificate and an attack: the truth lies between the two."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mri_robust.attacks.evasion.epsilon_sweep import BATCH
from mri_robust.attacks.evasion.pgd import PGD
from mri_robust.attacks.evasion.search import Part, start_of
from mri_robust.core.progress import OnImages
from mri_robust.core.rng import derive_seed, make_generator, seeded_globals
from mri_robust.defences.smoothing import ABSTAINS, Smoothing, check_alone
from mri_robust.evaluation.evaluation import Context
from mri_robust.evaluation.robustness import Found, ImageByImage, factors_of, in_chunks
from mri_robust.evaluation.rows import Row, rates_by_subset, shares
from mri_robust.models.randomised import Averaged, Noisy


@dataclass(frozen=True)
class Bracket(ImageByImage):
    """Certified accuracy over the L2 radius, and the accuracy of the same smoothed classifier under L2 PGD.

    The attack follows the gradient of the expectation over the noise (Salman et al. 2019, arXiv 1906.04584), and the
    class of what it crafts is the commonest of draws. An image counts as fooled at a
    radius when it is fooled there or at a smaller one.
    """

    smoothing: Smoothing
    radii: tuple[float, ...]  # L2 norms of a change, pixels in [0, 1]; above 0, rising
    images: int
    steps: int = 10  # of PGD, each a quarter of the radius
    span: tuple[int, int] | None = None

    def find(self, context: Context, **where: Any) -> Found:
        """`certified` and `radius` [N], see `Certificate`; `predicted`, int64 [1 + radii, N], first of clean images.

        UserError where the model has BatchNorm in train mode.
        """
        check_alone(context.model)
        ask = partial(_both_ends, smoothing=self.smoothing, attacks=list(map(self._attack, self.radii)))
        return in_chunks(ask, context.model, context.dataset.test.images, context.dataset.test.labels, **where)

    def rows(self, context: Context, found: Found, chosen: np.ndarray) -> Iterator[Row]:
        """The share that abstains; then at every radius, 0 first, both ends of the bracket."""
        dataset, labels = context.dataset, context.dataset.test.labels[chosen]
        count = partial(shares, dataset=dataset, leak_free=self.leak_free, places=chosen)
        certain = np.where(found["certified"] == labels, found["radius"], 0.0)
        for radius, predicted in zip((0.0, *self.radii), found["predicted"], strict=True):
            factors = {**factors_of(self._attack(radius) if radius else None), "sigma": self.smoothing.sigma}
            if not radius:
                yield from count(found["certified"] == ABSTAINS, "abstained", **factors)
            yield from count(certain > radius, "certified_accuracy", **factors)
            yield from rates_by_subset(predicted, dataset, self.leak_free, chosen, **factors)

    def _attack(self, radius: float) -> PGD:
        return PGD(radius, steps=self.steps, norm="l2")


def _both_ends(
    model: nn.Module,
    part: Part,
    *,
    smoothing: Smoothing,
    attacks: list[PGD],
    proposer: nn.Module,
    on_image: OnImages,
    seed: int = 0,
) -> dict[str, Tensor]:
    """What `find` says of one chunk; what is drawn for an image depends on its place alone, and on its batch of 64."""
    found: dict[str, list[np.ndarray]] = {"certified": [], "radius": [], "predicted": []}
    expected = Averaged(Noisy(proposer, smoothing.sigma))
    for rows in torch.arange(len(part.labels)).split(BATCH):
        batch, truth = part.at(rows), part.labels[rows].cpu().numpy()
        noise = [make_generator(seed, "smoothing", int(place)) for place in batch.places]
        ends = [smoothing(model, image[None], generator=own) for image, own in zip(batch.images, noise, strict=True)]
        certified, radius, votes = map(np.concatenate, zip(*ends, strict=True))
        called = [votes.argmax(1)]
        for number, attack in enumerate(attacks, start=1):
            on_image(int(rows[0]) + len(rows) * number // (len(attacks) + 1), len(part.labels))
            called.append(called[-1].copy())
            left = np.flatnonzero(called[-1] == truth)
            if len(left):
                some = batch.at(torch.from_numpy(left))
                with seeded_globals(derive_seed(seed, "smoothing", int(batch.places[0]), number)):
                    crafted = attack.craft(expected, some.images, some.labels, start_of(attack, some, seed))
                for image, place in zip(crafted, left, strict=True):
                    called[-1][place] = smoothing.predict(model, image[None], generator=noise[place])[0]
        on_image(int(rows[-1]) + 1, len(part.labels))
        for name, values in zip(found, (certified, radius, np.stack(called)), strict=True):
            found[name].append(values)
    return {name: torch.from_numpy(np.concatenate(parts, axis=-1)) for name, parts in found.items()}
