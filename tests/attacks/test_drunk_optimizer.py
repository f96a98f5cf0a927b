"""DrunkOptimizer against optimizers whose gradients are spoiled by hand."""

import copy
import io
import itertools
import math
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from toy_models import SmallNet, dyadic_images, own_labels, small_net

from mri_robust.attacks.training_time.drunk_optimizer import DrunkOptimizer, Normals
from mri_robust.core.rng import derive_seed

IMAGES = dyadic_images(24)
LABELS = own_labels(small_net(), IMAGES).roll(1)
BLOCK = Normals.BLOCK

BASES: dict[str, Callable[[Any], Optimizer]] = {
    "sgd": lambda p: SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam-fused": lambda p: Adam(p, lr=0.01, fused=True),
    "adamw": lambda p: AdamW(p, lr=0.01, amsgrad=True),
}


def still_net() -> SmallNet:
    """Without dropout, which draws from the global generator."""
    net = small_net()
    net.dropout.p = 0.0
    return net


def backward(model: nn.Module, step: int = 0) -> None:
    """Fresh gradients on a batch that differs from step to step."""
    model.zero_grad()
    nn.functional.cross_entropy(model(IMAGES.roll(8 * step, 0)[:8]), LABELS.roll(8 * step)[:8]).backward()


def advance(model: nn.Module, optimizer: Optimizer, steps: range) -> None:
    for step in steps:
        backward(model, step)
        optimizer.step()


def weights(model: nn.Module) -> Tensor:
    return nn.utils.parameters_to_vector(model.parameters()).detach()


def parameter(values: Any, gradient: Any = None) -> nn.Parameter:
    made = nn.Parameter(torch.as_tensor(values, dtype=torch.float32))
    made.grad = None if gradient is None else torch.as_tensor(gradient, dtype=torch.float32).clone()
    return made


def noise_for(drunk: DrunkOptimizer, *parameters: Tensor) -> Iterator[list[Tensor]]:
    """The noise of each step to come, in the parameters' shapes."""
    normals, sizes = Normals(0), [each.numel() for each in parameters]
    normals.set_state(drunk.state_dict()["generators"][0])
    draws = (normals.draw(sum(sizes)).split(sizes) for _ in itertools.count())
    return ([n.view(each.shape) for n, each in zip(drawn, parameters, strict=True)] for drawn in draws)


def test_numbers_are_standard_normal_and_independent() -> None:
    """Over several blocks: pairs of the same radius, neighbours, block and block, one draw after the other."""
    normals = Normals(3)
    one, two = (normals.draw(10 * BLOCK).double() for _ in range(2))
    assert one.isfinite().all()
    assert kstest(one.numpy(), "norm").pvalue > 0.001
    for sigma in (3, 4, 4.5):
        expected = len(one) * math.erfc(sigma / math.sqrt(2))
        assert abs((one.abs() > sigma).sum().item() - expected) < 5 * math.sqrt(expected) + 1
    half, block = one.view(10, 2, -1), one.view(10, -1)
    for some, other in ((one, two), (one[1:], one[:-1]), (half[:, 0], half[:, 1]), (block[0], block[1])):
        assert abs((some * other).mean().item()) < 5 / math.sqrt(some.numel())
        assert abs(((some**2 - 1) * (other**2 - 1)).mean().item()) < 5 * 2 / math.sqrt(some.numel())


def test_numbers_continue_from_a_state() -> None:
    normals, resumed = Normals(1), Normals(2)
    for size in (3 * BLOCK + 1, 1, 0, 70_001):
        assert len(normals.draw(size)) == size
    state = normals.get_state()
    resumed.set_state(state)
    assert torch.equal(normals.draw(2 * BLOCK), resumed.draw(2 * BLOCK))
    assert not torch.equal(state, normals.get_state())
    assert not torch.equal(normals.draw(9), Normals(1).draw(9))


def test_one_step_by_hand() -> None:
    """p - lr (g (1 - s) + p n), n from one stream in the order of the parameters, those without gradient left out."""
    first, idle = parameter([1.0, 2.0], [3.0, -1.0]), parameter([7.0])
    given = (first, parameter([[0.5] * 3] * 2, [[1.0, 2.0, 3.0]] * 2), parameter(4.0, -2.0))
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    drunk = DrunkOptimizer(SGD([first, idle, *given[1:]], lr=0.5), scale=0.75, perturbation=2.0, seed=9)
    noises = next(noise_for(drunk, *given))
    wanted = [each.detach() - 0.5 * (0.25 * each.grad + 2.0 * n) for each, n in zip(given, noises, strict=True)]
    drunk.step()
    for found, expected in zip(given, wanted, strict=True):
        torch.testing.assert_close(found.detach(), expected, rtol=0, atol=1e-6)
    assert (idle.item(), idle.grad) == (7, None)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])


@pytest.mark.parametrize("name", BASES)
@pytest.mark.parametrize(("scale", "perturbation"), [(0.4, 0.05), (2.0, 0.0), (0.0, 0.0)])
def test_a_base_steps_on_gradients_spoiled_by_hand(name: str, scale: float, perturbation: float) -> None:
    """(1 - s) g + p n written into `.grad` before the plain optimizer's step; without noise the same bits."""
    plain, wrapped = still_net(), still_net()
    base = BASES[name](plain.parameters())
    drunk = DrunkOptimizer(BASES[name](wrapped.parameters()), scale=scale, perturbation=perturbation, seed=2)
    drawn = noise_for(drunk, *plain.parameters())
    for step in range(3):
        backward(plain, step)
        for each, noise in zip(plain.parameters(), next(drawn), strict=True):
            each.grad = (1 - scale) * each.grad + perturbation * noise
        base.step()
    advance(wrapped, drunk, range(3))
    torch.testing.assert_close(weights(wrapped), weights(plain), rtol=0, atol=1e-5 if perturbation else 0)
    assert not torch.equal(weights(plain), weights(still_net()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_memory_format_and_type_of_a_gradient_do_not_matter_and_the_seed_does(dtype: torch.dtype) -> None:
    for seed, layout in ((0, torch.contiguous_format), (0, torch.channels_last), (3, torch.channels_last)):
        weight = nn.Parameter(torch.zeros(6, 5, 3, 3, dtype=dtype).to(memory_format=layout))
        weight.grad = torch.zeros_like(weight)
        DrunkOptimizer(SGD([weight], lr=1.0), perturbation=1.0, seed=seed).step()
        expected = -Normals(derive_seed(seed, "drunk-optimizer")).draw(270).view(6, 5, 3, 3)
        assert torch.equal(weight.detach(), expected.to(dtype))


def test_lbfgs_gets_spoiled_gradients_at_every_evaluation() -> None:
    """The same closure with the noise written in by hand."""
    found = []
    for by_hand in (True, False):
        weight, losses = parameter([3.0, -2.0, 1.0]), []
        lbfgs = torch.optim.LBFGS([weight], lr=0.5, max_iter=4, line_search_fn="strong_wolfe")
        drunk = DrunkOptimizer(lbfgs, scale=0.25, perturbation=0.1)
        drawn = noise_for(drunk, weight)

        def closure(weight=weight, losses=losses, drawn=drawn, by_hand=by_hand) -> Tensor:
            weight.grad = None
            losses.append((weight**4 + weight**2).sum())
            losses[-1].backward()
            if by_hand:
                weight.grad.mul_(0.75).add_(next(drawn)[0], alpha=0.1)
            return losses[-1]

        for _ in range(2):
            assert (lbfgs if by_hand else drunk).step(closure) in losses
        found.append(torch.stack(losses).detach())
    assert torch.equal(*found)
    assert len(found[0]) > 4


def nested(model: nn.Module) -> DrunkOptimizer:
    """The study's defence inside its attack."""
    defended = DrunkOptimizer(Adam(model.parameters(), lr=0.01), perturbation=0.01, seed=1)
    return DrunkOptimizer(defended, scale=0.5, perturbation=0.1, seed=2)


@pytest.mark.parametrize("name", [*BASES, "nested"])
@pytest.mark.parametrize("way", ["state", "deepcopy", "pickle"])
def test_training_continues_exactly(name: str, way: str) -> None:
    """Seven steps in one go, and three, a checkpoint or a copy, and four."""

    def make(model: nn.Module) -> DrunkOptimizer:
        if name == "nested":
            return nested(model)
        return DrunkOptimizer(BASES[name](model.parameters()), scale=0.5, perturbation=0.1)

    whole, first, buffer = still_net(), still_net(), io.BytesIO()
    advance(whole, make(whole), range(7))
    optimizer = make(first)
    advance(first, optimizer, range(3))
    first.zero_grad()
    if way == "state":
        torch.save({"model": first.state_dict(), "optimizer": optimizer.state_dict()}, buffer)
        buffer.seek(0)
        saved, second = torch.load(buffer, weights_only=True), still_net()
        resumed = make(second)
        second.load_state_dict(saved["model"])
        resumed.load_state_dict(saved["optimizer"])
    else:
        pair = first, optimizer
        second, resumed = copy.deepcopy(pair) if way == "deepcopy" else pickle.loads(pickle.dumps(pair))
    advance(first, optimizer, range(4))  # the one that was saved moves apart
    advance(second, resumed, range(3, 7))
    assert torch.equal(weights(whole), weights(second))


def test_groups_state_and_defaults_are_the_base_s_own() -> None:
    model = still_net()
    base = Adam(model.features.parameters(), lr=0.01)
    drunk = DrunkOptimizer(base, perturbation=0.1)
    drunk.add_param_group({"params": model.head.parameters(), "lr": 0.5})
    advance(model, drunk, range(1))
    drunk.load_state_dict(drunk.state_dict())
    assert drunk.param_groups is base.param_groups
    assert drunk.state is base.state
    assert drunk.defaults is base.defaults
    assert len(base.state) == len(list(model.parameters()))
    assert [group["lr"] for group in drunk.param_groups] == [0.01, 0.5]
    assert repr(DrunkOptimizer(base, scale=3)).startswith("DrunkOptimizer(scale=3, perturbation=0, base=Adam (")


def test_a_state_of_another_kind_is_refused_and_may_go_to_the_base() -> None:
    plain = Adam([parameter([1.0], [1.0])])
    plain.step()
    drunk = DrunkOptimizer(Adam([parameter([1.0])]))
    for state in (plain.state_dict(), nested(still_net()).state_dict()):
        with pytest.raises(ValueError, match="generators"):
            drunk.load_state_dict(state)
    drunk.base.load_state_dict(plain.state_dict())
    assert len(drunk.state) == 1


def test_sparse_gradients_are_refused_and_left_as_they_are() -> None:
    dense, embedding = parameter([1.0], [1.0]), nn.Embedding(4, 2, sparse=True)
    embedding(torch.tensor([1])).sum().backward()
    with pytest.raises(TypeError, match="sparse"):
        DrunkOptimizer(SGD([dense, embedding.weight], lr=1.0), scale=0.5).step()
    assert dense.item() == dense.grad.item() == 1


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"scale": -1.0}, ValueError), ({"perturbation": math.inf}, ValueError), ({"seed": -1}, ValueError),
        ({"base": Adam}, TypeError), ({"base": [1.0]}, TypeError),
    ],
)  # fmt: skip
def test_wrong_parameters_are_refused_by_name(change: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(change))):
        DrunkOptimizer(**{"base": Adam([parameter([1.0])])} | change)
