"""What the report calls metrics, models and sizes: every heading, meaning and number of digits stands here alone."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

WORST = "worst-case"  # what rows call the strongest attack
SUBSETS = {
    "all": "",
    "leak-free": "without the test images that are also in the training set, pixel for pixel",
    "training": "on training images",
}
"""Subset of the images whose numbers a table shows -> its meaning."""
_WORDS = {
    **{"cnn": "CNN", "resnet": "ResNet", "resnet18": "ResNet18", "resnet50": "ResNet50", "ensemble": "Ensemble"},
    **{"fgsm": "FGSM", "pgd": "PGD", "badnets": "BadNets"},
}


@dataclass(frozen=True)
class Metric:
    """How a metric is shown: the heading of its column, what it means in one line, and digits after the point."""

    heading: str
    meaning: str
    digits: int = 3


METRICS = {
    "accuracy": Metric("accuracy", "share of the images that the model calls right"),
    "certified_accuracy": Metric(
        "certified", "share that is right whatever a change of that size is, by a certificate"
    ),
    "abstained": Metric("abstained", "share of the images for which no class is certain"),
    "relative_accuracy": Metric("relative to clean", "accuracy as a share of the accuracy on clean images"),
    "missed_tumour_rate": Metric("missed tumours", "share of the tumour images that are called healthy"),
    "survived": Metric("survived", "share still fooled when read back, of the fooled whose clean image is read right"),
    "change_left": Metric("change left", "mean change of a pixel that is read back, as a share of the attack's own"),
    "asr": Metric("attack success", "share of the triggered tumour images that are called healthy"),
    "precision": Metric("precision", "share of what is called so that is so"),
    "recall": Metric("recall", "share of what is so that is called so"),
    "f1": Metric("F1", "harmonic mean of precision and recall"),
    "fpr": Metric("false alarms", "share of the harmless images that are flagged"),
    "auc": Metric("AUC", "area under the ROC curve; .5 is no better than guessing"),
    "tpr_at_fpr": Metric("TPR at 5 % FPR", "share caught where at most 5 % of the others are flagged"),
    "tpr_at_1_fpr": Metric("TPR at 1 % FPR", "share of the members found where at most 1 % of the others are flagged"),
    "referred": Metric("referred", "share of the images that are flagged and go to a doctor"),
    "threshold": Metric("threshold", "score from which an image is flagged"),
    "fidelity": Metric("fidelity", "share of the test images on which the copy and the model agree"),
    "right_answers": Metric("right answers", "share of the queries whose answer names the class that the model gives"),
    "minimal_epsilon": Metric("minimal ε", "least size that was found to fool an image, the median over images", 5),
    "gradients": Metric("gradients", "passes back to the pixels per image, through the model and its copies", 0),
    "forward_passes": Metric("forward passes", "per image, through the model and its copies", 0),
    "fidelity_gap": Metric("ours − ART's", "fidelity by our code minus ART's; at most .1 where both have learned"),
    "pruned": Metric("pruned", "share of the channels of the last convolution that were removed"),
    "removed": Metric("removed", "share of the training images that were left out"),
    "epochs_to_90": Metric("epochs to 90 %", "epochs until 90 % of the test images were right", 0),
    "recognised": Metric("recognised", "share of the images whose class a second model names"),
    "confidence": Metric("confidence", "probability of the class under the model"),
    "second_confidence": Metric("2nd model's", "confidence of a model of another architecture and other first weights"),
    "nearest_ssim": Metric("SSIM, nearest", "similarity to the nearest training image; near 1 if it showed a patient"),
    "mean_ssim": Metric("SSIM, class mean", "similarity to the mean of the class's training images"),
    "roughness": Metric("roughness", "mean difference of neighbouring pixels"),
    "art_difference": Metric("greatest difference", "of a pixel between our code and ART's from the same start", 7),
    "member_images": Metric("member images", "images seen in training; of a control, images held out of it", 0),
    "other_images": Metric("other images", "images held out or test images, without a duplicate among those seen", 0),
    "same_as_art": Metric("same as ART", "share of the images of which our code says what ART's says"),
}
"""Metrics in the order of their columns; one of another name comes after them."""
SEARCH = ("minimal_epsilon", "gradients", "forward_passes")
"""Those that say how far and how long attacks had to go; they have a table of their own."""


def metric(name: str) -> Metric:
    """How a metric is shown, also one that another package's experiment brings."""
    return METRICS.get(name) or Metric(name.replace("_", " "), "")


def column_heading(name: str, subset: str) -> str:
    """`accuracy`, or `accuracy, leak-free`."""
    heading = metric(name).heading
    return heading if subset == "all" else f"{heading}, {subset}"


def column_order(column: tuple[str, str]) -> tuple[int, str, int]:
    """Sort key of a (metric, subset)."""
    name, subset = column
    return list(METRICS).index(name) if name in METRICS else len(METRICS), name, list(SUBSETS).index(subset)


def model_title(model: str) -> str:
    """`CNN_PGD` for the study's `cnn_pgd`; a user's own model keeps its name."""
    first, *rest = model.split("_")
    if first not in _WORDS or not re.fullmatch(r"\w+", model):
        return model
    return "_".join(_WORDS.get(word, word) for word in (first, *rest))


def ordered(names: Iterable[str], first: Sequence[str]) -> list[str]:
    """Each name once, those of `first` in its order and before the others."""
    return sorted(dict.fromkeys(names), key=lambda name: first.index(name) if name in first else len(first))


def number(value: Any, digits: int = 3) -> str:
    """A number with so many digits after the point, with a real minus; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.{digits}f}".replace("-", "−")


def plain_text(value: Any) -> str:
    """A factor's value as text: whole numbers without a point."""
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def signed(value: float) -> str:
    """`+0.025` or `−0.025`."""
    return ("+" if value >= 0 else "") + number(value)


def percent(value: float) -> str:
    """`89.7 %`, with a space that no line breaks at."""
    return f"{100 * value:.1f}\N{NO-BREAK SPACE}%"


def capitalised(words: str) -> str:
    """With a capital first letter, the others as they are."""
    return words[:1].upper() + words[1:]
