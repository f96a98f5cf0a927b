"""Parts found by name: an attack, architecture, data source or experiment is one file in its folder."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import re
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from mri_robust.core.errors import UserError


class Registry:
    """The parts of one kind: every file of a package that defines `attribute`, and the entry points of other packages.

    Listing names imports no part, so that `--help` and `--list` stay fast.

    Args:
        package: dotted name of the package whose files define the parts (`mri_robust.attacks.evasion`).
        attribute: the module attribute that is the part (`ATTACK`).
        kind: what a part is called in messages (`attack`).
        group: entry-point group of other packages (`mri_robust.attacks`); an entry point's object is the part.
    """

    def __init__(self, package: str, *, attribute: str, kind: str, group: str) -> None:
        self.package = package
        self.attribute = attribute
        self.kind = kind
        self.group = group

    @cached_property
    def _modules(self) -> dict[str, str]:
        spec = importlib.util.find_spec(self.package)
        folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
        defined = re.compile(rf"^{self.attribute}\b.*=", re.MULTILINE)
        paths = (path for folder in folders for path in sorted(folder.glob("*.py")))
        stems = [path.stem for path in paths if defined.search(path.read_text(encoding="utf-8"))]
        return {stem.replace("_", "-"): f"{self.package}.{stem}" for stem in stems}

    @cached_property
    def _entry_points(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.group)}

    def names(self) -> list[str]:
        """Names of all parts, this package's first, each sorted."""
        return [*self._modules, *self.added()]

    def added(self) -> list[str]:
        """Names of the parts that other packages add, sorted."""
        return sorted(set(self._entry_points) - set(self._modules))

    def __contains__(self, name: object) -> bool:
        return name in self._modules or name in self._entry_points

    def load(self, name: str) -> Any:
        """The part called `name`.

        Raises:
            UserError: no part has that name (the message offers the nearest), or another package's cannot be imported.
        """
        if name in self._modules:
            return getattr(importlib.import_module(self._modules[name]), self.attribute)
        if name in self._entry_points:
            return self._load_added(self._entry_points[name])
        raise UserError(f"unknown {self.kind} '{name}'{did_you_mean(name, self.names())}")

    def _load_added(self, point: EntryPoint) -> Any:
        try:
            return point.load()
        except Exception as error:  # another package's code may raise anything
            package = f" of the package '{point.dist.name}'" if point.dist else ""
            reason = f"{type(error).__name__}: {error}"
            raise UserError(
                f"{self.kind} '{point.name}'{package} cannot be imported: {reason}; fix or uninstall it"
            ) from error


@dataclass(frozen=True)
class Spec:
    """A part to build later, as plain data: the path of its class and its keyword arguments.

    Attributes:
        path: `package.module:Class`, any importable class.
        arguments: (name, value) of each keyword argument, plain data.
    """

    path: str
    arguments: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, path: str, **arguments: Any) -> Spec:
        """The spec of a class with these keyword arguments."""
        return cls(path, tuple(arguments.items()))

    @property
    def parameters(self) -> dict[str, Any]:
        """The keyword arguments."""
        return dict(self.arguments)

    def build(self, *positional: Any) -> Any:
        """The part, from further positional arguments where its class takes some.

        Raises:
            TypeError, ValueError: the part refuses a parameter.
        """
        module, _, name = self.path.partition(":")
        return getattr(importlib.import_module(module), name)(*positional, **self.parameters)


def did_you_mean(name: str, known: list[str]) -> str:
    """`; did you mean 'x'? known: …` for a mistyped name."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    offer = f"; did you mean '{near[0]}'?" if near else ";"
    return f"{offer} known: {', '.join(known)}"
