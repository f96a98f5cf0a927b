"""Parts found by folder: one file is one part, and its file name is its name."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from mri_robust.core.errors import UserError


class Registry:
    """The parts of one kind: every module of a package, and what other packages register as entry points.

    Listing names imports no part, so that `--help` and `--list` stay fast.

    Args:
        package: dotted name of the package whose modules are the parts (`mri_robust.attacks.evasion`).
        attribute: the module attribute that holds the part (`ATTACK`).
        kind: what a part is called in messages (`attack`).
        group: entry-point group of third parties (`mri_robust.attacks`); an entry point's object is the part.
    """

    def __init__(self, package: str, *, attribute: str, kind: str, group: str | None = None) -> None:
        self.package = package
        self.attribute = attribute
        self.kind = kind
        self.group = group

    @cached_property
    def _modules(self) -> dict[str, str]:
        spec = importlib.util.find_spec(self.package)
        folders = list(spec.submodule_search_locations or ()) if spec else []
        stems = sorted(module.name for module in pkgutil.iter_modules(folders))
        return {stem.replace("_", "-"): f"{self.package}.{stem}" for stem in stems}

    @cached_property
    def _entry_points(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.group)} if self.group else {}

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
            UserError: no part has that name, and the nearest one is offered; or another package's cannot be imported.
        """
        if name in self._modules:
            return getattr(importlib.import_module(self._modules[name]), self.attribute)
        if name in self._entry_points:
            return self._load_added(self._entry_points[name])
        raise UserError(f"unknown {self.kind} '{name}'{did_you_mean(name, self.names())}")

    def _load_added(self, point: EntryPoint) -> Any:
        try:
            return point.load()
        except Exception as error:  # a stranger's code
            package = f" of the package '{point.dist.name}'" if point.dist else ""
            reason = f"{type(error).__name__}: {error}"
            raise UserError(
                f"{self.kind} '{point.name}'{package} cannot be imported: {reason}; mend or uninstall it"
            ) from error


def did_you_mean(name: str, known: list[str]) -> str:
    """`; did you mean 'x'? known: …` for a mistyped name."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    offer = f"; did you mean '{near[0]}'?" if near else ";"
    return f"{offer} known: {', '.join(known)}"
