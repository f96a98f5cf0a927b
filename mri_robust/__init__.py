"""mri-robust: adversarial robustness of MRI classifiers, on ART and torchattacks.

Public names are loaded when they are first used, so that `import mri_robust` stays light and imports no torch.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "APGD": "mri_robust.attacks.evasion.apgd",
    "Backdoor": "mri_robust.attacks.poisoning.backdoor",
    "Creeper": "mri_robust.attacks.poisoning.creeper",
    "DrunkOptimizer": "mri_robust.attacks.training_time.drunk_optimizer",
    "FGSM": "mri_robust.attacks.evasion.fgsm",
    "FMN": "mri_robust.attacks.evasion.fmn",
    "FitSettings": "mri_robust.training",
    "FoolingLoss": "mri_robust.attacks.training_time.fooling_loss",
    "NoisyLoss": "mri_robust.attacks.training_time.noisy_loss",
    "PGD": "mri_robust.attacks.evasion.pgd",
    "Patterns": "mri_robust.attacks.poisoning.patterns",
    "Smoothing": "mri_robust.defences.smoothing",
    "Snooper": "mri_robust.defences.snooping",
    "as_art_backdoor": "mri_robust.adapters.art",
    "as_art_classifier": "mri_robust.adapters.art",
    "as_art_detector": "mri_robust.adapters.art_detectors",
    "as_maite_dataset": "mri_robust.adapters.maite",
    "as_maite_model": "mri_robust.adapters.maite",
    "as_torchattack": "mri_robust.adapters.torchattacks",
    "audit": "mri_robust.bench.audit",
    "build_model": "mri_robust.models.classifier",
    "crosscheck": "mri_robust.evaluation.crosscheck",
    "epsilon_curve": "mri_robust.evaluation.epsilon_curve",
    "fit": "mri_robust.training",
    "load_dataset": "mri_robust.data.dataset",
    "load_model": "mri_robust.models.checkpoint",
    "sanity_checks": "mri_robust.evaluation.sanity",
    "save_model": "mri_robust.models.checkpoint",
}

__all__ = [*_PUBLIC, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'mri_robust' has no attribute '{name}'")
    value = getattr(importlib.import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
