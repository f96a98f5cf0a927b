"""Digests of plain data: equal content gives an equal name."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any


def plain(value: Any) -> Any:
    """`value` as JSON types: dataclasses and mappings become dicts, tuples lists, paths strings."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return value


def canonical_json(value: Any, indent: int | None = None) -> str:
    """`value` as JSON in one fixed form: sorted keys, no spaces unless an indent is given.

    Raises ValueError where a number is not finite, TypeError where a value has no JSON form.
    """
    separators = (",", ":") if indent is None else (",", ": ")
    return json.dumps(plain(value), sort_keys=True, indent=indent, separators=separators, allow_nan=False)


def digest(value: Any, length: int = 16) -> str:
    """First `length` hex digits of the SHA-256 of `canonical_json(value)`."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:length]
