"""JSON of unknown origin: read it and check its shape."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_DIGITS = 300
"""Most digits of a whole number: with more it fits no float."""


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text; `NaN` and infinities are accepted as Python writes them.

    Raises:
        ValueError: it is not JSON, is nested too deeply, or has a whole number too large for a float.
    """
    try:
        return json.loads(text, parse_int=_whole)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def check_shape(value: Any, shape: Any, place: str = "it") -> None:
    """Check JSON data against a shape.

    Args:
        value: from `parse_json`.
        shape: a type (`str`, `bool`, `int`, `float` for any finite number, `object` for anything); a list of one shape
            for a list of such; a dict for an object that has at least these keys; `{str: shape}` for an object of any
            keys; a tuple for one of several shapes; None for null.
        place: what the message calls the value.

    Raises:
        ValueError: it has another shape; the message says where.
    """
    if isinstance(shape, tuple):
        if not any(_fits(value, each) for each in shape):
            raise ValueError(f"{place} is {_kind(value)}")
    elif isinstance(shape, list):
        _check_type(value, list, place)
        for index, item in enumerate(value):
            check_shape(item, shape[0], f"{place}[{index}]")
    elif isinstance(shape, Mapping):
        _check_type(value, dict, place)
        for key, inner in shape.items():
            if key is str:
                for name, item in value.items():
                    check_shape(item, inner, f"{place}['{name}']")
            elif key not in value:
                raise ValueError(f"{place} has no '{key}'")
            else:
                check_shape(value[key], inner, f"{place}['{key}']")
    else:
        _check_type(value, shape, place)


def _fits(value: Any, shape: Any) -> bool:
    try:
        check_shape(value, shape)
    except ValueError:
        return False
    return True


def _check_type(value: Any, kind: type | None, place: str) -> None:
    if kind is None:
        right = value is None
    elif kind is float:
        right = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < float("inf")
    elif kind is int:
        right = isinstance(value, int) and not isinstance(value, bool)
    else:
        right = isinstance(value, kind)
    if not right:
        raise ValueError(f"{place} is {_kind(value)}")


def _kind(value: Any) -> str:
    """What a wrong value is, in words; the inside of lists and objects may be too deep to print."""
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    return f"{json.dumps(value)[:40]}"


def _whole(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError(f"a whole number has {len(digits)} digits")
    return int(digits)
