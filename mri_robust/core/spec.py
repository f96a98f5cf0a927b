"""A part by name with its parameters, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mri_robust.core.registry import Registry


@dataclass(frozen=True)
class Spec:
    """What to build: a registered name and the keyword arguments of its constructor."""

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)

    def build(self, registry: Registry) -> Any:
        """The part itself; lists in the parameters become tuples, as frozen parts want them.

        Raises:
            UserError: the registry has no such part.
            TypeError, ValueError: the part refuses a parameter.
        """
        parameters = {key: tuple(v) if isinstance(v, list) else v for key, v in self.parameters.items()}
        return registry.load(self.name)(**parameters)
