"""Packages that only some people need: installed on demand, named when they are missing."""

from __future__ import annotations

import importlib
from typing import Any

from mri_robust.core.errors import UserError


def import_extra(module: str, extra: str, wanted: str) -> Any:
    """A module of an optional package.

    Args:
        module: dotted name.
        extra: what brings it: `pip install 'mri-robust[extra]'`.
        wanted: what needs it, the beginning of the message.

    Raises:
        UserError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise UserError(f"{wanted} needs {package}: pip install 'mri-robust[{extra}]'") from error
