"""A user's own models: by factory or from timm, with weights, normalised or not, and what is wrong in one line."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import timm
import torch
from torch import Tensor, nn
from toy_models import Nameless, assert_unchanged, small_net, state_of, unsettle

from mri_robust import build_model, save_model
from mri_robust.core.errors import UserError
from mri_robust.models.external import External, channels_of, fit_to_data, model_digest
from mri_robust.models.opening import open_model, timm_size

SOURCE = """
import torch
from torch import nn
def make():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 4))
def number():
    return 7
def fails():
    raise SystemExit("no licence")
"""
CLASSES = ("a", "b", "c", "d")
IMAGES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
NETWORK = "timm:resnet10t"


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "users_model.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    sys.modules.pop("users_model", None)


def from_timm(source: str = NETWORK, size: int = 32, **options: object) -> nn.Module:
    return open_model(source, **{"classes": CLASSES[:3], "image_size": size, **options})  # type: ignore[arg-type]


def test_weights_and_normalisation_come_on_top_of_a_factory_in_the_current_folder(tmp_path: Path) -> None:
    torch.save({"1.weight": torch.ones(4, 192), "1.bias": torch.arange(4.0)}, tmp_path / "w.pth")
    mean, std = (0.5, 0.25, 0.0), (0.5, 0.25, 1.0)
    model = open_model("users_model:make", weights=tmp_path / "w.pth", mean=mean, std=std)
    images = torch.rand(2, 3, 8, 8)
    scaled = (images - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    torch.testing.assert_close(model(images), scaled.flatten(1).sum(1, keepdim=True) + torch.arange(4.0))
    assert not model.training


def test_a_checkpoint_is_opened_and_has_its_own_weights_and_normalisation(tmp_path: Path) -> None:
    own = build_model("cnn", classes=CLASSES, image_size=32, channels="rgb").eval()
    save_model(own, tmp_path / "m.safetensors")
    assert torch.equal(open_model(str(tmp_path / "m.safetensors"))(IMAGES), own(IMAGES))
    for dropped in ({"weights": tmp_path / "w.pth"}, {"mean": (0.5,), "std": (0.25,)}):
        with pytest.raises(UserError, match=f"--{next(iter(dropped))}.*has its own"):
            open_model(str(tmp_path / "m.safetensors"), **dropped)  # type: ignore[arg-type]


def test_wrappers_state_what_the_model_states_where_it_makes_sense() -> None:
    odd, pair, empty = (Nameless(small_net()) for _ in range(3))
    empty.classes = {}
    odd.image_size, odd.channels, odd.classes = "8", 64, 4
    pair.image_size, pair.channels, pair.classes = (8, 8), 1, ["x", "y"]
    own = {name: getattr(small_net(), name) for name in ("image_size", "channels", "classes")}
    for inner, known in (
        (small_net(), own),
        (odd, {}),
        (empty, {}),
        (pair, {"image_size": 8, "channels": "grey", "classes": ("x", "y")}),
    ):
        wrapped = External(inner, "m", (0.5,), (0.5,))
        assert {name: getattr(wrapped, name) for name in own if hasattr(wrapped, name)} == known


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ("nowhere.module:make", "imported"),
        ("users_model:absent", "imported"),
        ("users_model:number", "int"),
        ("users_model:fails", "no licence"),
        ("absent.safetensors", "does not exist"),
        ("timm:resnt10t", "did you mean resnet10t"),
        ("timm:hf-hub:somebody/model", "somebody/model"),
        ("timm:levit_128s", "own images have --size 224"),
    ],
)
def test_what_is_wrong_with_a_source_is_one_line(source: str, word: str) -> None:
    with pytest.raises(UserError, match=re.escape(word)) as error:
        open_model(source, classes=CLASSES, image_size=56)
    assert "\n" not in str(error.value)


def test_weights_that_do_not_fit_and_numbers_that_are_no_normalisation(tmp_path: Path) -> None:
    torch.save({"1.weight": torch.ones(2, 2)}, tmp_path / "other.pth")
    for source, file, word in (
        ("users_model:make", tmp_path / "other.pth", "do not fit"),
        (NETWORK, tmp_path / "other.pth", "with 4 classes"),
        (NETWORK, Path("absent.pth"), "does not exist"),
    ):
        with pytest.raises(UserError, match=word):
            open_model(source, weights=file, classes=CLASSES, image_size=32)
    for mean, std in (((0.5,), ()), ((), (0.5,)), ((0.5, 0.5), (1.0, 1.0)), ((0.5,), (0.0,))):
        for source in ("users_model:make", NETWORK):
            with pytest.raises(UserError, match="one or three numbers"):
                open_model(source, mean=mean, std=std, classes=CLASSES)


def test_timms_logits_are_those_of_timm_on_images_normalised_as_timm_says(tmp_path: Path) -> None:
    network, path = timm.create_model("resnet10t", num_classes=3).eval(), tmp_path / "w.pth"
    torch.save(network.state_dict(), path)
    config = timm.data.resolve_data_config({}, model=network)
    mean, std = (torch.tensor(config[name]).view(3, 1, 1) for name in ("mean", "std"))
    with torch.no_grad():
        torch.testing.assert_close(from_timm(weights=path)(IMAGES), network((IMAGES - mean) / std))
        ours = from_timm(weights=path, mean=(0.25,), std=(0.5,))(IMAGES)
        torch.testing.assert_close(ours, network((IMAGES - 0.25) / 0.5))
        grey = from_timm(weights=path, channels="grey")
        torch.testing.assert_close(grey(IMAGES[:, :1]), grey(IMAGES[:, :1].expand(-1, 3, -1, -1)))
    assert (grey.channels, grey.image_size, grey.classes) == ("grey", 32, CLASSES[:3])


def test_timms_random_weights_are_the_same_each_time_and_without_timm_the_extra_is_named(monkeypatch) -> None:
    before, first = torch.get_rng_state(), from_timm()
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(1)
    second = from_timm()
    with torch.no_grad():
        assert torch.equal(first(IMAGES), second(IMAGES))
        assert timm_size("timm:vit_tiny_patch16_224") == 224
        assert from_timm("timm:vit_tiny_patch16_224", 48)(torch.rand(1, 3, 48, 48)).shape == (1, 3)
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UserError, match=re.escape("mri-robust[timm]")):
        from_timm()


class Gives(nn.Module):
    """A model that is a function."""

    def __init__(self, function: object) -> None:
        super().__init__()
        self.forward = function  # type: ignore[method-assign, assignment]


def test_logits_must_fit_the_images_and_the_classes_and_an_attack_finds_a_gradient() -> None:
    model, images = open_model("users_model:make"), torch.rand(2, 3, 8, 8)
    assert torch.equal(fit_to_data(model, images, CLASSES, "m")[0](images), model(images))
    for given, pixels, classes, word in (
        (model, images, ("a", "b"), "4 logits.*a, b"),
        (model, torch.rand(2, 3, 9, 9), CLASSES, "fails on images.*--size"),
        (Gives(lambda images: images.flatten(1)[:, :4] * torch.nan), images, CLASSES, "not finite"),
        (Gives(lambda images: images.flatten(1)[:, :4].long()), images, CLASSES, "floating point"),
        (Gives(lambda images: [images]), images, CLASSES, "list with 0 "),
        (Gives(lambda images: {"a": images[:, 0, :4, 0], "b": images[:, 0, 4:, 0]}), images, CLASSES, "a .*, b "),
        (Gives(lambda images: images[0, 0, :4].mean(1)), images, CLASSES, r"\[4\] for 2 image"),
        (Gives(lambda images: 1 // 0), images, CLASSES, "modulo by zero$"),
        (Gives(lambda images: Backwards.apply(images)[:, 0, :4, 0]), images, CLASSES, "backward pass: .*no way back"),
    ):
        with pytest.raises(UserError, match=word):
            fit_to_data(given, pixels, classes, "m")
    without = External(Gives(lambda images: images.detach().flatten(1)[:, :4]), "m")
    images.requires_grad_(True)
    (gradient,) = torch.autograd.grad(without(images).sum(), images)
    assert torch.equal(gradient, torch.zeros_like(images))


class Backwards(torch.autograd.Function):
    """Fails in the backward pass, as a recurrent layer of cuDNN does in eval mode."""

    @staticmethod
    def forward(ctx: object, images: Tensor) -> Tensor:
        return images.clone()

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        raise RuntimeError("no way back")


OUTPUTS = {
    "squeezed": lambda logits: logits.squeeze(),
    "with two axes more": lambda logits: logits[..., None, None],
    "half precision": lambda logits: logits.half(),
    "a tuple with features": lambda logits: (logits.repeat(1, 3), logits),
    "a dict": lambda logits: {"features": logits.repeat(1, 3), "out": logits},
    "called logits": lambda logits: SimpleNamespace(logits=logits, aux=logits + 1),
    "under inference_mode": torch.inference_mode()(lambda logits: logits + 0),
}


@pytest.mark.parametrize("kind", OUTPUTS)
def test_whatever_holds_the_logits_they_are_taken(kind: str) -> None:
    linear, images = nn.Sequential(nn.Flatten(), nn.Linear(192, 4)), torch.rand(5, 3, 8, 8)
    fitted, _ = fit_to_data(Gives(lambda images: OUTPUTS[kind](linear(images))), images, CLASSES, "m")
    for count in (1, 2, 5):
        with torch.no_grad():
            torch.testing.assert_close(fitted(images[:count]), linear(images[:count]), atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize(("kind", "last"), [("logit", lambda z: z), ("probability", torch.sigmoid)])
@pytest.mark.parametrize("axis", [True, False])
def test_one_output_of_two_classes_is_a_sigmoid_models(kind: str, last: Callable[..., Tensor], axis: bool) -> None:
    images, linear = torch.rand(40, 3, 8, 8), nn.Sequential(nn.Flatten(), nn.Linear(192, 1))
    linear[1].weight.data, linear[1].bias.data = torch.ones(1, 192), torch.tensor([-96.0])
    fitted, notes = fit_to_data(
        Gives(lambda x: last(linear(x)) if axis else last(linear(x))[:, 0]), images, ("no", "yes"), "m"
    )
    with torch.no_grad():
        wanted = torch.sigmoid(linear(images))[:, 0]
        torch.testing.assert_close(fitted(images).softmax(1)[:, 1], wanted, atol=1e-5, rtol=1e-4)
    assert any(kind in note and "yes" in note for note in notes)


def test_classes_go_by_name_in_whatever_order_a_model_states_them() -> None:
    images = torch.rand(3, 3, 8, 8)
    for said in (["d", "b", "a", "c"], {"d": 0, "b": 1, "a": 2, "c": 3}, {2: "a", 1: "b", 3: "c", 0: "d"}):
        model = Gives(lambda images: images.flatten(1)[:, :4])
        model.classes = said  # type: ignore[assignment]
        fitted, _ = fit_to_data(model, images, CLASSES, "m")
        assert torch.equal(fitted(images), images.flatten(1)[:, [2, 1, 3, 0]])
    with pytest.raises(UserError, match="--classes d=b,"):
        fit_to_data(model, images, ("b", "c", "d", "E"), "m")
    renamed, _ = fit_to_data(model, images, ("b", "c", "d", "E"), "m", {"a": "E"})
    assert torch.equal(renamed(images), images.flatten(1)[:, [1, 3, 0, 2]])
    checkpoint = build_model("cnn", classes=CLASSES, image_size=32)
    assert fit_to_data(checkpoint, IMAGES, CLASSES, "m")[0] is checkpoint


@pytest.mark.parametrize(
    ("model", "channels"),
    [
        (nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(144, 4)), "grey"),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 4)), "rgb"),
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 4)), "grey"),
        (nn.Sequential(nn.Flatten(), nn.Linear(192, 4)), "rgb"),
        (Gives(lambda images: images.mean((1, 2, 3))[:, None].repeat(1, 4)), "grey"),
    ],
)
def test_a_model_is_asked_which_images_it_takes(model: nn.Module, channels: str) -> None:
    assert channels_of(External(model, "m"), 8)[0] == channels
    model.channels = {"grey": 3, "rgb": "L"}[channels]  # what it says counts more
    assert channels_of(External(model, "m"), 8)[0] != channels


@pytest.mark.parametrize("wrapped", [("module.",), ("_orig_mod.", "module."), ("model.",)])
@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model", "net", ""])
def test_weights_are_found_under_the_usual_keys_and_prefixes(
    tmp_path: Path, key: str, wrapped: tuple[str, ...]
) -> None:
    state = {f"{''.join(wrapped)}1.{name}": value for name, value in nn.Linear(192, 4).state_dict().items()}
    torch.save({key: state, "epoch": 3} if key else state, tmp_path / "w.pth")
    model = open_model("users_model:make", weights=tmp_path / "w.pth")
    assert torch.equal(model.model[1].weight, state[f"{''.join(wrapped)}1.weight"])  # type: ignore[index, union-attr]
    assert any("".join(wrapped) in note for note in model.notes)  # type: ignore[union-attr]


def test_the_digest_names_what_a_model_computes_and_leaves_it_alone() -> None:
    net = unsettle(small_net())
    before, generator = state_of(net), torch.get_rng_state()
    digest = model_digest(net, (1, 8, 8))
    assert_unchanged(net, before)
    assert torch.equal(torch.get_rng_state(), generator)
    assert re.fullmatch("[0-9a-f]{16}", digest)
    assert model_digest(small_net().to(memory_format=torch.channels_last), (1, 8, 8)) == digest
    others = [External(small_net(), "m"), External(small_net(), "m", (0.5,), (0.5,)), Nameless(small_net())]
    others += [small_net(seed) for seed in (1, 0, 0, 0)]
    with torch.no_grad():
        others[-3].head.bias[0].add_(0.01)
        others[-2].features[1].running_var.mul_(1.01)
    others[-1].forward = lambda images: 1.01 * type(net).forward(others[-1], images)  # type: ignore[method-assign]
    digests = {model_digest(other, (1, 8, 8)) for other in others}
    assert len(digests) == len(others)
    assert digest not in digests


def test_the_digest_is_the_same_each_time_whatever_a_model_holds() -> None:
    """An address in its repr, state without bytes, and noise in eval mode."""
    net, odd = small_net(), [Gives(lambda images: net(images) + torch.rand(4)) for _ in range(2)]
    for each in odd:
        each.register_buffer("sparse", torch.eye(3).to_sparse())
        each.extra_repr = object().__repr__  # type: ignore[method-assign]
    assert model_digest(odd[0], (1, 8, 8)) == model_digest(odd[1], (1, 8, 8))
