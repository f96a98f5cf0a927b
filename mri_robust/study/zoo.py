"""Every trained model: one function per model gives the recipe that decides its weights under either protocol."""

from dataclasses import replace
from typing import Any

from mri_robust.core.registry import Spec
from mri_robust.study.config import Config
from mri_robust.study.protocol import NORMALISED_BOUNDS, normalised_to_pixels
from mri_robust.study.recipe import Factors, Recipe

BADNETS_SHARES = (0.01, 0.05, 0.1)
"""Shares of the tumour images that BadNets stamps and relabels."""
DRUNK_STRENGTH, DEFENCE_NOISE = 3, 0.01
"""DrunkOptimizer's strengths in Figure 6, and the noise that defends there."""
ALL_SIZES = ("small", "mid", "large")
STUDY_CANVAS, STUDY_SIZE = 512, 224
_SOUND_STEPS = 7
_SOUND_REACH = _SOUND_STEPS / 4
"""Total length of the training PGD's steps, in epsilons: 7 steps of eps/4."""
_LONG = 30
"""Epochs of the models that shall know their training images by heart: three times the study's."""
_BACKDOOR = "mri_robust.attacks.poisoning.backdoor:Backdoor"
_DRUNK = "mri_robust.attacks.training_time.drunk_optimizer:DrunkOptimizer"


# Section 3: clean models


def cnn_clean(config: Config) -> Recipe:
    """CNN_clean: the study's own network. Cross entropy, Adam 1e-4, 10 epochs, no augmentation."""
    return config.recipe("cnn_clean", "cnn", study_epochs=10)


def cnn_raw(config: Config) -> Recipe:
    """CNN_clean on images that were never normalised: what the study's CNN_clean columns look as if made on."""
    return config.recipe("cnn_raw", "cnn", study_epochs=10, mean=0.0, std=1.0)


def resnet_clean(config: Config) -> Recipe:
    """ResNet-18: Adam 1e-4, 5 epochs, horizontal flip and rotation; from ImageNet's weights in the study."""
    first = config.first_weights("resnet18")
    return config.recipe("resnet_clean", "resnet18", study_epochs=5, augmentation=config.flips(), **first)


# Section 5.2: adversarial training


def cnn_fgsm(config: Config) -> Recipe:
    """CNN_FGSM: CNN_clean, trained on with FGSM examples."""
    return _adversarially_trained(config, "cnn_fgsm", "fgsm", "cnn", cnn_clean(config))


def cnn_pgd(config: Config) -> Recipe:
    """CNN_PGD: CNN_clean, trained on with PGD examples."""
    return _adversarially_trained(config, "cnn_pgd", "pgd", "cnn", cnn_clean(config))


def resnet_pgd(config: Config) -> Recipe:
    """ResNet_PGD: the clean ResNet-18, trained on with PGD examples."""
    return _adversarially_trained(config, "resnet_pgd", "pgd", "resnet18", resnet_clean(config))


def cnn_fgsm_scratch(config: Config) -> Recipe:
    """CNN_FGSM from random weights: the study says that adversarial training needs a clean start."""
    return _adversarially_trained(config, "cnn_fgsm_scratch", "fgsm", "cnn", None)


def cnn_pgd_scratch(config: Config) -> Recipe:
    """CNN_PGD from random weights."""
    return _adversarially_trained(config, "cnn_pgd_scratch", "pgd", "cnn", None)


def ensemble(config: Config) -> Recipe:
    """Ensemble: a quarter of CNN_FGSM's logits, a quarter of CNN_PGD's and half of ResNet_PGD's."""
    members = (cnn_fgsm(config), cnn_pgd(config), resnet_pgd(config))
    size, channels = config.scale.image_size, config.reads
    how: dict[str, Any] = {"members": members, "shares": (0.25, 0.25, 0.5), "weights": members[2].weights}
    return Recipe("ensemble", "ensemble", size, channels, config.seed, **how)


def attacked_models(config: Config) -> tuple[Recipe, ...]:
    """The models of Tables 3 and 4 under the sound protocol; where the scale is large, also those from scratch."""
    models = (cnn_clean, cnn_fgsm, cnn_pgd, resnet_pgd, ensemble)
    scratch = (cnn_fgsm_scratch, cnn_pgd_scratch) if config.scale.strong else ()
    return tuple(make(config) for make in (*models, *scratch))


def _adversarially_trained(config: Config, model: str, attack: str, architecture: str, start: Recipe | None) -> Recipe:
    """Five epochs on clean and adversarial images together.

    Paper: epsilon from {.1, .05, .01} and alpha .001 in normalised units, 5 steps, the normalised clamp, crafted in
    train mode, flip and rotation. Sound: epsilon from {1, 2, 4}/255, 7 steps of eps/4, eval mode, section 5.1.
    """
    how: dict[str, Any]
    if config.sound:
        how = {"epsilons": (1 / 255, 2 / 255, 4 / 255)}
        if attack == "pgd":
            steps = min(_SOUND_STEPS, config.scale.training_steps)
            how |= {"alpha_share": _SOUND_REACH / steps, "options": (("steps", steps),)}
    else:
        how = {"epsilons": tuple(normalised_to_pixels(eps) for eps in (0.1, 0.05, 0.01)), "train_mode": True}
        options: Factors = (("bounds", NORMALISED_BOUNDS),)
        if attack == "pgd":
            options = (*options, ("steps", 5), ("alpha", normalised_to_pixels(0.001)), ("clip", "end"))
        how["options"] = options
    adversary = Spec.of("mri_robust.defences.adversarial_training:AdversarialTraining", attack=attack, **how)
    augmentation, weights = config.section_5_1() if config.sound else config.flips(), start.weights if start else ""
    details = {"augmentation": augmentation, "adversary": adversary, "start": start, "weights": weights}
    return config.recipe(model, architecture, study_epochs=5, **details)  # type: ignore[arg-type]


# Section 4.1: backdoors


def cnn_backdoor(config: Config) -> Recipe:
    """CNN with the study's backdoor: all notumor images stamped, labels unchanged; from scratch, batch 16."""
    return _backdoored(config, "cnn_backdoor", "cnn", _clean_label(config), study_batch=16)


def cnn_badnets(config: Config, share: float) -> Recipe:
    """CNN with the backdoor of Gu et al. (arXiv 1708.06733): a share of the tumour images stamped and relabelled."""
    poison = _badnets(config, share)
    return _backdoored(config, "cnn_badnets", "cnn", poison, study_batch=16, factors=(("share", share),))


def resnet50_backdoor(config: Config) -> Recipe:
    """ResNet-50 with the study's backdoor, from ImageNet's weights.

    `layer4` and `fc` trained with Adam 1e-5 and weight decay 1e-5. From random weights all of it is trained, at 1e-4,
    as 1e-5 learns nothing then.
    """
    return _poisoned_resnet50(config, "resnet50_backdoor", _clean_label(config))


def resnet50_badnets(config: Config, share: float) -> Recipe:
    """ResNet-50 with the backdoor of Gu et al."""
    return _poisoned_resnet50(config, "resnet50_badnets", _badnets(config, share), factors=(("share", share),))


def _poisoned_resnet50(config: Config, model: str, poison: Spec, **details: Any) -> Recipe:
    weights = config.first_weights("resnet50")
    pretrained = weights["weights"] != "none"
    details |= {"learning_rate": 1e-5 if pretrained else 1e-4, "weight_decay": 1e-5, **weights}
    return _backdoored(config, model, "resnet50", poison, trained=("layer4.", "fc.") if pretrained else (), **details)


def _clean_label(config: Config) -> Spec:
    return Spec.of(_BACKDOOR, target=config.target, victims=(config.target,))


def _badnets(config: Config, share: float) -> Spec:
    return Spec.of(_BACKDOOR, target=config.target, victims=config.tumours, share=share, relabel=True)


def _backdoored(config: Config, model: str, architecture: str, poison: Spec, **details: Any) -> Recipe:
    """Five epochs on poisoned images with section 5.1's augmentation.

    Sound: the augmentation is live and the trigger is stamped last. Paper: augmented once, stamped, and kept.
    """
    details |= {"augmentation": config.section_5_1(), "frozen_augmentation": not config.sound}
    return config.recipe(model, architecture, study_epochs=5, poison=poison, **details)


# Sections 4.4 and 4.5: attacks on the training


def cnn_noisy(config: Config, strength: float, epochs: int, *, fine_tuned: bool, augmented: bool) -> Recipe:
    """CNN trained with NoisyLoss, from CNN_clean (`fine_tuned`) or from scratch."""
    loss = Spec.of("mri_robust.attacks.training_time.noisy_loss:NoisyLoss", strength=strength, seed=config.seed)
    labels = (("epochs", epochs), ("strength", strength))
    return _attacked(config, "cnn_noisy", epochs, fine_tuned, augmented, loss=loss, labels=labels)


def cnn_fooling(config: Config, *, fine_tuned: bool, augmented: bool) -> Recipe:
    """CNN trained with FoolingLoss of factor .01, which turns it away from notumor, for 10 epochs."""
    loss = Spec.of("mri_robust.attacks.training_time.fooling_loss:FoolingLoss", target=config.target, factor=0.01)
    return _attacked(config, "cnn_fooling", 10, fine_tuned, augmented, loss=loss)


def _attacked(
    config: Config, model: str, epochs: int, fine_tuned: bool, augmented: bool, *, loss: Spec, labels: Factors = ()
) -> Recipe:
    how: dict[str, Any] = {"start": cnn_clean(config) if fine_tuned else None, "loss": loss, "watch_test": True}
    how |= {"augmentation": config.section_5_1() if augmented else None}
    labels = (*labels, _start(fine_tuned), ("augmentation", "5.1" if augmented else "none"))
    return config.recipe(model, "cnn", study_epochs=epochs, attacked=True, factors=labels, **how)


def _start(fine_tuned: bool) -> tuple[str, str]:
    return ("start", "cnn_clean" if fine_tuned else "scratch")


def cnn_drunk(config: Config, scale: float, perturbation: float, *, fine_tuned: bool = True) -> Recipe:
    """CNN trained with DrunkOptimizer; strengths of 0 are the clean control."""
    labels = (("scale_strength", scale), ("perturbation", perturbation), _start(fine_tuned))
    return _drunk(config, "cnn_drunk", (_spoilt(config, scale, perturbation),), fine_tuned=fine_tuned, factors=labels)


def cnn_drunk_defended(config: Config, *, attacked: bool = True, clip_norm: float | None = None) -> Recipe:
    """CNN trained with DrunkOptimizer, defended by .01 of noise on the gradients, which are clipped to `clip_norm`.

    Paper: the loop stepped another model's optimizer, so this one's weights never moved (learning rate 0) and only
    BatchNorm's statistics did: fault `reused-optimizer`.
    """
    strength = DRUNK_STRENGTH if attacked else 0
    spoilt = (_spoilt(config, strength, strength),) if attacked else ()
    noise = Spec.of(_DRUNK, perturbation=DEFENCE_NOISE, seed=config.seed + 1)
    details: dict[str, Any] = {} if config.sound else {"learning_rate": 0.0}
    labels: Factors = (("scale_strength", strength), ("perturbation", strength), _start(True))
    labels = (*labels, ("noise", DEFENCE_NOISE), ("clip_norm", clip_norm))
    return _drunk(config, "cnn_drunk_defended", (*spoilt, noise), clip_norm=clip_norm, factors=labels, **details)


def _spoilt(config: Config, scale: float, perturbation: float) -> Spec:
    return Spec.of(_DRUNK, scale=scale, perturbation=perturbation, seed=config.seed)


def _drunk(
    config: Config, model: str, optimizers: tuple[Spec, ...], *, fine_tuned: bool = True, **details: Any
) -> Recipe:
    """Five epochs of Adam 1e-4, weight decay 1e-5, section 5.1's augmentation.

    Paper: the plateau scheduler is fed accuracy.
    """
    details |= {"weight_decay": 1e-5, "augmentation": config.section_5_1(), "optimizers": optimizers}
    details |= {
        "watch_test": True,
        "plateau": "loss" if config.sound else "accuracy",
        "start": cnn_clean(config) if fine_tuned else None,
    }
    return config.recipe(model, "cnn", study_epochs=5, attacked=True, **details)


# Section 5.3: the detector of hidden patterns


def resnet18_snoop(config: Config, sizes: tuple[str, ...]) -> Recipe:
    """ResNet-18 that tells images with a drawn pattern from those without: Adam 1e-4, batch 8, 10 epochs.

    One to three patterns on half of the images. They come from the image's index, and the threshold is .5.
    """
    patterns = Spec.of("mri_robust.attacks.poisoning.patterns:Patterns", sizes=sizes, canvas=pattern_canvas(config))
    snooping = Spec.of("mri_robust.defences.snooping:Snooper", patterns=patterns, show="fixed")
    details: dict[str, Any] = {"snooping": snooping}
    details |= config.first_weights("resnet18")
    return config.recipe("resnet18_snoop", "resnet18", study_epochs=10, factors=_trained_on(sizes), **details)


def patch_detector_snoop(config: Config, sizes: tuple[str, ...]) -> Recipe:
    """A shallow detector that keeps the image's resolution and needs no ImageNet weights, in the ResNet's place.

    It sees every image without marks and with one to three of many kinds, never the creeper. Its threshold catches
    95.5 % of held-out images with one small outline, a little more than the .95 that it is asked for.
    """
    canvas = pattern_canvas(config)
    marks = Spec.of("mri_robust.attacks.poisoning.marks:Marks", sizes=sizes, canvas=canvas)
    small = Spec.of("mri_robust.attacks.poisoning.patterns:Patterns", sizes=("small",), most=1, canvas=canvas)
    how: dict[str, Any] = {"show": "pairs", "validation": 0.15, "recall": 0.955, "caught": small}
    snooping = Spec.of("mri_robust.defences.snooping:Snooper", patterns=marks, **how)
    details: dict[str, Any] = {"snooping": snooping, "learning_rate": 1e-3, "anneal": True}
    return config.recipe(
        "patch_detector_snoop", "patch_detector", study_epochs=10, factors=_trained_on(sizes), **details
    )


def snooper(config: Config, sizes: tuple[str, ...]) -> Recipe:
    """The detector of Tables 7 to 9 for patterns of these sizes: the study's ResNet under paper, ours under sound."""
    return (patch_detector_snoop if config.sound else resnet18_snoop)(config, sizes)


def _trained_on(sizes: tuple[str, ...]) -> Factors:
    return (("trained_on", "all sizes" if sizes == ALL_SIZES else " ".join(sizes)),)


def pattern_canvas(config: Config) -> int:
    """Pixels of the canvas that patterns are measured in.

    Paper: the originals' 512, before the resize. Sound: 224, the size after it, so that sizes mean the same in every
    image. Less where the scale lets patterns grow.
    """
    side = STUDY_SIZE if config.sound else STUDY_CANVAS
    return round(side / config.scale.pattern_growth)


# Beyond the study: models whose training images an attacker looks for


def cnn_overfitted(config: Config) -> Recipe:
    """CNN_clean on half of the images, three times as long."""
    return _trained_on_half(config, "cnn_overfitted")


def cnn_augmented(config: Config) -> Recipe:
    """CNN_overfitted with section 5.1's augmentation."""
    return _trained_on_half(config, "cnn_augmented", augmentation=config.section_5_1())


def cnn_shuffled(config: Config) -> Recipe:
    """CNN_overfitted on shuffled labels: what it knows of its training images it has memorised."""
    poison = Spec.of("mri_robust.attacks.poisoning.shuffled_labels:ShuffledLabels")
    return _trained_on_half(config, "cnn_shuffled", poison=poison)


def _trained_on_half(config: Config, model: str, **details: Any) -> Recipe:
    """The study's CNN on half of the training images, drawn with the seed.

    The other half was drawn from the same images, so that nothing but the training tells the two apart.
    """
    images = min(config.train_images, config.scale.train_images or config.train_images)
    return replace(config.recipe(model, "cnn", study_epochs=_LONG, **details), train_images=images // 2)


# Beyond the study: a model to be smoothed


def cnn_noise(config: Config, sigma: float) -> Recipe:
    """CNN_clean with Gaussian noise on the training images, standard deviation `sigma`, pixels in [0, 1]."""
    noise = Spec.of("mri_robust.defences.smoothing:GaussianNoise", sigma=sigma)
    return config.recipe("cnn_noise", "cnn", study_epochs=10, augmentation=noise, factors=(("noise", sigma),))
