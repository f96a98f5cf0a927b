"""JSON of unknown origin: read it and check its shape."""

import json
from typing import Any

_DIGITS = 300  # most of a whole number: with more it fits no float


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text; `NaN` and infinities are accepted as Python writes them.

    Raises ValueError where it is not JSON, is nested too deeply, or has a whole number too large for a float.
    """
    try:
        return json.loads(text, parse_int=_whole)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def check_shape(value: Any, shape: Any, place: str = "it") -> None:
    """Check JSON data against a shape, or raise ValueError that calls the data `place` and says where they differ.

    A shape is a type (`str`, `bool`, `int`, `float` for any finite number, `object` for anything); a list of one shape
    for a list of such; a dict for an object that has at least these keys; a tuple for one of several shapes.
    """
    if isinstance(shape, tuple):
        right = any(_fits(value, each) for each in shape)
    else:
        right = _is(value, type(shape) if isinstance(shape, (list, dict)) else shape)
    if not right:
        # The inside of lists and objects may be too deep to print.
        kinds: dict[type, str] = {dict: "an object", list: "a list"}
        raise ValueError(f"{place} is {kinds.get(type(value)) or json.dumps(value)[:40]}")
    if isinstance(shape, list):
        for index, item in enumerate(value):
            check_shape(item, shape[0], f"{place}[{index}]")
    elif isinstance(shape, dict):
        for key, inner in shape.items():
            if key not in value:
                raise ValueError(f"{place} has no '{key}'")
            check_shape(value[key], inner, f"{place}['{key}']")


def _fits(value: Any, shape: Any) -> bool:
    try:
        check_shape(value, shape)
    except ValueError:
        return False
    return True


def _is(value: Any, kind: type) -> bool:
    if kind in (int, float) and isinstance(value, bool):
        return False
    return isinstance(value, (int, float)) and abs(value) < float("inf") if kind is float else isinstance(value, kind)


def _whole(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError(f"a whole number has {len(digits)} digits")
    return int(digits)
