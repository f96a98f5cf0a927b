"""Other packages: optional imports, clashing builds, and installed versions."""

import importlib
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any

from mri_robust.core.errors import UserError


def import_extra(module: str, extra: str, wanted: str) -> Any:
    """The module of this dotted name, or `UserError`: `wanted` needs it, and `mri-robust[extra]` installs it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise UserError(f"{wanted} needs {package}: pip install 'mri-robust[{extra}]'") from error


def import_torchvision() -> ModuleType:
    """torchvision, or `UserError` where it is missing or not built for this torch, at which its import fails."""
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
