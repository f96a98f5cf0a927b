"""What is left of attacks when the attacked images are saved and read again before the model sees them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mri_robust.attacks.evasion.attack import loss_gradient
from mri_robust.attacks.evasion.epsilon_sweep import BATCH, run_attack
from mri_robust.attacks.evasion.search import Part, judged
from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.core.progress import OnImages
from mri_robust.core.validation import to_unit_range
from mri_robust.data.storage import FORMATS, UNSAVED
from mri_robust.evaluation.evaluation import Context, predicted_classes
from mri_robust.evaluation.gallery import sure_images
from mri_robust.evaluation.pictures import cell, strip
from mri_robust.evaluation.robustness import Found, ImageByImage, factors_of, in_chunks, name_of
from mri_robust.evaluation.rows import Row, figure, rates, share, subsets
from mri_robust.study.epsilon import epsilon_text


@dataclass(frozen=True)
class Storage(ImageByImage):
    """Attack, save in each format, read and predict; beside it the images unsaved, and clean ones the same way.

    Formats do not enter the attack: whoever crafts knows nothing of how the image is saved.
    """

    attacks: tuple[Any, ...]  # native ones
    images: int
    formats: tuple[str, ...] = tuple(FORMATS)  # of `FORMATS`
    pictured: tuple[Any, ...] = ()  # native attacks whose images a sheet shows; none for no sheet
    span: tuple[int, int] | None = None

    def find(self, context: Context, **where: Any) -> Found:
        """`predicted`, int64, and `change`, the mean over the pixels of what the attack changed, float32.

        Both [1 + attacks, 1 + formats, N], clean images and unsaved ones first. A change is counted after reading,
        against the clean image in the same format.
        """
        test, ask = context.dataset.test, partial(_read_back, attacks=(None, *self.attacks), formats=self.formats)
        return in_chunks(ask, context.model, test.images, test.labels, **where)

    def rows(self, context: Context, found: Found, chosen: np.ndarray) -> Iterator[Row]:
        """Of each attack in each format: accuracy, missed tumours, and what is left of its successes and changes."""
        dataset, labels = context.dataset, context.dataset.test.labels[chosen]
        stored = (UNSAVED, *self.formats)
        for subset, kept in subsets(dataset, self.leak_free, chosen).items():
            truth, predicted, changes = labels[kept], found["predicted"][..., kept], found["change"][..., kept]
            who = dataset.test.whose(chosen[kept])
            for attack, called, change in zip((None, *self.attacks), predicted, changes, strict=True):
                for name, clean, each, left in zip(stored, predicted[0], called, change.sum(-1), strict=True):
                    factors = {**factors_of(attack), "stored": name}
                    # What the format alone gets wrong says nothing of the attack.
                    fooled = (predicted[0, 0] == truth) & (clean == truth) & (called[0] != truth)
                    counted = rates(truth, each, dataset, subset, patients=who, **factors)
                    yield from (row for row in counted if not row["class"])
                    if name != UNSAVED and fooled.any():
                        yield share((each != truth)[fooled], "survived", subset, patients=who[fooled], **factors)
                    if name != UNSAVED and change[0].any():
                        yield figure("change_left", float(left / change[0].sum()), subset, n=len(truth), **factors)
        if missing := [name for name in FORMATS if name not in self.formats]:
            said = "was not asked for, or pydicom is not installed: pip install 'mri-robust[medical]'"
            context.artefacts["notes"] = [f"storage as {' and '.join(missing)} {said}"]
        if self.pictured:
            context.artefacts["sheet"] = self._sheet(context)

    def _sheet(self, context: Context) -> list[dict[str, Any]]:
        """A tumour in every format: clean, under each attack, and what the attack changed, ε from mid-grey to white."""
        model, dataset = context.model, context.dataset
        place = sure_images(model, dataset)[0]
        image = to_unit_range(dataset.test.images[place : place + 1]).to(device_of(model))
        part = Part.of(image, torch.from_numpy(dataset.test.labels[place : place + 1]).to(image.device), place)
        reads = {UNSAVED: torch.clone, **{name: FORMATS[name] for name in self.formats}}

        def shown(images: Tensor) -> list[dict[str, Any]]:
            versions = [(name, read(images)) for name, read in reads.items()]
            names = [dataset.classes[int(predicted_classes(model, each)[0])] for _, each in versions]
            return [cell(each[0], f"{name}\n{called}") for (name, each), called in zip(versions, names, strict=True)]

        strips = [strip(f"clean, {dataset.classes[dataset.test.labels[place]]}", shown(image))]
        for attack in self.pictured:
            with eval_mode(model):
                crafted = run_attack(model, part, attack, seed=self.seed)
            changes = [(name, (read(crafted) - read(image))[0]) for name, read in reads.items()]
            grey = [cell((0.5 + change / (2 * attack.eps)).clamp(0, 1), name) for name, change in changes]
            named = f"{name_of(attack)} {epsilon_text(attack.eps, attack.norm)}"
            strips += [strip(named, shown(crafted)), strip(f"{named}: its change, mid-grey for none", grey)]
        return strips


def _read_back(
    model: nn.Module,
    part: Part,
    attacks: tuple[Any, ...],
    formats: tuple[str, ...],
    *,
    proposer: nn.Module,
    on_image: OnImages,
    seed: int = 0,
) -> dict[str, Tensor]:
    """What `Storage.find` says of one chunk; arguments as `attacked_predictions`."""
    reads, gradient = [torch.clone, *(FORMATS[name] for name in formats)], partial(loss_gradient, proposer)
    predicted, changes, shape = [], [], (len(attacks), len(reads), -1)
    for rows in torch.arange(len(part.labels)).split(BATCH):
        batch, called, changed = part.at(rows), [], []
        clean = [read(batch.images) for read in reads]
        for attack in attacks:
            crafted = run_attack(model, batch, attack, gradient=gradient, seed=seed) if attack else batch.images
            for before, read in zip(clean, reads, strict=True):
                seen = read(crafted)
                called.append(judged(model, proposer, seen, batch.labels)[0].cpu())
                changed.append((seen - before).abs().mean((1, 2, 3)).cpu())
        predicted.append(torch.stack(called).view(shape))
        changes.append(torch.stack(changed).view(shape))
        on_image(int(rows[-1]) + 1, len(part.labels))
    return {"predicted": torch.cat(predicted, dim=-1), "change": torch.cat(changes, dim=-1)}
