"""Signal images that carry a drawn pattern, so that a doctor looks at them first (section 5.3)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mri_robust.attacks.poisoning.backdoor import Trigger, draw_half, stamp
from mri_robust.core.errors import UserError
from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.core.rng import derive_seed, make_generator
from mri_robust.core.validation import check_choice, check_images, check_number, to_unit_range
from mri_robust.data.storage import jpeg
from mri_robust.models.architectures.patch_detector import FIELD, STRIDE, PatchDetector
from mri_robust.models.checkpoint import load_detector, save_model
from mri_robust.models.classifier import IMAGENET_MEAN, IMAGENET_STD, Classifier, build_model
from mri_robust.training import Changes, FitSettings, Record, fit

CLASSES = ("no_pattern", "pattern")
RESAVED, QUALITIES = 0.5, (75, 95)
"""Share of the pairs that are saved as JPEG, and the range of its quality."""
Images = np.ndarray | Tensor  # uint8 [N, C, S, S], or float32 in [0, 1]


class Snooper:
    """A classifier of the classes `no_pattern` and `pattern`, and the least score, in [0, 1], of a suspicious image.

    `facts` are what the threshold reached on validation images: `recall`, `false_positive_rate`, of how many `stamped`
    and `clean` ones, and the `asked_recall`; empty without validation.
    """

    def __init__(self, model: Classifier, threshold: float = 0.5, facts: dict[str, float] | None = None) -> None:
        if model.classes != CLASSES:
            raise ValueError(f"a snooping detector tells {' and '.join(CLASSES)} apart, got {', '.join(model.classes)}")
        check_number("threshold", threshold, 0.0, 1.0)
        # Trained or loaded, the same memory format: sums in another order would give other scores.
        self.model: Classifier = model.to(memory_format=torch.channels_last)
        self.threshold, self.facts = threshold, facts or {}

    @classmethod
    def create(cls, *, architecture: str = "patch_detector", seed: int = 0, **options: Any) -> Snooper:
        """An untrained detector with ImageNet's normalisation; `options` (`image_size=`, ...) are `build_model`'s."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "first weights", architecture))
            model = build_model(architecture, classes=CLASSES, mean=IMAGENET_MEAN, std=IMAGENET_STD, **options)
        return cls(model.eval())

    def fit(
        self,
        images: Images,
        *,
        patterns: Trigger,
        settings: FitSettings,
        learning_rate: float = 1e-4,
        anneal: bool = False,
        show: str = "half",
        validation: float = 0.0,
        recall: float = 0.95,
        caught: Trigger | None = None,
    ) -> list[Record]:
        """Train on images with patterns and without; choose the threshold on held-out ones.

        Args:
            images: without patterns.
            patterns: what is drawn.
            settings: of the training; its seed also decides the halves.
            learning_rate, anneal: of Adam; annealed it goes to zero along a cosine over the epochs.
            show: `half`, half of the images, drawn once, carry patterns, fresh ones each time; `fixed`, the study's
                fault `fixed-patterns`, the same but that an image's patterns come from its index alone, see `stamp`;
                `pairs`, each image without and with fresh ones, side by side, half of the pairs saved as JPEG.
            validation: share of the images that is held out, half of it stamped; 0 for none and a threshold of .5.
            recall: least share of the stamped validation images that the threshold must catch, in (0, 1].
            caught: what is drawn on these; `patterns` when None.

        Returns what `mri_robust.training.fit` does; ValueError for a number out of range or too few images.
        """
        check_choice("show", show, ("half", "fixed", "pairs"))
        check_number("validation", validation, 0.0, 0.9)
        check_number("recall", recall, 0.0, 1.0, open_low=True)
        held = round(validation * len(images))
        if len(images) - held < 2 or (validation and held < 2):
            raise ValueError(f"{len(images)} images are too few to train a detector with validation={validation:g}")
        order = torch.randperm(len(images), generator=make_generator(settings.seed, "held out")).numpy()
        kept = np.sort(order[held:])
        stamped = draw_half(len(kept), settings.seed)

        def stamp_batch(batch: Tensor, places: Tensor, generator: torch.Generator) -> Tensor:
            indices = kept[places.numpy()] if show == "fixed" else None
            return stamp(batch, stamped[places.numpy()], patterns, generator, indices=indices)

        def pair(_: nn.Module, batch: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
            marked = stamp(batch.cpu(), np.ones(len(batch), dtype=bool), patterns, generator).to(batch)
            both = torch.stack([batch, marked], dim=1)
            drawn = torch.rand(2, len(batch), generator=generator)
            for two, resave, share in zip(both, drawn[0] < RESAVED, drawn[1], strict=True):
                if resave:
                    two.copy_(jpeg(two, round(QUALITIES[0] + float(share) * (QUALITIES[1] - QUALITIES[0]))))
            both = both.transpose(0, 1).flatten(0, 1).contiguous(memory_format=torch.channels_last)
            return both, torch.cat([torch.zeros_like(labels), torch.ones_like(labels)])

        optimizer = torch.optim.Adam(self.model.parameters(), lr=learning_rate, fused=True)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.epochs) if anneal else None
        changes = Changes(adversary=pair) if show == "pairs" else Changes(stamp=stamp_batch)
        shown, labels = images[kept] if held else images, stamped.astype(np.int64)
        history = fit(
            self.model, shown, labels, optimizer=optimizer, settings=settings, scheduler=scheduler, changes=changes
        )
        self.threshold, self.facts = 0.5, {}
        if held:
            seed = derive_seed(settings.seed, "validation")
            mixed, labels = stamped_half(images[np.sort(order[:held])], caught or patterns, seed=seed)
            self._choose_threshold(self.score(mixed), labels == 1, recall)
        return history

    def _choose_threshold(self, scores: np.ndarray, stamped: np.ndarray, recall: float) -> None:
        self.threshold = threshold_for(scores[stamped], recall)
        caught, flagged = scores[stamped] >= self.threshold, scores[~stamped] >= self.threshold
        rates = {"asked_recall": recall, "recall": float(caught.mean()), "false_positive_rate": float(flagged.mean())}
        self.facts = {**rates, "stamped": len(caught), "clean": len(flagged)}

    def score(self, images: Images, batch_size: int = 64) -> np.ndarray:
        """Probability of a pattern in each image, float32 [N]; TypeError or ValueError for images that are none.

        UserError where a score is not a number, which is a broken detector's.
        """
        with eval_mode(self.model), torch.no_grad():
            found = [self.model(batch).float().softmax(1)[:, 1].cpu() for batch in self._batches(images, batch_size)]
        scores: np.ndarray = torch.cat([torch.zeros(0), *found]).numpy()
        if not np.isfinite(scores).all():
            raise UserError("the snooping detector gives scores that are not numbers: train it again")
        return scores

    def predict(self, images: Images) -> np.ndarray:
        """Whether each image is suspicious, bool [N]; see `score`."""
        return self.score(images) >= self.threshold

    def where(self, images: Images, batch_size: int = 64) -> np.ndarray | None:
        """The square in each image that looks most like a pattern: top, left and side in pixels, int64 [N, 3].

        None where the detector's network gives one score an image and none to places, as a ResNet does. TypeError or
        ValueError for images that are none.
        """
        network, found = self.model.network, []
        if not isinstance(network, PatchDetector):
            return None
        with eval_mode(self.model), torch.no_grad():
            for batch in self._batches(images, batch_size):
                scores = network.places(self.model.normalised(batch))[:, 0]
                row, column = np.unravel_index(scores.flatten(1).argmax(1).cpu().numpy(), scores.shape[1:])
                found.append(np.stack([row, column], axis=1))
        size = self.model.image_size
        side = min(FIELD, size)
        corner = np.clip(np.concatenate(found) * STRIDE + STRIDE // 2 - side // 2, 0, size - side)
        return np.column_stack([corner, np.full(len(corner), side)])

    def _batches(self, images: Images, size: int) -> Iterator[Tensor]:
        """The images, float32 on the model's device; TypeError or ValueError for images that are none."""
        for start in range(0, len(images), size):
            batch = to_unit_range(images[start : start + size])
            check_images(batch)
            yield batch.to(device_of(self.model), memory_format=torch.channels_last)

    def save(self, path: str | Path, **notes: Any) -> None:
        """Write the detector to a safetensors file, with its threshold, its facts and `notes`; see `save_model`."""
        save_model(self.model, path, detector={"threshold": float(self.threshold), "facts": self.facts}, **notes)

    @classmethod
    def load(cls, path: str | Path) -> Snooper:
        """The detector in a file that `save` wrote, on the CPU; UserError where it is absent, damaged or none."""
        model, header = load_detector(path)
        try:
            facts = {str(name): float(fact) for name, fact in header["facts"].items()}
            return cls(model, header["threshold"], facts)
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise UserError(f"'{path}' has a header that describes no snooping detector: {error}") from error


def threshold_for(scores: np.ndarray, recall: float) -> float:
    """The greatest threshold that at least a share `recall`, in (0, 1], of the scores [n] reach."""
    reached = np.arange(1, len(scores) + 1) / len(scores)
    return float(np.sort(scores)[::-1][np.searchsorted(reached, recall)])


def stamped_half(images: Images, patterns: Trigger, *, seed: int, fixed: bool = False) -> tuple[Tensor, np.ndarray]:
    """A test set: float32 images in [0, 1], half of them stamped (the smaller half), and int64 labels, 1 for those.

    The seed decides which, and with what; with `fixed` that comes from each image's index, as in `Snooper.fit`.
    """
    stamped = draw_half(len(images), seed)
    indices = np.arange(len(images)) if fixed else None
    mixed = stamp(to_unit_range(images), stamped, patterns, make_generator(seed, "stamps"), indices=indices)
    return mixed, stamped.astype(np.int64)
