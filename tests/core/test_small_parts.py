"""Names made from content, seeds made from names, checks of foreign JSON, intervals, messages and threads."""

import hashlib
import json
import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mri_robust.core.errors import UserError
from mri_robust.core.hashing import canonical_json, digest
from mri_robust.core.intervals import wilson
from mri_robust.core.machine import one_thread, resolve_device, resolve_precision
from mri_robust.core.packages import import_extra, installed_version
from mri_robust.core.rng import derive_seed, make_generator, seeded_globals

plain_data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@dataclass(frozen=True)
class Point:
    x: float
    where: Path
    many: tuple[int, ...] = (1, 2)


@given(plain_data)
def test_canonical_json_reads_back_and_its_order_does_not_matter(value: Any) -> None:
    assert json.loads(canonical_json(value)) == json.loads(canonical_json(value, indent=2)) == value
    if isinstance(value, dict):
        assert digest(value) == digest(dict(reversed(value.items())))


def test_the_digest_is_sha_256_of_the_text_and_dataclasses_are_plain() -> None:
    assert digest({"b": 1, "a": [True, None]}) == hashlib.sha256(b'{"a":[true,null],"b":1}').hexdigest()[:16]
    assert len(digest("x", length=40)) == 40
    assert digest(Point(0.5, Path("a/b"))) == digest({"many": [1, 2], "where": "a/b", "x": 0.5})
    for wrong in (math.nan, -math.inf, object()):
        with pytest.raises((ValueError, TypeError)):
            canonical_json({"accuracy": [wrong]})


def test_names_are_not_run_together_and_seed_a_generator() -> None:
    uses = ((0, "ab", "c"), (0, "a", "bc"), (0, "abc"), (0, "1"), (0, 1), (1, "1"), (0,), (0, ""))
    assert len({derive_seed(*use) for use in uses}) == len({derive_seed(*use) for use in uses * 2}) == len(uses)
    assert all(0 <= derive_seed(*use) < 2**48 for use in uses)
    expected = torch.Generator().manual_seed(derive_seed(3, "start", 1))
    assert torch.equal(torch.rand(4, generator=make_generator(3, "start", 1)), torch.rand(4, generator=expected))


def test_global_generators_are_seeded_and_put_back_also_after_an_error() -> None:
    drawn, before = [], (torch.get_rng_state(), np.random.get_state()[1].copy())
    for _ in range(2):
        with suppress(KeyError), seeded_globals(2**40):
            drawn.append((float(torch.rand(())), float(np.random.rand())))
            raise KeyError
    assert drawn[0] == drawn[1]
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])


def test_wilson_is_its_closed_form() -> None:
    """(p + z^2 / 2n ± z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)."""
    for successes, n in ((0, 1), (7, 20), (300, 300)):
        p, z2 = successes / n, 1.959963984540054**2
        half = math.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n)))
        expected = [(p + z2 / (2 * n) + sign * half) / (1 + z2 / n) for sign in (-1, 1)]
        assert wilson(successes, n) == pytest.approx(expected, abs=1e-12)
    with pytest.raises(ValueError, match="n"):
        wilson(0, 0)


def test_a_user_error_is_one_short_printable_line() -> None:
    assert str(UserError("no\n  such\tthing \x1b[31m\udcff")) == "no such thing ?[31m?"
    long = str(UserError("a" * 5000 + " z"))
    assert len(long) < 2000
    assert (long[0], long[-1]) == ("a", "z")


def test_one_thread_inside_and_as_many_as_before_outside_also_after_an_error() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with suppress(KeyError), one_thread():
            assert torch.get_num_threads() == 1
            raise KeyError
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_devices_precisions_and_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == resolve_device("cpu") == torch.device("cpu")
    with pytest.raises(UserError, match="CUDA"):
        resolve_device("cuda")
    assert resolve_precision("auto", torch.device("cpu")) in ("fp32", "bf16")
    assert installed_version("torch").startswith(torch.__version__.split("+")[0])
    assert installed_version("no-such-package") == "not installed"
    assert import_extra("json", "kaggle", "this") is json
    with pytest.raises(UserError, match=r"mri-robust\[kaggle\]"):
        import_extra("no_such_module.inside", "kaggle", "this")
