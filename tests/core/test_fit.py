"""The training loop on problems whose answer is known."""

from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn
from toy_models import Linear, small_net

from mri_robust.core.errors import UserError
from mri_robust.training import Changes, FitSettings, fit

COUNT, SIDE = 48, 8


def quarters(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """uint8 images with one of four quarters bright: the label."""
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 90, (COUNT, 1, SIDE, SIDE), dtype=np.uint8)
    labels = np.arange(COUNT) % 4
    for image, label in zip(images, labels, strict=True):
        top, left = 4 * (label // 2), 4 * (label % 2)
        image[0, top : top + 4, left : left + 4] += 120
    return images, labels


IMAGES, LABELS = quarters()
UNIT = torch.from_numpy(IMAGES).float() / 255


def settings(**changes: Any) -> FitSettings:
    return FitSettings(**{"epochs": 2, "batch_size": 20, "precision": "fp32"} | changes)


def train(model: nn.Module | None = None, lr: float = 0.01, **options: Any) -> tuple[nn.Module, list[dict]]:
    model = model or small_net()
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0  # dropout draws from the global generator
    options.setdefault("settings", settings())
    options.setdefault("optimizer", torch.optim.Adam(model.parameters(), lr))
    images, labels = options.pop("images", IMAGES), options.pop("labels", LABELS)
    return model, fit(model, images, labels, **options)


def weights(model: nn.Module) -> Tensor:
    return torch.cat([value.flatten().double() for value in model.state_dict().values()])


def test_a_separable_problem_is_learned() -> None:
    model, history = train(settings=settings(epochs=8))
    assert [record["epoch"] for record in history] == list(range(1, 9))
    assert history[-1]["loss"] < history[0]["loss"] / 4
    assert history[-1]["accuracy"] > 0.95
    assert not any(module.training for module in model.modules())
    fresh, labels = quarters(seed=1)
    with torch.no_grad():
        found = model(torch.from_numpy(fresh).float() / 255).argmax(1)
    assert (found.numpy() == labels).mean() > 0.95


def test_one_step_is_gradient_descent_by_hand_and_a_clipped_one_is_as_long_as_the_bound() -> None:
    """loss = CE(Wx + b): dW = mean((p - y) x), db = mean(p - y)."""
    moves = {}
    for bound in (None, 0.01):
        model = Linear(torch.zeros(4, 64), torch.zeros(4))
        sgd = torch.optim.SGD(model.parameters(), lr=0.5)
        how = settings(epochs=1, batch_size=COUNT, clip_norm=bound)
        history = fit(model, IMAGES, LABELS, optimizer=sgd, settings=how)
        moves[bound] = weights(model)
        assert history[0]["loss"] == pytest.approx(np.log(4), abs=1e-6)
    error = torch.full((COUNT, 4), 0.25).double() - nn.functional.one_hot(torch.from_numpy(LABELS), 4)
    by_hand = torch.cat([(error.T @ UNIT.double().flatten(1) / COUNT).flatten(), error.mean(0)])
    torch.testing.assert_close(moves[None], -0.5 * by_hand, rtol=0, atol=1e-6)
    torch.testing.assert_close(moves[0.01], -0.5 * 0.01 * by_hand / by_hand.norm(), rtol=1e-3, atol=1e-6)


def test_the_epoch_loss_is_the_mean_over_images_not_over_batches() -> None:
    """Without a learning rate the loss of every image is fixed; 48 images in batches of 20, 20 and 8."""
    weight = torch.randn(4, 64, generator=torch.Generator().manual_seed(0))
    logits, target = UNIT.flatten(1) @ weight.T, torch.from_numpy(LABELS)
    _, (record,) = train(Linear(weight, torch.zeros(4)), lr=0.0, settings=settings(epochs=1))
    assert record["loss"] == pytest.approx(nn.functional.cross_entropy(logits, target).item(), rel=1e-5)
    assert record["accuracy"] == pytest.approx((logits.argmax(1) == target).float().mean().item())


def test_the_seed_decides_the_weights_and_the_global_generator_is_not_moved() -> None:
    before = torch.get_rng_state()
    one, again, other = (weights(train(settings=settings(seed=seed))[0]) for seed in (3, 3, 4))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_resnet_of_tiny_images_trains_alike_each_time_in_either_precision() -> None:
    """In bf16 the last stage's weight gradient is not determined at 16 pixels; see `training._autocast`."""
    images = np.random.default_rng(0).integers(0, 255, (16, 3, 16, 16), dtype=np.uint8)
    found = []
    for _ in range(3):
        torch.manual_seed(0)
        model = torchvision.models.resnet18(num_classes=4)
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
        fit(model, images, np.arange(16) % 4, optimizer=optimizer, settings=settings(epochs=1, precision="bf16"))
        found.append(model.layer4[0].conv1.weight.detach().clone())
    assert all(torch.equal(each, found[0]) for each in found)


def test_bytes_and_floats_tensors_and_arrays_are_the_same_images() -> None:
    forms = [IMAGES, torch.from_numpy(IMAGES), UNIT, IMAGES.astype(np.float32) / np.float32(255)]
    trained = [weights(train(images=form, labels=torch.from_numpy(LABELS))[0]) for form in forms]
    assert all(torch.equal(trained[0], each) for each in trained[1:])


def test_a_loss_that_is_no_number_or_infinite_stops_with_epoch_and_step() -> None:
    for numbers, named in (([1, 1, 1, 1, torch.nan], "epoch 2, step 2"), ([torch.inf], "epoch 1, step 1")):
        factors = iter(numbers)
        with pytest.raises(UserError, match=named):
            train(loss=lambda logits, _, factors=factors: logits.square().mean() * next(factors))


def test_schedulers_step_once_an_epoch_and_a_plateau_gets_the_loss() -> None:
    schedulers = torch.optim.lr_scheduler
    for build, rate in (
        (lambda sgd: schedulers.StepLR(sgd, 1, 0.5), 0.125),
        (lambda sgd: schedulers.ReduceLROnPlateau(sgd, factor=0.1, patience=1), 0.1),
    ):
        model = small_net()
        sgd = torch.optim.SGD(model.parameters(), lr=1.0)
        flat = {"optimizer": sgd, "loss": lambda logits, labels: 0 * logits.sum() + 1, "scheduler": build(sgd)}
        train(model, settings=settings(epochs=3), **flat)
        assert sgd.param_groups[0]["lr"] == pytest.approx(rate)


def test_callbacks_are_told_of_every_step_and_epoch() -> None:
    steps: list[tuple[int, ...]] = []
    told = {"on_step": lambda *step: steps.append(step), "on_epoch": lambda model: {"seen": model}}
    model, history = train(settings=settings(**told))
    assert steps == [(20, 96), (40, 96), (48, 96), (68, 96), (88, 96), (96, 96)]
    assert [record["seen"] for record in history] == [model, model]


def test_augmentation_stamp_and_adversary_come_in_as_objects_in_this_order() -> None:
    seen: dict[str, list[Any]] = {}

    def see(name: str, value: Any, result: Any) -> Any:
        seen.setdefault(name, []).append(value)
        return result

    changes = Changes(
        augment=lambda images, _: see("augment", images, images * 0.5),
        stamp=lambda images, places, _: see("places", places, see("stamp", images, images + 0.25)),
        adversary=lambda model, images, labels, _: see(
            "adversary", (model.training, images), (torch.cat([images, 1 - images]), torch.cat([labels, labels]))
        ),
    )
    train(changes=changes, loss=lambda logits, y: see("loss", len(logits), nn.functional.cross_entropy(logits, y)))
    assert seen["loss"] == [40, 40, 16] * 2
    for step, places in enumerate(seen["places"]):
        training, third = seen["adversary"][step]
        assert torch.equal(seen["augment"][step], UNIT[places])
        assert torch.equal(seen["stamp"][step], UNIT[places] * 0.5)
        assert torch.equal(third, UNIT[places] * 0.5 + 0.25)
        assert training
    one, two = torch.cat(seen["places"][:3]), torch.cat(seen["places"][3:])
    assert sorted(one.tolist()) == sorted(two.tolist()) == list(range(COUNT))  # every image once an epoch
    assert not torch.equal(one, two)  # in another order each time


def test_one_label_per_image_and_wrong_settings_are_refused_by_name() -> None:
    for images, labels in ((IMAGES, LABELS[:-1]), (IMAGES[:3], LABELS), (IMAGES[:0], LABELS[:0])):
        with pytest.raises(ValueError, match=f"{len(images)} images, {len(labels)} labels"):
            train(images=images, labels=labels)
    for change in ({"epochs": 0}, {"epochs": 1.5}, {"batch_size": 0}, {"precision": "fp16"}):
        with pytest.raises((TypeError, ValueError), match=next(iter(change))):
            FitSettings(**change)
