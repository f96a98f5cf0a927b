"""DrunkOptimizer: an optimizer that spoils its gradients first (the study's section 4.5, figures 5 and 6)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from mri_robust.core.rng import derive_seed
from mri_robust.core.validation import check_count, check_number


class DrunkOptimizer(Optimizer):
    """g <- g * (1 - scale) + perturbation * n, n from N(0, 1) for each element and step; then `base` steps on g.

    `scale` and `perturbation`, in units of the gradient, are 0 or more. With scale > 1 the optimizer ascends the loss.
    Adam divides by the size of the gradient, so for it a scale alone changes little beyond the sign. At scale =
    perturbation = 1 the gradient is pure noise; at 0 and 0 every step is the base's own, bit for bit.

    `param_groups`, `state` and `defaults` are the base's own objects, so schedulers, `clip_grad_norm_`, `zero_grad` and
    `GradScaler` work as on the base; register hooks on `state_dict` and `load_state_dict` there. The noise comes from a
    CPU generator of its own: the same on every device, none for parameters without gradient, and the global state does
    not move. Its state is part of `state_dict()`, from which an optimizer of the same parameters continues exactly.

    After a step `.grad` holds the spoiled gradient, and without `zero_grad` the next backward pass adds to it. Clipping
    before the step cuts the true gradient and not the noise; a step pre-hook on the base runs after the noise is added.
    Drunk optimizers may be nested: give each its own seed.
    """

    def __init__(self, base: Optimizer, *, scale: float = 0.0, perturbation: float = 0.0, seed: int = 0) -> None:
        if not isinstance(base, Optimizer):
            raise TypeError(f"base must be a torch.optim.Optimizer, got {type(base).__name__}")
        check_number("scale", scale, 0.0)
        check_number("perturbation", perturbation, 0.0)
        check_count("seed", seed, 0)
        self.base, self.scale, self.perturbation = base, float(scale), float(perturbation)
        self._noise = Normals(derive_seed(int(seed), "drunk-optimizer"))
        # Optimizer.__init__ would make groups and a state of its own; unpickling's way sets up the hooks only.
        self.__setstate__({})

    param_groups = property(lambda self: self.base.param_groups, doc="The base's parameter groups.")
    state = property(lambda self: self.base.state, doc="The base's state of each parameter.")
    defaults = property(lambda self: self.base.defaults, doc="The base's default options.")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Spoil the gradients, after each evaluation of a closure, and let the base step; returns what it returns.

        TypeError where a gradient is sparse.
        """
        if closure is None:
            self._spoil()
            return self.base.step()

        def drunk_closure() -> Any:
            loss = closure()
            self._spoil()
            return loss

        return self.base.step(drunk_closure)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group to the base."""
        self.base.add_param_group(param_group)

    def state_dict(self) -> dict[str, Any]:
        """The base's, and in `generators` the noise states: this one's, then those of drunk optimizers inside."""
        return {**self.base.state_dict(), "generators": [each.get_state() for each in self._noises()]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load what `state_dict` gave, whatever device it is on; ValueError for another kind of optimizer's."""
        states: list[Tensor] = state_dict.get("generators", [])
        if len(states) != len(self._noises()):
            counts = f"the state has {len(states)} generators, this optimizer {len(self._noises())}"
            raise ValueError(f"{counts}: load the state of a plain optimizer into .base")
        self.base.load_state_dict({**state_dict, "generators": states[1:]})
        self._noise.set_state(states[0])

    def __getstate__(self) -> dict[str, Any]:
        return {name: self.__dict__[name] for name in ("base", "scale", "perturbation", "_noise")}

    def __repr__(self) -> str:
        return f"DrunkOptimizer(scale={self.scale:g}, perturbation={self.perturbation:g}, base={self.base!r})"

    def _noises(self) -> list[Normals]:
        return [self._noise, *(self.base._noises() if isinstance(self.base, DrunkOptimizer) else [])]

    @torch.no_grad()
    def _spoil(self) -> None:
        gradients = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        if any(gradient.layout != torch.strided for gradient in gradients):
            raise TypeError("DrunkOptimizer takes dense gradients only: build the embedding with sparse=False")
        if self.scale:
            for gradient in gradients:
                gradient.mul_(1 - self.scale)
        if self.perturbation and gradients:
            sizes = [gradient.numel() for gradient in gradients]
            noise = self._noise.draw(sum(sizes)).to(gradients[0].device)
            for gradient, part in zip(gradients, noise.split(sizes), strict=True):
                gradient.add_(part.view(gradient.shape).to(gradient.device), alpha=self.perturbation)


class Normals:
    """Independent standard normal numbers on the CPU: Box and Muller's transform (1958) of SFC64's random bits.

    NumPy's vectorised functions, on blocks that stay in the cache, take two thirds of the time of `torch.randn`.
    """

    BLOCK = 2**17

    def __init__(self, seed: int) -> None:
        self._bits = np.random.SFC64(seed)

    def draw(self, count: int) -> Tensor:
        """The next `count` numbers, float32 [count]; an odd number of them takes one more from the stream."""
        numbers = np.empty(count + count % 2, np.float32)
        for begin in range(0, len(numbers), self.BLOCK):
            self._fill(numbers[begin : begin + self.BLOCK])
        return torch.from_numpy(numbers)[:count]

    def get_state(self) -> Tensor:
        """The state, int64 [4]."""
        return torch.from_numpy(self._bits.state["state"]["state"].view(np.int64).copy())

    def set_state(self, state: Tensor) -> None:
        """Continue from a state that `get_state` gave, whatever device it is on."""
        self._bits.state = {**self._bits.state, "state": {"state": state.cpu().numpy().view(np.uint64)}}

    def _fill(self, block: np.ndarray) -> None:
        """Fill float32 [2n]: u, v uniform; r = sqrt(-2 ln u); r sin(2 pi v) and r cos(2 pi v)."""
        half = len(block) // 2
        bits, radius, angle = self._bits.random_raw(half), block[:half], block[half:]
        np.copyto(radius, bits.view(np.uint32)[:half], casting="unsafe")
        np.copyto(angle, bits.view(np.int32)[half:], casting="unsafe")
        radius *= np.float32(2.0**-32)
        radius += np.float32(2.0**-33)  # in (0, 1]
        np.log2(radius, out=radius)  # faster than the natural logarithm
        radius *= np.float32(-2 * math.log(2))
        np.sqrt(radius, out=radius)
        angle *= np.float32(math.pi * 2.0**-31)  # in [-pi, pi]
        sine = np.sin(angle)
        np.cos(angle, out=angle)
        angle *= radius
        radius *= sine
