"""Model extraction: Knockoff Nets and Copycat CNN against a plain and a robust model, and what answers give away."""

from functools import partial
from typing import Any

from mri_robust.attacks.privacy.extraction import QUERIES, Extraction
from mri_robust.evaluation.extraction import ExtractionTest, Theft
from mri_robust.study import zoo
from mri_robust.study.config import Config
from mri_robust.study.experiment import Experiment, Tasks

ANSWERS = ("rounded", "top-1", "shuffled")
"""What is done to the victim's answers; the last is a control."""
BUDGETS = (100, 500, 1000, 4000)
"""How many images an attacker may ask about."""
MIDDLE = 1000
"""Most queries of the thefts that vary the attack or the answers."""
TRAINING = "training images"


def tasks(config: Config) -> Tasks:
    """One evaluation per victim and kind of query."""
    victims = config.models or (zoo.cnn_clean(config), zoo.resnet_pgd(config))
    asked = [ExtractionTest(_thefts(config, queries), seed=config.seed, leak_free=config.sound) for queries in QUERIES]
    return [(victim, each) for victim in victims for each in asked]


def extraction(config: Config, queries: str, budget: int, *, labels_only: bool = False) -> Extraction:
    """A theft with as much training as the scale has for a copy."""
    scale = config.scale
    how: dict[str, Any] = {"updates": scale.copy_images // scale.batch_size, "batch_size": scale.batch_size}
    return Extraction(queries, budget, labels_only, learning_rate=1e-4 * scale.rate, **how)


def _thefts(config: Config, queries: str) -> tuple[Theft, ...]:
    """Over the budget; with training images also labels alone, answers changed, our own code, and two controls."""
    attack = partial(extraction, config, queries)
    available = config.train_images if queries == TRAINING else max(BUDGETS)
    budgets = sorted({min(budget, available) for budget in BUDGETS})
    thefts = [Theft("ART", attack(budget)) for budget in budgets]
    if queries == TRAINING:
        middle = attack(max(budget for budget in budgets if budget <= MIDDLE))
        changed = (Theft("ART", middle, answers) for answers in ANSWERS)
        thefts = [Theft("the model itself"), *thefts, Theft("ART", attack(middle.budget, labels_only=True)), *changed]
        thefts += [Theft("own code", middle), Theft("untrained copy")]
    return tuple(thefts)


EXPERIMENT = Experiment(
    name="extraction",
    title="Copies of a model trained on its answers",
    tasks=tasks,
    row_key=("attack", "thief", "queries", "budget", "answers"),
    models=("cnn_clean", "resnet_pgd"),
    threats=("extraction",),
    finished=True,
    needs_training=True,
)
