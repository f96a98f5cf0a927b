"""DrunkOptimizer against optimizers whose gradients are spoiled by hand, and in other people's pipelines."""

from __future__ import annotations

import copy
import io
import math
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, OneCycleLR, ReduceLROnPlateau
from torch.utils.data import DataLoader, TensorDataset
from toy_models import SmallNet, dyadic_images, own_labels, small_net

from mri_robust.adapters.art import as_art_classifier
from mri_robust.attacks.registry import TRAINING
from mri_robust.attacks.training_time.drunk_optimizer import DrunkOptimizer
from mri_robust.training import FitSettings, fit

IMAGES = dyadic_images(24)
LABELS = own_labels(small_net(), IMAGES).roll(1)
MANY = 600_000
"""More elements than are drawn at a time."""

Make = Callable[[Any], Optimizer]
BASES: dict[str, Make] = {
    "sgd": lambda p: SGD(p, lr=0.1),
    "momentum": lambda p: SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda p: Adam(p, lr=0.01),
    "adam-fused": lambda p: Adam(p, lr=0.01, fused=True),
    "adamw": lambda p: AdamW(p, lr=0.01, amsgrad=True),
}


def still_net() -> SmallNet:
    """Without dropout, which draws from the global generator."""
    net = small_net()
    net.dropout.p = 0.0
    return net


def backward(model: nn.Module, step: int = 0) -> Tensor:
    """Fresh gradients on a batch that differs from step to step; the loss."""
    model.zero_grad()
    loss = nn.functional.cross_entropy(model(IMAGES.roll(8 * step, 0)[:8]), LABELS.roll(8 * step)[:8])
    loss.backward()
    return loss


def advance(model: nn.Module, optimizer: Optimizer, steps: range) -> None:
    for step in steps:
        backward(model, step)
        optimizer.step()


def weights(model: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def parameter(values: Any, gradient: Any = None) -> nn.Parameter:
    made = nn.Parameter(torch.as_tensor(values, dtype=torch.float32))
    made.grad = None if gradient is None else torch.as_tensor(gradient, dtype=torch.float32).clone()
    return made


def twin_of_noise(drunk: DrunkOptimizer) -> torch.Generator:
    """A generator about to draw what the optimizer is about to draw."""
    twin = torch.Generator()
    twin.set_state(drunk.state_dict()["generators"][0])
    return twin


# What it does to a gradient


def test_one_step_by_hand() -> None:
    """p - lr (g (1 - s) + p n), n from one stream in the order of the parameters, those without gradient left out."""
    first, idle = parameter([1.0, 2.0], [3.0, -1.0]), parameter([7.0])
    second, single = parameter([[0.5] * 3] * 2, [[1.0, 2.0, 3.0]] * 2), parameter(4.0, -2.0)
    drunk = DrunkOptimizer(SGD([first, idle, second, single], lr=0.5), scale=0.75, perturbation=2.0, seed=9)
    twin = twin_of_noise(drunk)
    wanted = [
        each.detach() - 0.5 * (0.25 * each.grad + 2.0 * torch.randn(each.shape, generator=twin))
        for each in (first, second, single)
    ]
    drunk.step()
    for found, expected in zip((first, second, single), wanted, strict=True):
        torch.testing.assert_close(found.detach(), expected, rtol=0, atol=1e-6)
    assert idle.item() == 7
    assert idle.grad is None


@pytest.mark.parametrize(("scale", "perturbation"), [(0.0, 0.5), (0.4, 1.0), (3.0, 3.0), (1.0, 0.01)])
def test_mean_and_variance_of_an_update(scale: float, perturbation: float) -> None:
    """With SGD and one g for all elements: mean -lr (1 - s) g, variance lr^2 p^2, to five standard errors."""
    lr, g = 0.1, 2.0
    weight = parameter(torch.zeros(MANY), torch.full((MANY,), g))
    DrunkOptimizer(SGD([weight], lr=lr), scale=scale, perturbation=perturbation).step()
    update, deviation = weight.detach().double(), lr * perturbation
    assert abs(update.mean().item() + lr * (1 - scale) * g) < 5 * deviation / math.sqrt(MANY)
    assert abs(update.var().item() / deviation**2 - 1) < 5 * math.sqrt(2 / MANY)
    within = ((update - update.mean()).abs() < deviation).double().mean().item()
    assert within == pytest.approx(math.erf(1 / math.sqrt(2)), abs=0.004)


def test_no_noise_comes_twice() -> None:
    """Not in the next step, the next parameter, nor further on in a large one."""
    one, two = (parameter(torch.zeros(600, 1000), torch.zeros(600, 1000)) for _ in range(2))
    drunk = DrunkOptimizer(SGD([one, two], lr=1.0), perturbation=1.0)
    drunk.step()
    noises = [each.detach().clone().flatten() for each in (one, two)]
    one.grad.zero_()
    drunk.step()
    noises.append(one.detach().flatten() - noises[0])
    for some, other in ((0, 1), (0, 2), (1, 2)):
        assert abs((noises[some] * noises[other]).mean().item()) < 5 / math.sqrt(MANY)
    assert noises[0].unique().numel() > 0.95 * MANY


@pytest.mark.parametrize("name", BASES)
def test_at_zero_every_step_is_the_base_s_own(name: str) -> None:
    plain, drunk = still_net(), still_net()
    advance(plain, BASES[name](plain.parameters()), range(5))
    advance(drunk, DrunkOptimizer(BASES[name](drunk.parameters())), range(5))
    assert torch.equal(weights(plain), weights(drunk))
    assert not torch.equal(weights(drunk), weights(still_net()))


@pytest.mark.parametrize("name", BASES)
def test_a_base_steps_on_gradients_spoiled_by_hand(name: str) -> None:
    """Whatever the base: (1 - s) g + p n written into `.grad` between backward and the plain optimizer's step."""
    plain, wrapped = still_net(), still_net()
    base = BASES[name](plain.parameters())
    drunk = DrunkOptimizer(BASES[name](wrapped.parameters()), scale=0.4, perturbation=0.05, seed=2)
    twin = twin_of_noise(drunk)
    for step in range(3):
        backward(plain, step)
        for each in plain.parameters():
            each.grad = 0.6 * each.grad + 0.05 * torch.randn(each.shape, generator=twin)
        base.step()
    advance(wrapped, drunk, range(3))
    torch.testing.assert_close(weights(wrapped), weights(plain), rtol=0, atol=1e-5)


def test_a_scale_of_two_is_ascent() -> None:
    """The factor is -1: torch's own ascent, `maximize`."""
    climbing, drunk = still_net(), still_net()
    advance(climbing, Adam(climbing.parameters(), lr=0.01, maximize=True), range(5))
    advance(drunk, DrunkOptimizer(Adam(drunk.parameters(), lr=0.01), scale=2.0), range(5))
    assert torch.equal(weights(climbing), weights(drunk))


def test_to_adam_a_scale_below_one_is_nothing() -> None:
    """A factor of 1/4 and no epsilon: it cancels exactly."""
    gradients = torch.randn(3, 50, generator=torch.Generator().manual_seed(0))
    found = []
    for scale in (0.0, 0.75):
        weight = parameter(torch.zeros(50))
        drunk = DrunkOptimizer(Adam([weight], lr=0.01, eps=0.0), scale=scale)
        for gradient in gradients:
            weight.grad = gradient.clone()
            drunk.step()
        found.append(weight.detach())
    assert torch.equal(*found)
    assert found[0].abs().min() > 0


def test_at_one_and_one_the_gradient_is_forgotten() -> None:
    """Opposite gradients, the same step; and at scale 1 without noise no step."""
    up, down, still = (parameter(torch.zeros(50), torch.full((50,), g)) for g in (3.0, -3.0, 3.0))
    for each in (up, down):
        DrunkOptimizer(SGD([each], lr=1.0), scale=1.0, perturbation=1.0).step()
    DrunkOptimizer(SGD([still], lr=1.0), scale=1.0).step()
    assert torch.equal(up, down)
    assert up.abs().min() > 0
    assert (still == 0).all()


def test_the_memory_format_of_a_gradient_does_not_matter() -> None:
    found = []
    for layout in (torch.contiguous_format, torch.channels_last):
        weight = nn.Parameter(torch.zeros(6, 5, 3, 3).to(memory_format=layout))
        weight.grad = torch.zeros(6, 5, 3, 3).to(memory_format=layout)
        DrunkOptimizer(SGD([weight], lr=1.0), perturbation=1.0).step()
        found.append(weight.detach())
    assert torch.equal(*found)


def test_the_seed_decides_and_the_global_generator_is_not_moved() -> None:
    before = torch.get_rng_state()
    found = []
    for seed in (1, 1, 2):
        weight = parameter(torch.zeros(9), torch.zeros(9))
        DrunkOptimizer(SGD([weight], lr=1.0), perturbation=1.0, seed=seed).step()
        found.append(weight.detach())
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    assert torch.equal(torch.get_rng_state(), before)


def test_hooks_see_the_true_gradient_before_and_the_spoiled_one_after() -> None:
    weight, seen = parameter([1.0], [8.0]), []
    drunk = DrunkOptimizer(SGD([weight], lr=1.0), scale=0.5)
    drunk.register_step_pre_hook(lambda optimizer, args, kwargs: seen.append((optimizer, weight.grad.item())))
    drunk.register_step_post_hook(lambda optimizer, args, kwargs: seen.append((optimizer, weight.grad.item())))
    drunk.step()
    assert seen == [(drunk, 8.0), (drunk, 4.0)]
    drunk.zero_grad(set_to_none=False)
    assert weight.grad.item() == 0
    drunk.zero_grad()
    assert weight.grad is None


# Closures


def test_a_closure_is_evaluated_once_and_its_loss_returned() -> None:
    model, calls = still_net(), []
    drunk = DrunkOptimizer(SGD(model.parameters(), lr=0.1), scale=0.5)

    def closure() -> Tensor:
        calls.append(torch.is_grad_enabled())
        return backward(model)

    assert drunk.step(closure) == backward(still_net())
    assert calls == [True]
    without = still_net()
    advance(without, DrunkOptimizer(SGD(without.parameters(), lr=0.1), scale=0.5), range(1))
    assert torch.equal(weights(model), weights(without))


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs_gets_spoiled_gradients_at_every_evaluation(search: str | None) -> None:
    """The same closure with the noise written in by hand."""

    def minimise(spoiled_by_hand: bool) -> tuple[Tensor, int]:
        weight, calls = parameter([3.0, -2.0, 1.0]), 0
        lbfgs: Optimizer = torch.optim.LBFGS([weight], lr=0.5, max_iter=4, line_search_fn=search)
        drunk = DrunkOptimizer(lbfgs, scale=0.25, perturbation=0.1)
        twin = twin_of_noise(drunk)

        def closure() -> Tensor:
            nonlocal calls
            calls += 1
            weight.grad = None
            loss = (weight**4 + weight**2).sum()
            loss.backward()
            if spoiled_by_hand:
                weight.grad.mul_(0.75).add_(torch.randn(3, generator=twin), alpha=0.1)
            return loss

        for _ in range(2):
            (lbfgs if spoiled_by_hand else drunk).step(closure)
        return weight.detach(), calls

    by_hand, calls = minimise(True)
    found, found_calls = minimise(False)
    assert torch.equal(found, by_hand)
    assert found_calls == calls > 4


# Saving and going on


def resumed(make: Callable[[nn.Module], DrunkOptimizer]) -> tuple[Tensor, Tensor]:
    """Weights after seven steps in one go, and after three, a checkpoint, and four in fresh objects."""
    whole = still_net()
    advance(whole, make(whole), range(7))
    first, buffer = still_net(), io.BytesIO()
    optimizer = make(first)
    advance(first, optimizer, range(3))
    torch.save({"model": first.state_dict(), "optimizer": optimizer.state_dict()}, buffer)
    buffer.seek(0)
    saved = torch.load(buffer, weights_only=True)
    second = still_net()
    optimizer = make(second)
    second.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    advance(second, optimizer, range(3, 7))
    return weights(whole), weights(second)


@pytest.mark.parametrize("name", BASES)
def test_training_goes_on_exactly(name: str) -> None:
    whole, second = resumed(lambda model: DrunkOptimizer(BASES[name](model.parameters()), scale=0.5, perturbation=0.1))
    assert torch.equal(whole, second)


def test_nested_drunks_go_on_exactly() -> None:
    """The study's defence inside its attack."""

    def make(model: nn.Module) -> DrunkOptimizer:
        defended = DrunkOptimizer(Adam(model.parameters(), lr=0.01), perturbation=0.01, seed=1)
        return DrunkOptimizer(defended, scale=0.5, perturbation=0.1, seed=2)

    whole, second = resumed(make)
    assert torch.equal(whole, second)


def test_nested_drunks_both_spoil() -> None:
    weight = parameter(torch.zeros(MANY), torch.ones(MANY))
    inner = DrunkOptimizer(SGD([weight], lr=1.0), scale=0.5, perturbation=3.0, seed=1)
    DrunkOptimizer(inner, scale=0.75, perturbation=8.0, seed=2).step()
    assert weight.mean().item() == pytest.approx(-0.125, abs=5 * 5 / math.sqrt(MANY))
    assert weight.var().item() == pytest.approx(4.0**2 + 3.0**2, rel=5 * math.sqrt(2 / MANY))


def test_groups_state_and_defaults_are_the_base_s_own() -> None:
    model = still_net()
    base = Adam(model.features.parameters(), lr=0.01)
    drunk = DrunkOptimizer(base, perturbation=0.1)
    drunk.add_param_group({"params": model.head.parameters(), "lr": 0.5})
    advance(model, drunk, range(1))
    assert len(base.state) == len(list(model.parameters()))
    for load in (drunk.load_state_dict, base.load_state_dict):
        load(drunk.state_dict())
        assert drunk.param_groups is base.param_groups
        assert drunk.state is base.state
        assert drunk.defaults is base.defaults
    assert [group["lr"] for group in drunk.param_groups] == [0.01, 0.5]


def test_a_state_of_another_kind_is_refused() -> None:
    """And may go to the base."""
    plain = Adam([parameter([1.0], [1.0])])
    plain.step()
    nested = DrunkOptimizer(DrunkOptimizer(Adam([parameter([1.0])])))
    drunk = DrunkOptimizer(Adam([parameter([1.0])]))
    for state, count in ((plain.state_dict(), 0), (nested.state_dict(), 2)):
        with pytest.raises(ValueError, match=f"{count} generators.*base"):
            drunk.load_state_dict(state)
    drunk.base.load_state_dict(plain.state_dict())
    assert len(drunk.state) == 1


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_a_copy_goes_its_own_way_alike(duplicate: Callable[[Any], Any]) -> None:
    model = still_net()
    drunk = DrunkOptimizer(Adam(model.parameters(), lr=0.01), scale=0.5, perturbation=0.1)
    advance(model, drunk, range(2))
    model.zero_grad()
    other_model, other = duplicate((model, drunk))
    advance(model, drunk, range(2, 4))
    assert not torch.equal(weights(other_model), weights(model))
    advance(other_model, other, range(2, 4))
    assert torch.equal(weights(other_model), weights(model))


# Other people's pipelines


@pytest.mark.parametrize(
    "make",
    [
        lambda optimizer: LambdaLR(optimizer, lambda epoch: 0.5**epoch),
        lambda optimizer: CosineAnnealingLR(optimizer, T_max=4),
        lambda optimizer: OneCycleLR(optimizer, max_lr=0.1, total_steps=5),
        lambda optimizer: ReduceLROnPlateau(optimizer, patience=0),
    ],
)
def test_schedulers_move_the_rate_of_the_base(make: Callable[[Optimizer], Any]) -> None:
    """The same rates and weights as on the bare optimizer, and no warning about the order of steps."""
    rates: list[list[float]] = []
    models = [still_net(), still_net()]
    for model, wrap in zip(models, (lambda base: base, DrunkOptimizer), strict=True):
        base = SGD(model.parameters(), lr=0.1, momentum=0.9)
        optimizer = wrap(base)
        rates.append([])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            scheduler = make(optimizer)
            for step in range(4):
                backward(model, step)
                optimizer.step()
                scheduler.step(*[1.0] if isinstance(scheduler, ReduceLROnPlateau) else [])
                rates[-1].append(base.param_groups[0]["lr"])
    assert rates[0] == rates[1]
    assert len(set(rates[1])) > 1
    assert torch.equal(weights(models[0]), weights(models[1]))


def clip_to_one(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
    nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], 1.0)


def test_clipping_before_the_step_spares_the_noise_and_a_hook_on_the_base_does_not() -> None:
    norms = []
    for inside in (False, True):
        weight = parameter(torch.zeros(10_000), torch.ones(10_000))
        base = SGD([weight], lr=1.0)
        if inside:
            base.register_step_pre_hook(clip_to_one)
        drunk = DrunkOptimizer(base, perturbation=2.0)
        clip_to_one(drunk, (), {})
        drunk.step()
        norms.append(weight.detach().norm().item())
    assert norms[0] == pytest.approx(math.hypot(1.0, 2.0 * 100), rel=0.04)
    assert norms[1] == pytest.approx(1.0, rel=1e-4)


@pytest.mark.parametrize("name", ["sgd", "adam-fused"])
def test_a_gradient_scaler_unscales_before_the_noise(name: str) -> None:
    """Loss scaling by a power of two leaves no trace."""
    plain, scaled = still_net(), still_net()
    for model, factor in ((plain, 1.0), (scaled, 1024.0)):
        drunk = DrunkOptimizer(BASES[name](model.parameters()), scale=0.5, perturbation=0.1)
        scaler = torch.amp.GradScaler("cpu", init_scale=factor)
        for step in range(3):
            model.zero_grad()
            scaler.scale(nn.functional.cross_entropy(model(IMAGES), LABELS.roll(step))).backward()
            scaler.step(drunk)
            scaler.update()
    torch.testing.assert_close(weights(scaled), weights(plain), rtol=0, atol=1e-6)


def test_art_trains_with_it_as_a_loop_by_hand_does() -> None:
    """ART shuffles by the global generator; the same seed gives a loop by hand the same batches and dropout."""
    ours, theirs = small_net(), small_net()
    with torch.random.fork_rng():
        torch.manual_seed(4)
        drunk = DrunkOptimizer(SGD(theirs.parameters(), lr=0.1), scale=0.5, perturbation=0.1)
        twin = twin_of_noise(drunk)
        classifier = as_art_classifier(theirs, optimizer=drunk)
        classifier.fit(IMAGES.numpy(), LABELS.numpy(), batch_size=8, nb_epochs=1)
        torch.manual_seed(4)
        ours.train()
        for batch, answers in DataLoader(TensorDataset(IMAGES, LABELS), batch_size=8, shuffle=True):
            ours.zero_grad()
            nn.functional.cross_entropy(ours(batch), answers).backward()
            with torch.no_grad():
                for each in ours.parameters():
                    each -= 0.1 * (0.5 * each.grad + 0.1 * torch.randn(each.shape, generator=twin))
    torch.testing.assert_close(weights(ours), weights(theirs), rtol=0, atol=1e-5)
    assert not torch.allclose(weights(ours), weights(small_net()), rtol=0, atol=1e-3)


def test_fit_takes_it() -> None:
    """In the training loop a scale of 2 is torch's ascent, clipping and scheduler included."""
    trained = []
    for ascent in (False, True):
        model = still_net()
        optimizer = Adam(model.parameters(), lr=0.01, maximize=not ascent)
        drunk = DrunkOptimizer(optimizer, scale=2.0) if ascent else optimizer
        settings = FitSettings(epochs=2, batch_size=8, precision="fp32", clip_norm=0.5)
        plateau = ReduceLROnPlateau(drunk, patience=0)
        trained.append((model, fit(model, IMAGES, LABELS, optimizer=drunk, settings=settings, scheduler=plateau)))
    (climbed, _), (drunken, history) = trained
    assert torch.equal(weights(climbed), weights(drunken))
    assert history[1]["loss"] > history[0]["loss"]


# What it refuses


def test_sparse_gradients_are_refused_and_left_as_they_are() -> None:
    dense, embedding = parameter([1.0], [1.0]), nn.Embedding(4, 2, sparse=True)
    embedding(torch.tensor([1])).sum().backward()
    with pytest.raises(TypeError, match="sparse=False"):
        DrunkOptimizer(SGD([dense, embedding.weight], lr=1.0), scale=0.5).step()
    assert dense.item() == dense.grad.item() == 1


@pytest.mark.parametrize(
    ("change", "error", "named"),
    [
        ({"scale": -1.0}, ValueError, "scale.*-1"),
        ({"scale": math.nan}, ValueError, "scale.*nan"),
        ({"scale": True}, TypeError, "scale.*True"),
        ({"perturbation": -0.5}, ValueError, "perturbation.*-0.5"),
        ({"perturbation": math.inf}, ValueError, "perturbation.*inf"),
        ({"perturbation": "1"}, TypeError, "perturbation.*1"),
        ({"seed": -1}, ValueError, "seed.*-1"),
        ({"seed": None}, TypeError, "seed.*None"),
        ({"base": Adam}, TypeError, "base.*type"),
        ({"base": [parameter([1.0])]}, TypeError, "base.*list"),
    ],
)
def test_wrong_parameters_are_refused_by_name(change: dict[str, Any], error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=named):
        DrunkOptimizer(**{"base": Adam([parameter([1.0])])} | change)


def test_it_is_registered_under_its_file_name() -> None:
    assert TRAINING.load("drunk-optimizer") is DrunkOptimizer
    drunk = DrunkOptimizer(Adam([parameter([1.0])]), scale=3, perturbation=0.01)
    assert isinstance(drunk, Optimizer)
    assert repr(drunk).startswith("DrunkOptimizer(scale=3, perturbation=0.01, base=Adam (")
