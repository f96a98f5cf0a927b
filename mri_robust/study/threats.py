"""What an attacker does in each experiment, in the words of the law and of the field's taxonomy.

Sources: Regulation (EU) 2024/1689 (AI Act), Article 15(5); NIST AI 100-2 E2025, "Adversarial Machine Learning: A
Taxonomy and Terminology of Attacks and Mitigations", section 2.
"""

from dataclasses import dataclass

AI_ACT = {
    "data poisoning": "attacks that manipulate the training data set",
    "model poisoning": "attacks that manipulate pre-trained components used in training",
    "adversarial examples or model evasion": "inputs designed to make the model err",
    "confidentiality attacks": "attacks that draw out the training data or the model",
    "model flaws": "weaknesses of the model itself",
}
"""Attack types that Article 15(5) names -> what they are."""

NIST = {
    "evasion": "2.2",
    "poisoning: availability": "2.3.1",
    "poisoning: targeted": "2.3.2",
    "poisoning: backdoor": "2.3.3",
    "poisoning: model": "2.3.4",
    "privacy": "2.4",
}
"""Categories of attacks on predictive models -> their section of NIST AI 100-2 E2025."""


@dataclass(frozen=True)
class Threat:
    """What one kind of experiment tests."""

    attacker: str  # what the attacker does, or what stands against it
    ai_act: str  # an attack type of `AI_ACT`
    nist: str  # a category of `NIST`
    defence: bool = False  # the experiment measures what detects or stops the attack, not the attack


_EVASION, _BACKDOOR = "adversarial examples or model evasion", "poisoning: backdoor"
_POISONED, _TRAINED, _LEAKED = "data poisoning", "model poisoning", "confidentiality attacks"
THREATS = {
    "evasion": Threat("changes the pixels of a finished image by less than an eye sees", _EVASION, "evasion"),
    "backdoor": Threat(
        "stamps a trigger on training images, so that a stamped tumour is later called healthy", _POISONED, _BACKDOOR
    ),
    "noisy-training": Threat(
        "changes the training code, so that the model learns little", _TRAINED, "poisoning: availability"
    ),
    "biased-training": Threat(
        "changes the training code, so that the model fails on a class of their choice", _TRAINED, "poisoning: model"
    ),
    "trigger-detection": Threat(
        "a detector flags images with a pattern before the classifier sees them", _POISONED, _BACKDOOR, defence=True
    ),
    "poison-detection": Threat(
        "detectors flag poisoned training images and triggered inputs", _POISONED, _BACKDOOR, defence=True
    ),
    "backdoor-repair": Threat(
        "prunes the backdoor, or trains again without what was flagged", _POISONED, _BACKDOOR, defence=True
    ),
    "extraction": Threat("asks the model about many images and trains a copy on its answers", _LEAKED, "privacy"),
    "membership": Threat(
        "tells from the model's answers whether a patient's image was among the training images", _LEAKED, "privacy"
    ),
    "inversion": Threat("draws an image of each class out of the model by its gradients", _LEAKED, "privacy"),
}
"""Threat by the name under which experiments refer to it."""
