"""The whole defence: a backdoored CNN behind a snooping detector that refers what it flags to a doctor."""

from mri_robust.evaluation.detectors import CHOSEN, HALF, SnoopPipeline
from mri_robust.study import zoo
from mri_robust.study.config import Config
from mri_robust.study.experiment import Experiment, Tasks


def tasks(config: Config) -> Tasks:
    """The backdoored CNNs without a detector, and behind each of the detectors of Tables 7 and 8.

    Sound: at the threshold that the detector chose on validation. Paper: at .5.
    """
    victims = [zoo.cnn_backdoor(config)]
    if config.sound:
        victims.append(zoo.cnn_badnets(config, zoo.BADNETS_SHARES[-1]))
    detectors = (None, zoo.snooper(config, zoo.ALL_SIZES), zoo.snooper(config, ("small",)))
    threshold = CHOSEN if config.sound else HALF
    asked = [SnoopPipeline(config.target, detector, threshold, seed=config.seed) for detector in detectors]
    return [(victim, each) for victim in victims for each in asked]


EXPERIMENT = Experiment(
    name="snoop-pipeline",
    title="The backdoored CNN behind the snooping detector",
    reference="section 6.6, beyond the study",
    tasks=tasks,
    row_key=("share", "snooper", "threshold", "test"),
    models=("cnn_backdoor", "cnn_badnets"),
    faults=("frozen-augmentation", "fixed-patterns", "leaky-split", "rgb-images"),
    threats=("backdoor", "trigger-detection"),
)
