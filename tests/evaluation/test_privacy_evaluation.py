"""Membership, extraction and inversion against answers that are known; SSIM against scikit-image's."""

import base64
import io
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.metrics import structural_similarity
from torch import Tensor, nn
from toy_data import CLASSES, noise, split, values
from toy_models import Linear

from mri_robust.attacks.privacy.extraction import Extraction
from mri_robust.attacks.privacy.inversion import Inversion
from mri_robust.core.registry import Spec
from mri_robust.data.dataset import Dataset, load_dataset
from mri_robust.data.subset import training_places
from mri_robust.evaluation import membership
from mri_robust.evaluation.evaluation import Context
from mri_robust.evaluation.extraction import ExtractionTest, Theft
from mri_robust.evaluation.inversion import CONTROLS, InversionTest, Inverted, Moments, roughness
from mri_robust.evaluation.membership import ATTACKS, MembershipTest
from mri_robust.evaluation.training_set import training_set
from mri_robust.models.classifier import build_model
from mri_robust.study.recipe import External, Recipe

SIDE = 8
SHAPE = {"most": 256, "side": SIDE}


def make_dataset(name: str, duplicates: int = 0) -> Dataset:
    """160 training images, some of the 80 left out copies of some that are seen; 100 test images, 10 of them leaked."""
    train, test = noise(1, 160, **SHAPE), noise(2, 100, **SHAPE)
    test[:10] = train[:10]
    seen = training_places(160, 80, 5)
    train[np.setdiff1d(np.arange(160), seen)[:duplicates]] = train[seen[:duplicates]]
    return Dataset(name, split(train), split(test), CLASSES, name)


DATA = make_dataset("noise")
HALF = Recipe("cnn", "cnn", SIDE, "grey", seed=5, train_images=80)


class Knowing(nn.Module):
    """Right and sure of some images, and of all others wrong and unsure."""

    classes, image_size, channels = CLASSES, SIDE, "grey"

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.known = {image.tobytes(): int(label) for image, label in zip(images, labels, strict=True)}

    def forward(self, images: Tensor) -> Tensor:
        logits = torch.zeros(len(images), 4)
        for row, key in enumerate(image.tobytes() for image in (images * 255).round().to(torch.uint8).numpy()):
            logits[row, self.known.get(key, 0)] = 5.0 if key in self.known else 0.5 + (key[0] % 7) / 100
        return logits * self.scale


def ask(*questions: tuple[str, str, str], recipe: Any = HALF, data: Dataset = DATA) -> list[dict[str, Any]]:
    """The rows of a model that knows what the recipe trains on."""
    trained = training_set(recipe, data)
    context = Context(Knowing(trained.images, trained.labels), data, asked=recipe)
    return list(MembershipTest(questions, seed=1)(context))


def test_a_model_that_knows_its_training_images_alone_gives_them_all_away() -> None:
    rows = ask(*((attack, "seen", kind) for attack in ATTACKS for kind in ("held out", "test")))
    counts = {"loss threshold": (80, 80, 90), "black box": (40, 40, 50), "right prediction": (80, 80, 90)}
    for attack, (members, held_out, test) in counts.items():  # 10 test images stand in training
        for kind, others in (("held out", held_out), ("test", test)):
            found = values(rows, attack=attack, others=kind)
            assert (found["member_images"], found["other_images"]) == (members, others)
            if attack != "right prediction":
                assert (found["auc"], found["tpr_at_1_fpr"]) == (1.0, 1.0)
            else:
                assert found["auc"] == pytest.approx((2 - found["accuracy"]) / 2)
                assert values(rows, subset="training", attack=attack, others=kind) == {"accuracy": 1.0}
            assert found.get("same_as_art", 1.0) == 1.0
            assert ("same_as_art" in found) == (attack != "black box")


def test_images_that_nobody_has_seen_are_not_told_apart() -> None:
    for row in ask(*((attack, "held out", "test") for attack in ATTACKS)):
        assert row["control"] == "control"
        if row["metric"] == "auc":
            assert row["ci_low"] < 0.5 < row["ci_high"] < row["ci_low"] + 0.4


def test_the_learned_attack_is_never_scored_on_what_it_was_fitted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[bytes]] = []

    def watched(model: Any, members: Any, others: Any, asked: Any, *, seed: int) -> np.ndarray:
        seen.extend({image.numpy().tobytes() for image in images} for images, _ in (members, others, asked))
        return np.linspace(0, 1, len(asked[1]))

    monkeypatch.setattr(membership, "learned_scores", watched)
    ask(("black box", "seen", "test"))
    members, others, asked = seen
    assert len(members) == len(others) == 40
    assert not asked & (members | others)


def test_copies_of_training_images_are_not_held_out_and_labels_are_those_of_the_training() -> None:
    question = ("loss threshold", "seen", "held out")
    assert values(ask(question, data=make_dataset("copies", 7)))["other_images"] == 73
    shuffled = Spec.of("mri_robust.attacks.poisoning.shuffled_labels:ShuffledLabels")
    recipe = Recipe("cnn", "cnn", SIDE, "grey", seed=5, train_images=80, poison=shuffled)
    assert not np.array_equal(training_set(recipe, DATA).labels, training_set(HALF, DATA).labels)
    assert values(ask(question, recipe=recipe))["auc"] == 1.0


def test_a_users_model_is_taken_to_have_seen_every_training_image() -> None:
    own = External("own")
    found = values(ask(("loss threshold", "seen", "test"), recipe=own))
    assert (found["member_images"], found["other_images"], found["auc"]) == (160, 90, 1.0)
    with pytest.raises(ValueError, match="held out"):
        ask(("loss threshold", "seen", "held out"), recipe=own)


SMALL = Extraction("training images", 64, updates=60, batch_size=16)
THEFTS = (Theft("the model itself"), Theft("ART", SMALL), Theft("own code", SMALL), Theft("untrained copy"))


def test_a_model_that_says_one_thing_is_stolen_whole_and_the_copy_is_as_wrong_as_it_is() -> None:
    data = load_dataset("phantom:train=64,test=40", size=16)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = build_model("cnn", classes=data.classes, image_size=16).eval()
    model.network[-1].bias.data[:] = torch.tensor([0.0, 3.0, 0.0, 0.0])  # type: ignore[index, union-attr]
    rows = list(ExtractionTest(THEFTS, seed=1)(Context(model, data)))
    share = float((data.test.labels == 1).mean())
    itself, art, own, nobody = (values(rows, thief=theft.thief) for theft in THEFTS)
    assert itself == {"accuracy": share}
    assert art == {"fidelity": 1.0, "accuracy": share, "right_answers": 1.0}
    assert own == {**art, "fidelity_gap": 0.0}
    assert set(nobody) == {"fidelity", "accuracy"}
    assert nobody["fidelity"] < 1.0
    told = {(row["attack"], row.get("queries"), row.get("budget")) for row in rows}
    assert told == {("none", None, None), ("Knockoff Nets", "training images", 64)}


SIDE, OF_A_CLASS = 16, 12
LABELS = np.repeat(np.arange(4), OF_A_CLASS)
WANG = {"data_range": 1.0, "channel_axis": 0, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}


def unit(images: np.ndarray) -> np.ndarray:
    return images.astype(np.float32) / np.float32(255)


@pytest.mark.parametrize("channels", [1, 3])
def test_similarity_is_that_of_scikit_image(channels: int) -> None:
    image, many = unit(noise(0, 1, channels=channels, most=256)), unit(noise(1, 6, channels=channels, most=256))
    many[:4] = 0.7 * image + 0.3 * many[:4]
    many[1], many[2], many[3] = 1 - image[0], image[0], 0.3
    truth = [structural_similarity(image[0], other, **WANG) for other in many]
    found = Moments(many).ssim(image)
    np.testing.assert_allclose(found, truth, atol=5e-5)  # a variance in float32 is off by 1e-7, against C2 = 9e-4
    assert found[1] < 0
    assert found[2] == pytest.approx(1)


def test_roughness_of_a_chequerboard_and_of_stripes() -> None:
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    images = torch.stack([(rows + columns) % 2, rows % 2, torch.ones_like(rows)])[:, None].float()
    assert roughness(images).tolist() == [1.0, 0.5, 0.0]


TEMPLATES = noise(5, 4, channels=3, most=256)
"""What all training images of a class look like, in colour."""
TEST = noise(6, len(LABELS), channels=3, most=256)


def dataset(name: str, train: np.ndarray = TEMPLATES[LABELS], test: np.ndarray = TEST) -> Dataset:
    return Dataset(name, split(train, LABELS), split(test, LABELS), CLASSES, name)


def template_model() -> Linear:
    """Its logits are the covariances with the templates, so that an image that looks like one is of its class."""
    return Linear(torch.from_numpy(unit(TEMPLATES)).flatten(1) / 8 - 1 / 16, torch.zeros(4))


SHARES = torch.tensor([0.1, 0.1, 0.7, 0.1])
"""What a model says that sees nothing."""
INVERSIONS = (
    Inverted("ours", Inversion(30, step=1 / 50), start="grey"),
    Inverted("ART", Inversion(30, step=0.2, loss="logit", scaled=False), art=True),
)
SECOND = Recipe("second", "cnn", SIDE, "rgb", seed=0)


def invert(data: Dataset, second: nn.Module | None = None) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    context = Context(template_model(), data, open_model=lambda _: second or template_model())
    return list(InversionTest(INVERSIONS, SECOND)(context)), context.artefacts


def test_a_model_of_templates_gives_its_templates_away() -> None:
    rows, _ = invert(dataset("templates"))
    controls = {name: values(rows, image=f"control: {name}") for name in CONTROLS}
    for name in ("ours", "ART"):
        made = values(rows, image=name)
        assert made["confidence"] > 0.95
        assert made["recognised"] == 1.0
        assert made["second_confidence"] == made["confidence"]  # the second model is the same here
        assert made["nearest_ssim"] == pytest.approx(made["mean_ssim"], abs=1e-5)  # one image a class
        assert made["nearest_ssim"] > max(controls[each]["nearest_ssim"] for each in ("test images", "noise")) + 0.2
    assert controls["class means"]["nearest_ssim"] == pytest.approx(1, abs=1e-5)
    assert controls["noise"]["roughness"] == pytest.approx(1 / 3, abs=0.02)  # of two uniform numbers
    assert "art_difference" not in values(rows, image="ours")
    assert values(rows, image="ART")["art_difference"] <= 1e-6


def test_a_second_model_that_sees_nothing_recognises_nothing_but_its_own_class() -> None:
    rows, _ = invert(dataset("templates"), Linear(torch.zeros(4, 3 * SIDE**2), SHARES.log()))
    for name in ("ours", "ART", *(f"control: {control}" for control in CONTROLS)):
        assert values(rows, image=name)["recognised"] == 0.25
        assert [values(rows, image=name, **{"class": of})["second_confidence"] for of in CLASSES] == pytest.approx(
            [0.1, 0.1, 0.7, 0.1]
        )
        assert values(rows, image=name)["second_confidence"] == pytest.approx(0.25)
    assert rows[0]["metric"] == "recognised"
    assert (rows[0]["n"], rows[0]["ci_low"] < 0.25 < rows[0]["ci_high"]) == (4, True)


def test_test_images_that_stand_in_training_are_no_control() -> None:
    test, leaked = noise(7, len(LABELS), channels=3, most=256), np.arange(len(LABELS)) % OF_A_CLASS >= 2
    test[leaked] = TEMPLATES[LABELS][leaked]
    rows, _ = invert(dataset("leaky templates", test=test))
    name, kept = "control: test images", unit(test[~leaked])
    [rate] = [row for row in rows if row["image"] == name and row["metric"] == "recognised"]
    assert rate["n"] == 8
    truth = [structural_similarity(image, unit(TEMPLATES[i // 2]), **WANG) for i, image in enumerate(kept)]
    assert values(rows, image=name)["nearest_ssim"] == pytest.approx(np.mean(truth), abs=5e-5)
    by_class = [values(rows, image=name, **{"class": of})["nearest_ssim"] for of in CLASSES]
    assert by_class == pytest.approx(np.reshape(truth, (4, 2)).mean(1), abs=5e-5)


def test_the_result_is_the_same_again_and_holds_no_image_of_the_data() -> None:
    data = dataset("noisy templates", train=noise(8, len(LABELS), channels=3, most=256))
    rows, artefacts = invert(data)
    assert (rows, artefacts) == invert(data)
    sheet = artefacts["sheet"]
    assert [strip["name"] for strip in sheet] == ["class mean", "ours", "ART"]
    shown = [cell["image"] for strip in sheet for cell in strip["cells"]]
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(base64.b64decode(text)))) for text in shown]).astype(int)
    assert len(pixels) == 12
    everything = np.moveaxis(np.concatenate([data.train.images, data.test.images]), 1, -1).astype(int)
    assert np.abs(pixels[:, None] - everything).mean((2, 3, 4)).min() > 20
    means = everything[: len(LABELS)].reshape(4, OF_A_CLASS, SIDE, SIDE, 3).mean(1)
    np.testing.assert_allclose(pixels[:4], means, atol=0.51)
