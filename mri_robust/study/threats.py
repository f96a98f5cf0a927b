"""What an attacker does in each experiment, in the words of law, regulators and the field; and the row that says how
far they came.

Only `attacker` and `figures` are ours: every other word stands in its source, see `SOURCES`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

AI_ACT = {
    "data poisoning": "attacks that manipulate the training data set",
    "model poisoning": "attacks that manipulate pre-trained components used in training",
    "adversarial examples or model evasion": "inputs designed to make the model err",
    "confidentiality attacks": "attacks that draw out the training data or the model",
    "model flaws": "weaknesses of the model itself",
    "errors, faults or inconsistencies": "of the model or of what it works in, without an attacker: Article 15(4)",
}
"""What Article 15 names -> what it is; attack types of Article 15(5) but for the last."""

NIST = {
    "evasion": "2.2",
    "poisoning: availability": "2.3.1",
    "poisoning: targeted": "2.3.2",
    "poisoning: backdoor": "2.3.3",
    "poisoning: model": "2.3.4",
    "privacy": "2.4",
}
"""Categories of attacks on predictive models -> their section."""

FDA = {
    "data poisoning": "forged or maliciously changed data are injected",
    "model inversion/stealing": "details of the model are inferred, or it is copied",
    "model evasion": "inputs are crafted or changed to deceive the model",
    "data leakage": "sensitive training or inference data are got at",
    "overfitting": "the model is fitted too closely, and struggles with data that were changed",
    "model bias": "biases are introduced, accentuated or exploited",
    "performance drift": "the distribution of the inputs changes, and performance falls",
}
"""AI risks that cybersecurity threats can cause -> what each is."""

ATLAS = {
    "AML.T0015": "Evade AI Model",
    "AML.T0018.000": "Poison AI Model",
    "AML.T0020": "Poison Training Data",
    "AML.T0024.000": "Infer Training Data Membership",
    "AML.T0024.001": "Invert AI Model",
    "AML.T0024.002": "Extract AI Model",
    "AML.T0043.000": "White-Box Optimization",
    "AML.T0043.001": "Black-Box Optimization",
    "AML.T0043.002": "Black-Box Transfer",
    "AML.T0043.004": "Insert Backdoor Trigger",
}
"""Techniques that can be tried on a classifier of images -> their names."""

CR515 = dict.fromkeys(("data collection", "product design", "product deployment", "product use", "maintenance"), "")
"""When threats arise."""

SOURCES = {
    "ai_act": ("AI Act", AI_ACT, "Regulation (EU) 2024/1689, Article 15(4) and (5)"),
    "nist": ("NIST AI 100-2", NIST, "E2025, section 2; the numbers are its sections"),
    "fda": (
        "FDA",
        FDA,
        "draft guidance “Artificial Intelligence-Enabled Device Software Functions: Lifecycle Management and Marketing "
        "Submission Recommendations”, January 2025, section XII",
    ),
    "atlas": ("MITRE ATLAS", ATLAS, "version 5.6.0; of its techniques those that can be tried on such a model"),
    "cr515": (
        "AAMI CR515",
        CR515,
        "CR515:2025 is sold and was not consulted: these are the stages at which threats arise, as AAMI’s "
        "announcement of 24 March 2026 names them, and which stage a threat belongs to is our reading",
    ),
}
"""Field of `Threat` -> (short name, its words -> what they mean, where they stand)."""


@dataclass(frozen=True)
class Figure:
    """Which row of its table says how far an attack came, or how well a defence did."""

    metric: str
    least: bool  # whether the least value among the rows that fit is shown, or else the greatest
    subset: str = "all"
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # column -> what it may hold
    without: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # column -> what it may not
    at_usual: bool = False  # only at the usual epsilon, or the nearest under it


@dataclass(frozen=True)
class Threat:
    """What one kind of experiment tests."""

    attacker: str  # what the attacker does, or what stands against it
    ai_act: str  # a word of `AI_ACT`
    cr515: str  # of `CR515`
    figures: tuple[Figure, ...]  # of several, those after the first speak of the model of the first
    nist: str = ""  # a category of `NIST`; empty, as are the next two, where the source has none
    fda: tuple[str, ...] = ()  # risks of `FDA`
    atlas: tuple[str, ...] = ()  # techniques of `ATLAS`
    defence: bool = False  # the experiment measures what detects or stops the attack, not the attack


_EVASION = partial(
    Threat,
    ai_act="adversarial examples or model evasion",
    nist="evasion",
    fda=("model evasion",),
    atlas=("AML.T0015", "AML.T0043.000"),
    cr515="product use",
)
_BACKDOOR = partial(
    Threat,
    ai_act="data poisoning",
    nist="poisoning: backdoor",
    fda=("data poisoning",),
    atlas=("AML.T0020", "AML.T0043.004"),
    cr515="data collection",
)
_TRAINING = partial(Threat, ai_act="model poisoning", atlas=("AML.T0018.000",), cr515="product design")
_LEAK = partial(Threat, ai_act="confidentiality attacks", nist="privacy", cr515="product use")
_CHOSEN = {"threshold": ("chosen", "")}  # a detector's own, where it has several
_RIGHT = {"attack": ("right prediction",)}
_UNATTACKED = {"attack": ("none",)}
THREATS = {
    "evasion": _EVASION(
        "changes the pixels of a finished image by less than an eye sees",
        figures=(Figure("accuracy", least=True, at_usual=True),),
    ),
    "universal": _EVASION(
        "adds one pattern to every image, fitted on images of their own",
        figures=(Figure("accuracy", least=True, without={"attack": ("none", "random signs")}, at_usual=True),),
    ),
    "transfer": _EVASION(
        "asks the model about their own images, trains a copy on its answers, and crafts on that",
        atlas=("AML.T0015", "AML.T0043.002", "AML.T0024.002"),
        figures=(Figure("accuracy", least=True, where={"source": ("stolen copy",)}, at_usual=True),),
    ),
    "certified-defence": _EVASION(
        "the commonest answer under noise, which no change under a known size can alter",
        figures=(Figure("certified_accuracy", least=False, at_usual=True),),
        defence=True,
    ),
    "unequal-classes": Threat(
        "uses that the model is right less often on one class than on the others",
        ai_act="model flaws",
        fda=("model bias",),
        cr515="data collection",
        figures=(Figure("recall", least=True, where=_UNATTACKED),),
    ),
    "artefacts": Threat(
        "nobody: what scanners and patients do to an image",
        ai_act="errors, faults or inconsistencies",
        fda=("performance drift",),
        cr515="product use",
        figures=(Figure("accuracy", least=True, where={"attack": ("artefacts",)}),),
    ),
    "backdoor": _BACKDOOR(
        "stamps a trigger on training images, so that a stamped tumour is later called healthy",
        fda=("data poisoning", "model bias"),
        figures=(Figure("asr", least=False),),
    ),
    "noisy-training": _TRAINING(
        "changes the training code, so that the model learns little",
        nist="poisoning: availability",
        figures=(Figure("accuracy", least=True),),
    ),
    "biased-training": _TRAINING(
        "changes the training code, so that the model fails on a class of their choice",
        nist="poisoning: model",
        fda=("model bias",),
        figures=(Figure("recall", least=True),),
    ),
    "trigger-detection": _BACKDOOR(
        "a detector flags images with a pattern before the classifier sees them",
        figures=(
            Figure("recall", least=True, where=_CHOSEN | {"class": ("pattern", "")}, without={"snooper": ("none",)}),
            Figure("fpr", least=False, where=_CHOSEN),
        ),
        defence=True,
    ),
    "poison-detection": _BACKDOOR(
        "detectors flag poisoned training images and triggered inputs",
        figures=(Figure("auc", least=False),),
        defence=True,
    ),
    "backdoor-repair": _BACKDOOR(
        "prunes the backdoor, or trains again without what was flagged",
        figures=(Figure("asr", least=True, without={"repair": ("none", "retrained without the poison (oracle)")}),),
        defence=True,
    ),
    "extraction": _LEAK(
        "asks the model about many images and trains a copy on its answers",
        fda=("model inversion/stealing",),
        atlas=("AML.T0024.002",),
        figures=(Figure("fidelity", least=False, without=_UNATTACKED),),
    ),
    "membership": _LEAK(
        "tells from the model's answers whether a patient's image was among the training images",
        fda=("data leakage",),
        atlas=("AML.T0024.000",),
        figures=(Figure("auc", least=False, where={"control": ("",)}, without=_RIGHT),),
    ),
    "overfitting": Threat(
        "uses that the model is right more often on the images that it was trained on",
        ai_act="model flaws",
        fda=("overfitting",),
        cr515="product design",
        figures=(
            Figure("accuracy", least=False, subset="training", where=_RIGHT),
            Figure("accuracy", least=True, where=_RIGHT),
        ),
    ),
    "inversion": _LEAK(
        "draws an image of each class out of the model by its gradients",
        fda=("model inversion/stealing", "data leakage"),
        atlas=("AML.T0024.001",),
        figures=(Figure("nearest_ssim", least=False, without=_UNATTACKED),),
    ),
}
"""Threat by the name under which experiments refer to it."""
