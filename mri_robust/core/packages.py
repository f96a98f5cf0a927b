"""Other packages: optional imports, clashing builds, and installed versions."""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any

from mri_robust.core.errors import UserError


def import_extra(module: str, extra: str, wanted: str) -> Any:
    """A module of an optional package.

    Args:
        module: dotted name.
        extra: installs it: `pip install 'mri-robust[extra]'`.
        wanted: what needs it; the message begins with this.

    Raises:
        UserError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise UserError(f"{wanted} needs {package}: pip install 'mri-robust[{extra}]'") from error


def import_torchvision() -> ModuleType:
    """torchvision, whose compiled part fails at import beside a torch that it was not built for.

    Raises:
        UserError: the two builds clash, or torchvision is missing.
    """
    try:
        return importlib.import_module("torchvision")
    except (RuntimeError, ImportError, OSError) as error:
        raise UserError(
            f"torchvision {installed_version('torchvision')} does not work with torch {installed_version('torch')} "
            f"({error}): install builds that match with: pip install --upgrade torch torchvision"
        ) from error


def installed_version(name: str) -> str:
    """The version of an installed package, or `not installed`."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
