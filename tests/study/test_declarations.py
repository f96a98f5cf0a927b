"""What the study declares: every task of every experiment, recipes and scales, against the protocols' own words."""

from dataclasses import replace

import pytest

from mri_robust.core.errors import UserError
from mri_robust.core.hashing import canonical_json
from mri_robust.evaluation.evaluation import Evaluation
from mri_robust.evaluation.worst_case import WorstCase
from mri_robust.experiments import artefacts, pgd, worst_case
from mri_robust.experiments.fgsm import PICTURED
from mri_robust.report.metrics import METRICS
from mri_robust.study import zoo
from mri_robust.study.config import Config
from mri_robust.study.epsilon import EPSILONS
from mri_robust.study.experiment import EXPERIMENTS, all_experiments, load_experiment
from mri_robust.study.protocol import FAULTS, PROTOCOLS
from mri_robust.study.recipe import External, Recipe
from mri_robust.study.scale import AUDITS, FULL, SCALES, Scale
from mri_robust.study.threats import SOURCES, THREATS

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
STD = 0.1813


def config(protocol: str = "sound", scale: str | Scale = "quick", **changes: object) -> Config:
    facts = {"dataset": "d", "classes": CLASSES, "healthy": (2,), "train_images": 5708, "test_images": 1311}
    scale = SCALES[scale] if isinstance(scale, str) else scale
    return replace(Config(protocol=protocol, scale=scale), **{**facts, **changes})  # type: ignore[arg-type]


def recipes(recipe: Recipe) -> list[Recipe]:
    """A recipe and all that it rests on."""
    before = [*recipe.members, *([recipe.start] if recipe.start else [])]
    return [recipe, *(each for other in before for each in recipes(other))]


@pytest.mark.parametrize("name", EXPERIMENTS.names())
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("scale", SCALES)
def test_every_declared_part_can_be_built_and_every_task_is_its_own_key(name: str, protocol: str, scale: str) -> None:
    asked = config(protocol, scale)
    experiment = load_experiment(name)
    tasks = experiment.tasks(asked)
    assert len({(model, repr(evaluation)) for model, evaluation in tasks}) == len(tasks)
    for model, evaluation in tasks:
        assert isinstance(evaluation, Evaluation)
        assert hash((model, evaluation)) == hash((model, evaluation))
        assert evaluation.seed == asked.seed
        assert "0x" not in repr(evaluation)  # an address would name it anew in every process
        canonical_json(evaluation)
        for recipe in (*recipes(model), *evaluation.further_models()):
            assert recipe.seed == asked.seed
            assert recipe.image_size == asked.scale.image_size
            for part in (recipe.augmentation, recipe.adversary, recipe.loss, recipe.poison):
                assert part is None or part.build() is not None
    canonical_json(experiment.description())


def test_the_study_has_twelve_experiments_by_its_own_names_and_known_faults_and_threats() -> None:
    assert len(all_experiments()) == 13
    aliases = {alias for experiment in all_experiments() for alias in experiment.aliases}
    assert aliases == {f"table{n}" for n in range(1, 10)} | {f"figure{n}" for n in range(2, 7)}
    for experiment in all_experiments(beyond=True):
        assert all(load_experiment(alias) == experiment for alias in experiment.aliases)
        assert set(experiment.faults) <= set(FAULTS)
        assert experiment.threats
        assert set(experiment.threats) <= set(THREATS)
    assert [each.name for each in all_experiments()][:3] == ["fgsm", "pgd", "worst-case"]  # the main job comes first
    with pytest.raises(UserError, match="fgsm"):
        load_experiment("fgms")


@pytest.mark.parametrize("name", THREATS)
def test_a_threat_is_told_in_its_sources_own_words_and_has_a_figure_of_a_known_metric(name: str) -> None:
    threat = THREATS[name]
    said = {key: getattr(threat, key) for key in SOURCES}
    words = {key: (each,) if isinstance(each, str) else each for key, each in said.items()}
    for key, (_, known, _) in SOURCES.items():
        assert set(filter(None, words[key])) <= set(known)
    assert threat.attacker
    assert threat.ai_act
    assert threat.cr515
    assert threat.figures
    assert {figure.metric for figure in threat.figures} <= set(METRICS)
    assert any(name in experiment.threats for experiment in all_experiments(beyond=True))


def test_experiments_that_ask_a_finished_model_take_the_users_own() -> None:
    own = (External("a.safetensors", "1"), External("pkg:model", "2"))
    finished = [each.name for each in all_experiments(beyond=True) if each.finished]
    privacy = ["extraction", "inversion", "membership"]
    beyond = ["artefacts", "regions", "smoothing", "storage", "transfer", "universal", "worst-case"]
    assert sorted(finished) == sorted(["fgsm", "pgd", *privacy, *beyond])
    for name in finished:
        tasks = load_experiment(name).tasks(config(models=own, scale="quick"))
        assert {model for model, _ in tasks} == set(own), name


def test_the_region_of_the_scale_reaches_every_attack_of_the_tests_over_epsilon() -> None:
    own = (External("a.safetensors", "1"),)
    asked = config(models=own, scale=replace(SCALES["quick"], region="head"))
    for name in ("fgsm", "pgd", "worst-case", "artefacts"):
        regions = [each.region for _, each in load_experiment(name).tasks(asked) if hasattr(each, "region")]
        assert set(regions) == {"head"}, name
    [found] = {tuple(each.region for _, each in load_experiment("regions").tasks(asked))}
    assert found == ("all", "head", "background", "frame")


def test_clean_recipes_at_full_scale_are_the_studys() -> None:
    cnn, resnet = zoo.cnn_clean(config("paper", "full")), zoo.resnet_clean(config("paper", "full"))
    assert (cnn.epochs, cnn.batch_size, cnn.learning_rate, cnn.augmentation, cnn.seed) == (10, 8, 1e-4, None, 42)
    assert (resnet.epochs, resnet.architecture, resnet.image_size, resnet.weights) == (5, "resnet18", 224, "none")
    assert resnet.augmentation is not None
    assert resnet.augmentation.parameters == {"horizontal_flip": 0.5, "degrees": 10.0}
    assert (cnn.channels, zoo.cnn_clean(config()).channels) == ("rgb", "grey")


def test_adversarial_recipes_at_full_scale_are_the_studys() -> None:
    paper, sound = (zoo.cnn_pgd(config(protocol, "full")) for protocol in ("paper", "sound"))
    assert (paper.epochs, paper.start and paper.start.model) == (5, "cnn_clean")
    adversary, other = (recipe.adversary.build() for recipe in (paper, sound))  # type: ignore[union-attr]
    assert adversary.epsilons == pytest.approx([0.1 * STD, 0.05 * STD, 0.01 * STD])
    assert other.epsilons == pytest.approx([1 / 255, 2 / 255, 4 / 255])
    assert dict(adversary.options)["alpha"] == pytest.approx(0.001 * STD)
    assert (dict(adversary.options)["steps"], dict(other.options)["steps"], other.alpha_share) == (5, 7, 0.25)
    assert sound.augmentation is not None
    assert sound.augmentation.parameters["erase"] == 0.5
    assert zoo.resnet_pgd(config()).start == zoo.resnet_clean(config())
    ensemble = zoo.ensemble(config())
    assert [member.model for member in ensemble.members] == ["cnn_fgsm", "cnn_pgd", "resnet_pgd"]
    assert ensemble.shares == (0.25, 0.25, 0.5)
    quick = zoo.cnn_pgd(config()).adversary.build()  # type: ignore[union-attr]
    assert dict(quick.options)["steps"] * quick.alpha_share == pytest.approx(7 / 4)  # the same reach in fewer steps


@pytest.mark.parametrize("scale", SCALES)
def test_there_is_one_worst_case_with_the_budget_of_the_scale(scale: str) -> None:
    asked = config(scale=scale)
    found = {
        evaluation
        for experiment in (pgd, worst_case, artefacts)
        for _, evaluation in experiment.EXPERIMENT.tasks(asked)
        if isinstance(evaluation, WorstCase)
    }
    [worst] = found
    cut = SCALES[scale]
    assert (worst.steps, worst.restarts, worst.budget) == (cut.steps, cut.restarts, cut.budget)
    assert [round(eps * 255) for eps in worst.epsilons] == [1, 2, 4, 8]
    assert all(stage(0.1).step_size == pytest.approx(0.1 / 4) for _, stage in worst.stages(4)[:1])
    names = [name for name, _ in worst.stages(4)]
    assert names == (["pgd", "fmn", "apgd", "apgdt", "fab", "square"] if cut.budget == "standard" else ["pgd"])
    assert names == [name for name, _ in worst.stages(2)]
    assert all((each.steps, each.restarts, each.budget) == (40, 5, "standard") for each in (FULL, AUDITS["standard"]))


def test_in_l2_every_attack_in_a_ball_is_at_the_scales_own_sizes_and_the_study_printed_none() -> None:
    asked = config(scale=SCALES["quick"].in_norm("l2"))
    for name in ("fgsm", "pgd", "worst-case", "artefacts"):
        experiment, attacks = load_experiment(name), []
        for _, evaluation in experiment.tasks(asked):
            attacks += [each for each in getattr(evaluation, "attacks", ()) if each is not None]
            if isinstance(evaluation, WorstCase):
                attacks += [make(eps) for _, make in evaluation.stages(4) for eps in evaluation.epsilons]
        assert {each.norm for each in attacks} == {"l2"}
        assert {each.eps for each in attacks} <= {*EPSILONS["l2"], PICTURED["l2"]}
        published = experiment.published(asked)
        assert "l2" not in set(published.get("norm", ()))
        assert len(published) == 0 or "norm" in published
    with pytest.raises(UserError, match="--engine"):
        load_experiment("fgsm").tasks(replace(asked, engine="torchattacks"))


def test_the_target_is_the_class_without_a_tumour() -> None:
    assert (config().target, config().tumours) == (2, (0, 1, 3))
    with pytest.raises(UserError, match="none among"):
        config(healthy=()).target  # noqa: B018
    assert [config(**asked).attacked for asked in ({}, {"scale": "full"}, {"test_images": 50}, {"images": 9})] == [
        *(262, 1311, 50, 9)
    ]
    assert [bool(scale.cuts()) for scale in SCALES.values()] == [scale != FULL for scale in SCALES.values()]
