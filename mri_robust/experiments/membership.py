"""Membership inference: which images was a model trained on? For overfitted, augmented and robust models."""

from mri_robust.evaluation.membership import ATTACKS, HELD_OUT, RIGHT, SEEN, TEST, MembershipTest, Question
from mri_robust.study import zoo
from mri_robust.study.config import Config
from mri_robust.study.experiment import Experiment, Tasks

CONTROL = tuple((attack, HELD_OUT, TEST) for attack in ATTACKS if attack != RIGHT)
"""Nobody was trained on either kind: an attack has nothing to find but a difference between the two kinds."""


def tasks(config: Config) -> Tasks:
    """One evaluation per model; those trained on half of the images are also asked about the other half."""

    def asked(*others: str, control: tuple[Question, ...] = ()) -> MembershipTest:
        questions = tuple((attack, SEEN, kind) for kind in others for attack in ATTACKS)
        return MembershipTest((*questions, *control), seed=config.seed)

    if config.models:
        return [(model, asked(TEST)) for model in config.models]
    return [
        (zoo.cnn_overfitted(config), asked(HELD_OUT, TEST, control=CONTROL)),
        (zoo.cnn_augmented(config), asked(HELD_OUT, TEST)),
        (zoo.cnn_clean(config), asked(TEST)),
        (zoo.cnn_pgd(config), asked(TEST)),
        (zoo.cnn_shuffled(config), asked(HELD_OUT)),
    ]


EXPERIMENT = Experiment(
    name="membership",
    title="Which images a model was trained on",
    tasks=tasks,
    row_key=("attack", "members", "others", "control"),
    models=("cnn_overfitted", "cnn_augmented", "cnn_clean", "cnn_pgd", "cnn_shuffled"),
    threats=("membership", "overfitting"),
    finished=True,
    needs_training=True,
)
