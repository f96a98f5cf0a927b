"""Cases that Hypothesis makes up, and the values that they are made of."""

import copy
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st


def made_up(cases: int) -> settings:
    """Settings of a test that makes up so many cases, always the same ones."""
    checks = list(HealthCheck)
    return settings(max_examples=cases, deadline=None, derandomize=True, database=None, suppress_health_check=checks)


def deep(levels: int) -> list[Any]:
    """Lists in lists."""
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


TEXTS = [
    *("", " ", "x", "-", "--", "nan", "-inf", "1e999999999", "0x10", "1_0", "٣", "%s%n", "{0.__class__}", "$(id)"),
    *("../../../etc/passwd", "/dev/null", "/", ".", "..", "~", "C:\\x", "a\nb", "\x1b[31mred\x07", "[/red]", "<b>"),
    *("|", "\u202eevil", "\ud83d", "é🧠", "os:system", "=1+1", "!!python/object/apply:os.system", "x;epoch=one"),
    "a" * 3000,
]
NUMBERS = [0, 1, -1, 2.5, -0.0, 1e308, -1e308, 1e-320, 10**9, -(10**18), 2**64, 10**299, 10**400]
ODD = [None, True, [], {}, [None], {"a": 1}, ["x"] * 100, [0] * 5, deep(60)]
ODD += [*TEXTS, *NUMBERS, float("nan"), float("inf")]
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
