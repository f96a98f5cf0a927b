"""What the experiments declare, against the protocols' own words."""

from dataclasses import replace

import numpy as np
import pytest

from mri_robust.attacks.registry import EVASION
from mri_robust.bench.plan import Plan
from mri_robust.core.hashing import canonical_json
from mri_robust.core.errors import UserError
from mri_robust.data.dataset import Dataset, Split
from mri_robust.defences import DEFENCES
from mri_robust.experiments import fgsm, pgd
from mri_robust.study.cell import model_digest
from mri_robust.study.experiment import EXPERIMENTS, load_experiment
from mri_robust.study.protocol import FAULTS, NORMALISED_BOUNDS
from mri_robust.study.recipe import comparable_weights
from mri_robust.study.scale import SCALES
from mri_robust.study.setting import DataFacts, Setting
from mri_robust.zoo import cnn_clean, cnn_fgsm, cnn_pgd, ensemble, resnet_clean, resnet_pgd

STD = 0.1813


def make_dataset():
    split = Split(np.zeros((4, 1, 16, 16), np.uint8), np.arange(4), ("a", "b", "c", "d"))
    return Dataset("zeros", split, split, ("glioma", "meningioma", "notumor", "pituitary"), "0" * 16)


def setting(protocol="sound", scale="quick", **changes):
    facts = DataFacts("d", "0" * 16, "grey", ("glioma", "meningioma", "notumor", "pituitary"), 5708, 1311)
    return replace(Setting(protocol, SCALES[scale], facts, seed=42), **changes)


def cell_of(experiment, model, protocol, scale="full"):
    cells = experiment.cells(setting(protocol, scale))
    return next(cell for cell in cells if cell.recipe.model == model and cell.measure == "evasion")


@pytest.mark.parametrize("name", EXPERIMENTS.names())
@pytest.mark.parametrize("protocol", ["sound", "paper"])
@pytest.mark.parametrize("scale", list(SCALES))
def test_every_declared_part_can_be_built_and_every_cell_named(name, protocol, scale):
    experiment = EXPERIMENTS.load(name)
    cells = experiment.cells(setting(protocol, scale))
    assert len({cell.digest for cell in cells}) == len(cells)
    for cell in cells:
        canonical_json(cell)
        for shot in cell.parameters.get("shots", []):
            if shot["attack"]:
                shot["attack"].build(EVASION)
        recipe = cell.recipe
        for part in (recipe.augmentation, recipe.adversary):
            if part:
                part.build(DEFENCES)


def test_each_experiment_answers_to_its_alias_and_names_known_faults():
    for name in EXPERIMENTS.names():
        experiment = EXPERIMENTS.load(name)
        assert all(load_experiment(alias) is experiment for alias in experiment.aliases)
        assert set(experiment.faults) <= set(FAULTS)
    with pytest.raises(UserError, match="did you mean 'fgsm'"):
        load_experiment("fgms")


@pytest.mark.parametrize(
    ("experiment", "printed", "model", "number"),
    [
        (fgsm, "0.1", "cnn_fgsm", 0.82),
        (fgsm, "0.01", "cnn_clean", 0.07),
        (fgsm, "0.001", "ensemble", 0.98),
        (pgd, "0.3/0.008/20", "cnn_pgd", 0.5),
        (pgd, "0.01/0.0001/5", "cnn_clean", 0.86),
        (pgd, "0.01/0.001/5", "resnet_pgd", 0.96),
    ],
)
def test_the_studys_numbers_stand_in_their_rows(experiment, printed, model, number):
    assert experiment.PAPER[printed, model] == number


def test_the_study_has_no_numbers_in_the_first_row_of_table_4_but_two():
    assert [model for printed, model in pgd.PAPER if printed == "0.3/0.008/20"] == ["cnn_clean", "cnn_pgd", "cnn_raw"]


def test_fault_epsilon_normalised_shrinks_the_papers_sizes_to_pixels():
    shots = cell_of(fgsm.EXPERIMENT, "cnn_clean", "paper").parameters["shots"]
    assert [shot["attack"].parameters["eps"] for shot in shots[1:]] == pytest.approx(
        [eps * STD for eps in (0.1, 0.01, 0.005, 0.002, 0.001)]
    )


def test_fault_clamp_normalised_clips_pixels_to_one_deviation_above_the_mean():
    assert pytest.approx((0.1855, 0.3668)) == NORMALISED_BOUNDS
    paper = cell_of(fgsm.EXPERIMENT, "cnn_fgsm", "paper").parameters["shots"][1]["attack"].parameters
    sound = cell_of(fgsm.EXPERIMENT, "cnn_fgsm", "sound").parameters["shots"][1]["attack"].parameters
    assert tuple(paper["bounds"]) == NORMALISED_BOUNDS
    assert "bounds" not in sound


def test_fault_partial_test_set_measures_defended_models_on_256_images():
    images = {
        cell.recipe.model: cell.parameters["images"]
        for cell in fgsm.EXPERIMENT.cells(setting("paper", "full"))
        if cell.measure == "evasion"
    }
    assert images["cnn_clean"] == 1311
    assert {images[model] for model in ("cnn_fgsm", "cnn_pgd", "resnet_pgd", "ensemble")} == {256}
    assert cell_of(fgsm.EXPERIMENT, "cnn_fgsm", "sound").parameters["images"] == 1311


def test_fault_train_mode_attack_is_in_the_papers_recipes_alone():
    assert cnn_pgd.recipe(setting("paper")).adversary.parameters["train_mode"] is True
    assert "train_mode" not in cnn_pgd.recipe(setting("sound")).adversary.parameters


def test_fault_own_image_per_member_is_the_papers_way_to_attack_the_ensemble():
    assert cell_of(fgsm.EXPERIMENT, "ensemble", "paper").parameters["each_member"] is True
    assert cell_of(fgsm.EXPERIMENT, "ensemble", "sound").parameters["each_member"] is False


def test_fault_pgd_epsilon_05_runs_resnet_and_ensemble_at_five_times_the_printed_size():
    for model, size in (("cnn_pgd", 0.01), ("resnet_pgd", 0.05), ("ensemble", 0.05)):
        cell = cell_of(pgd.EXPERIMENT, model, "paper")
        shot = next(
            shot
            for shot, line in zip(cell.parameters["shots"], cell.lines, strict=True)
            if line["condition"] == "printed=0.01/0.001/5"
        )
        assert shot["attack"].parameters["eps"] == pytest.approx(size * STD)


def test_the_papers_pgd_clips_once_at_the_end_and_keeps_its_steps():
    shots = cell_of(pgd.EXPERIMENT, "cnn_pgd", "paper").parameters["shots"][1:]
    assert {shot["attack"].parameters["clip"] for shot in shots} == {"end"}
    assert [shot["attack"].parameters["steps"] for shot in shots] == [20, 5, 5, 5]
    assert shots[0]["attack"].parameters["alpha"] == pytest.approx(2 / 255 * STD)


def test_the_sound_pgd_is_the_worst_case_of_40_steps_and_5_restarts_at_full_scale():
    strong = [s for s in cell_of(pgd.EXPERIMENT, "cnn_clean", "sound").parameters["shots"] if s["worst_case"]]
    parameters = [shot["attack"].parameters for shot in strong]
    assert {(p["steps"], p["restarts"]) for p in parameters} == {(40, 5)}
    assert sorted({round(p["eps"] * 255) for p in parameters}) == [1, 2, 4, 8]
    assert all(p["alpha"] == pytest.approx(p["eps"] / 4) for p in parameters)
    assert [spec.name for spec in strong[1]["then"]] == ["APGD", "APGDT", "Square"]


def test_clean_recipes_at_full_scale_are_the_studys():
    full = setting("paper", "full")
    cnn, resnet = cnn_clean.recipe(full), resnet_clean.recipe(full)
    assert (cnn.epochs, cnn.batch_size, cnn.learning_rate, cnn.augmentation, cnn.seed) == (10, 8, 1e-4, None, 42)
    assert (resnet.epochs, resnet.architecture, resnet.image_size) == (5, "resnet18", 224)
    assert resnet.augmentation.parameters == {"horizontal_flip": 0.5, "degrees": 10.0}


def test_adversarial_recipes_at_full_scale_are_the_studys():
    paper = cnn_pgd.recipe(setting("paper", "full"))
    assert paper.epochs == 5
    assert paper.start.model == "cnn_clean"
    assert paper.adversary.parameters["epsilons"] == pytest.approx([0.1 * STD, 0.05 * STD, 0.01 * STD])
    assert paper.adversary.parameters["alpha"] == pytest.approx(0.001 * STD)
    assert paper.adversary.parameters["steps"] == 5
    sound = cnn_pgd.recipe(setting("sound", "full"))
    assert sound.adversary.parameters["epsilons"] == pytest.approx([1 / 255, 2 / 255, 4 / 255])
    assert (sound.adversary.parameters["steps"], sound.adversary.parameters["alpha_share"]) == (7, 0.25)
    assert sound.augmentation.parameters["erase"] == 0.5
    assert resnet_pgd.recipe(setting("sound")).start.model == "resnet_clean"


def test_the_ensemble_weighs_its_members_as_the_study_does():
    recipe = ensemble.recipe(setting())
    assert dict(zip([member.model for member in recipe.members], recipe.shares, strict=True)) == {
        "cnn_fgsm": 0.25,
        "cnn_pgd": 0.25,
        "resnet_pgd": 0.5,
    }


def test_rows_without_imagenet_weights_say_so_beside_the_studys_number():
    cells = {cell.recipe.model: cell for cell in fgsm.EXPERIMENT.cells(setting()) if cell.lines}
    assert [line["paper"] for line in cells["cnn_fgsm"].lines][:2] == [{}, {"accuracy": 0.82}]
    assert cells["resnet_pgd"].lines[1]["paper"] == {"accuracy": 0.67}
    assert (cells["resnet_pgd"].words["weights"], cells["cnn_fgsm"].words["weights"]) == ("none", "")
    assert not comparable_weights("none")


def test_everything_that_decides_a_model_changes_its_name():
    base = cnn_fgsm.recipe(setting())
    name = model_digest(base, "data", {"threads": 2})
    others = [
        model_digest(cnn_fgsm.recipe(setting(seed=43)), "data", {"threads": 2}),
        model_digest(cnn_fgsm.recipe(setting(scale="full")), "data", {"threads": 2}),
        model_digest(cnn_fgsm.recipe(setting("paper")), "data", {"threads": 2}),
        model_digest(base, "other data", {"threads": 2}),
        model_digest(base, "data", {"threads": 1}),
        model_digest(replace(base, start=replace(base.start, seed=1)), "data", {"threads": 2}),
    ]
    assert len({name, *others}) == 7
    assert model_digest(cnn_fgsm.recipe(setting()), "data", {"threads": 2}) == name


def test_a_weights_file_decides_by_its_content_and_shows_by_its_name(tmp_path):
    names = set()
    for content in (b"one", b"two"):
        (tmp_path / "w.pth").write_bytes(content)
        plan = Plan((fgsm.EXPERIMENT,), weights=str(tmp_path / "w.pth"))
        (one,) = plan.settings(make_dataset(), "sound")
        names.add(model_digest(resnet_pgd.recipe(one), "data", {}))
        cell = next(cell for cell in fgsm.EXPERIMENT.cells(one) if cell.recipe.model == "resnet_pgd")
        assert cell.words["weights"] == "w.pth"
    assert len(names) == 2


def test_what_quick_cuts_is_said_and_full_cuts_nothing():
    assert SCALES["full"].cuts() == []
    cuts = " ".join(SCALES["quick"].cuts())
    for word in ("56 pixels", "3000 training images", "20% of the test images", "PGD with 7 steps and 1 restart"):
        assert word in cuts
