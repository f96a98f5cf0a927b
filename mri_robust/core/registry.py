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

    Of the attacks, `package` is `mri_robust.attacks.evasion` and `attribute` `ATTACK`: in each file, what is called so
    is the part. `kind` is what messages call a part, and `group` the entry-point group in which other packages name
    theirs. Listing names imports no part, so that `--help` and `--list` stay fast.
    """

    def __init__(self, package: str, *, attribute: str, kind: str, group: str) -> None:
        self.package, self.attribute, self.kind, self.group = package, attribute, kind, group

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
        """The part called `name`, by hyphens or by underscores; `UserError` where there is none, or another package's
        cannot be imported."""
        if (module := self._modules.get(name, self._modules.get(name.replace("_", "-")))) is not None:
            return getattr(importlib.import_module(module), self.attribute)
        if name not in self._entry_points:
            raise UserError(f"unknown {self.kind} '{name}'{did_you_mean(name, self.names())}")
        point = self._entry_points[name]
        try:
            return point.load()
        except Exception as error:  # another package's code may raise anything
            package = f" of the package '{point.dist.name}'" if point.dist else ""
            reason = f"{type(error).__name__}: {error}"
            raise UserError(
                f"{self.kind} '{name}'{package} cannot be imported: {reason}; fix or uninstall it"
            ) from error


@dataclass(frozen=True)
class Spec:
    """A part to build later, as plain data: the path of its class and its keyword arguments."""

    path: str  # `package.module:Class`, any importable class
    arguments: tuple[tuple[str, Any], ...] = ()  # (name, value) of each keyword argument, plain data

    @classmethod
    def of(cls, path: str, **arguments: Any) -> Spec:
        """The spec of a class with these keyword arguments."""
        return cls(path, tuple(arguments.items()))

    @property
    def parameters(self) -> dict[str, Any]:
        """The keyword arguments."""
        return dict(self.arguments)

    def build(self, *positional: Any) -> Any:
        """The part, from further positional arguments where its class takes some; errors are those of its class."""
        module, _, name = self.path.partition(":")
        return getattr(importlib.import_module(module), name)(*positional, **self.parameters)


def did_you_mean(name: str, known: list[str]) -> str:
    """`; did you mean 'x'? known: …` for a mistyped name."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    offer = f"; did you mean '{near[0]}'?" if near else ";"
    return f"{offer} known: {', '.join(known)}"
