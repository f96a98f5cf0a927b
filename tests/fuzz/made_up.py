"""How many cases are made up, and the values that they are made of."""

from __future__ import annotations

import copy
import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

GENERATED = 300
"""Cases that Hypothesis makes up by default, of all tests together; `MRI_ROBUST_FUZZ` is another number of them."""
WANTED = int(os.environ.get("MRI_ROBUST_FUZZ") or GENERATED)
OWN = "MRI_ROBUST_FUZZ" not in os.environ


def made_up(share: int) -> settings:
    """Settings of a test that makes up `share` of `GENERATED` cases: always the same ones, unless told how many."""
    cases = max(share * WANTED // GENERATED, 1)
    return settings(
        max_examples=cases, deadline=None, derandomize=OWN, database=None, suppress_health_check=list(HealthCheck)
    )


def deep(levels: int) -> list[Any]:
    """Lists in lists."""
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


TEXTS = [
    *("", " ", "x", "-", "--", "nan", "-inf", "1e999999999", "0x10", "1_0", "٣", "%s%n", "{0.__class__}", "$(id)"),
    *(
        "../../../etc/passwd",
        "/dev/null",
        "/",
        ".",
        "..",
        "~",
        "C:\\x",
        "a\nb",
        "\x1b[31mred\x07",
        "[/red]",
        "<b>",
        "|",
    ),
    *("\u202eevil", "\ud83d", "é🧠", "os:system", "=1+1", "!!python/object/apply:os.system", "a" * 3000, "x;epoch=one"),
]
NUMBERS = [0, 1, -1, 2.5, -0.0, 1e308, -1e308, 1e-320, 10**9, -(10**18), 2**64, 10**299, 10**400]
ODD = [
    None,
    True,
    [],
    {},
    [None],
    {"a": 1},
    ["x"] * 100,
    [0] * 5,
    deep(60),
    *TEXTS,
    *NUMBERS,
    float("nan"),
    float("inf"),
]
"""Values that no reader expects."""

GONE = object()


def places(value: Any, trail: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to everything inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, item in inner for found in ((*trail, key), *places(item, (*trail, key)))]


def spoilt(value: Any, trail: tuple[Any, ...], odd: Any) -> Any:
    """A copy of a JSON value with something odd at a place, or with nothing there where `odd` is `GONE`."""
    whole = copy.deepcopy(value)
    inner = whole
    for key in trail[:-1]:
        inner = inner[key]
    if odd is GONE:
        del inner[trail[-1]]
    else:
        inner[trail[-1]] = odd
    return whole


def spoilings(value: Any) -> st.SearchStrategy[Any]:
    """Copies of a JSON value with one or two things gone or odd."""
    return _spoilings(value).flatmap(lambda other: st.just(other) | _spoilings(other))


def _spoilings(value: Any) -> st.SearchStrategy[Any]:
    return st.builds(spoilt, st.just(value), st.sampled_from(places(value)), st.sampled_from([GONE, *ODD]))
