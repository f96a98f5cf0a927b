"""Model inversion: an image of each class out of a plain and a robust model, and whether it shows a patient."""

from functools import partial

from mri_robust.attacks.privacy.inversion import Inversion
from mri_robust.evaluation.inversion import InversionTest, Inverted
from mri_robust.study import zoo
from mri_robust.study.config import Config
from mri_robust.study.experiment import Experiment, Tasks

STEPS = 60
SIDE = 56
"""Pixels at which smoothing and ART's steps were chosen; both grow with the images."""


def tasks(config: Config) -> Tasks:
    """One evaluation per victim; the one trained on shuffled labels has no class to show. The second model is a ResNet.

    Of the controls only the victim's own confidence would differ between the victims: the first has them all.
    """
    first, *others = config.models or (zoo.cnn_clean(config), zoo.cnn_pgd(config), zoo.cnn_shuffled(config))
    asked = partial(InversionTest, _inversions(config.scale.image_size), zoo.resnet_clean(config), seed=config.seed)
    return [(first, asked()), *((victim, asked(controls=())) for victim in others)]


def _inversions(side: int) -> tuple[Inverted, ...]:
    """Ours from an average image and from grey, and ART's on logits and on probabilities."""
    growth = side / SIDE
    ours, plain = Inversion(STEPS, step=1 / 255, smoothing=growth), partial(Inversion, STEPS, scaled=False)
    # The gradient of a pixel falls with the number of pixels.
    return (
        Inverted("ours, from the average image", ours),
        Inverted("ours, from grey", ours, start="grey"),
        Inverted("ART, logits", plain(loss="logit", step=0.03 * growth**2), art=True),
        Inverted("ART, probabilities", plain(loss="probability", step=0.3 * growth**2), art=True),
    )


EXPERIMENT = Experiment(
    name="inversion",
    title="What a model shows of its classes",
    tasks=tasks,
    row_key=("image", "class"),
    models=("cnn_clean", "cnn_pgd", "cnn_shuffled"),
    threats=("inversion",),
    finished=True,
    needs_training=True,
)
