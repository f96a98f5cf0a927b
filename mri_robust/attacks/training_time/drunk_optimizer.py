"""DrunkOptimizer: an optimizer that spoils its gradients first (the study's section 4.5, figures 5 and 6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from mri_robust.core.rng import make_generator
from mri_robust.core.validation import check_count, check_number

_CHUNK = 2**18
"""Elements drawn at a time: noise that stays in the cache takes a third less time than all of it at once."""


class DrunkOptimizer(Optimizer):
    """g <- g * (1 - scale) + perturbation * n, n from N(0, 1) for each element and step; then `base` steps on g.

    With scale > 1 the factor is negative and the optimizer climbs the loss ("ascent"). Adam divides by the size of
    the gradient, so to it a scale alone means little beyond its sign. At scale = perturbation = 1 the gradient is
    pure noise; at 0 and 0 every step is the base's own, bit for bit.

    `param_groups`, `state` and `defaults` are the base's own objects, so schedulers, `clip_grad_norm_`, `zero_grad`
    and `GradScaler` work as on the base. The noise comes from a CPU generator of the optimizer's own, parameter after
    parameter, so it is the same on every device and moves no global state; parameters without gradient draw none.
    The generator's state is part of `state_dict()`, the strengths are not: an optimizer that was made with the same
    strengths and loads it goes on exactly. Hooks on `state_dict` and `load_state_dict` belong on the base.

    After a step `.grad` holds the spoiled gradient, and without `zero_grad` the next backward pass adds to it.
    Clipping before the step cuts the true gradient and not the noise; a step pre-hook on the base comes after the
    noise. Drunk optimizers may be nested: give each its own seed.

    Args:
        base: the optimizer that steps.
        scale: share of the gradient that is taken away, 0 or more.
        perturbation: standard deviation of the noise, in units of the gradient, 0 or more.
        seed: decides the noise, 0 or more.

    Raises:
        TypeError, ValueError: a parameter of the wrong type or out of range.
    """

    def __init__(self, base: Optimizer, *, scale: float = 0.0, perturbation: float = 0.0, seed: int = 0) -> None:
        if not isinstance(base, Optimizer):
            raise TypeError(f"base must be a torch.optim.Optimizer, got {type(base).__name__}")
        check_number("scale", scale, 0.0)
        check_number("perturbation", perturbation, 0.0)
        check_count("seed", seed, 0)
        self.base = base
        self.scale = float(scale)
        self.perturbation = float(perturbation)
        self._generator = make_generator(int(seed), "drunk-optimizer")
        # Optimizer.__init__ would make groups and a state of its own; unpickling's way sets up the hooks only.
        self.__setstate__({})

    @property
    def param_groups(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The base's parameter groups."""
        return self.base.param_groups

    @property
    def state(self) -> Any:  # type: ignore[override]
        """The base's state of each parameter."""
        return self.base.state

    @property
    def defaults(self) -> dict[str, Any]:  # type: ignore[override]
        """The base's default options."""
        return self.base.defaults

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Spoil the gradients and let the base step; returns what the base returns.

        Args:
            closure: as the base wants it; the gradients are spoiled anew after each evaluation.

        Raises:
            TypeError: a gradient is sparse.
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
        """The base's, and the `generators`' states: this one's, then those of drunk optimizers inside."""
        return {**self.base.state_dict(), "generators": [generator.get_state() for generator in self._generators()]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load what `state_dict` gave, whatever device it is on.

        Raises:
            ValueError: it comes from another kind of optimizer.
        """
        generators: list[Tensor] = state_dict.get("generators", [])
        if len(generators) != len(self._generators()):
            raise ValueError(
                f"the state has {len(generators)} generators, this optimizer {len(self._generators())}: "
                "load the state of a plain optimizer into .base"
            )
        self.base.load_state_dict({**state_dict, "generators": generators[1:]})
        self._generator.set_state(generators[0].cpu())

    def __getstate__(self) -> dict[str, Any]:
        return {name: self.__dict__[name] for name in ("base", "scale", "perturbation", "_generator")}

    def __repr__(self) -> str:
        return f"DrunkOptimizer(scale={self.scale:g}, perturbation={self.perturbation:g}, base={self.base!r})"

    def _generators(self) -> list[torch.Generator]:
        inner = self.base._generators() if isinstance(self.base, DrunkOptimizer) else []
        return [self._generator, *inner]

    @torch.no_grad()
    def _spoil(self) -> None:
        gradients = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        if any(gradient.layout != torch.strided for gradient in gradients):
            raise TypeError("DrunkOptimizer takes dense gradients only: build the embedding with sparse=False")
        for gradient in gradients:
            if self.scale:
                gradient.mul_(1 - self.scale)
            if self.perturbation:
                _add_noise(gradient, self.perturbation, self._generator)


def _add_noise(gradient: Tensor, strength: float, generator: torch.Generator) -> None:
    rows = torch.atleast_1d(gradient)
    for part in rows.split(max(1, _CHUNK * len(rows) // max(1, rows.numel()))):
        noise = torch.randn(part.shape, dtype=part.dtype, generator=generator)
        part.add_(noise.to(part.device), alpha=strength)
