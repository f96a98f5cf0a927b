"""Names made from content, seeds made from names, and files that are whole or absent."""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mri_robust.core.hashing import canonical_json, digest
from mri_robust.core.errors import UserError
from mri_robust.core.files import cache_folder, writable_folder, write_text, written_aside
from mri_robust.core.rng import derive_seed, make_generator

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
def test_canonical_json_reads_back_as_what_was_written(value: Any) -> None:
    assert json.loads(canonical_json(value)) == value
    assert json.loads(canonical_json(value, indent=2)) == value


@given(st.dictionaries(st.text(), st.integers(), max_size=6))
def test_order_does_not_matter(value: dict[str, int]) -> None:
    assert digest(value) == digest(dict(reversed(value.items())))


def test_dataclasses_tuples_and_paths_are_plain() -> None:
    point = {"many": [1, 2], "where": "a/b", "x": 0.5}
    assert json.loads(canonical_json(Point(0.5, Path("a/b")))) == point
    assert digest(Point(0.5, Path("a/b"))) == digest(point)


def test_the_digest_is_sha_256_of_the_text() -> None:
    assert digest({"b": 1, "a": [True, None]}) == hashlib.sha256(b'{"a":[true,null],"b":1}').hexdigest()[:16]
    assert len(digest("x", length=40)) == 40


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_no_numbers_are_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"accuracy": [wrong]})


def test_what_has_no_json_form_is_refused() -> None:
    with pytest.raises(TypeError):
        digest({"model": object()})


names = st.lists(st.text(max_size=3) | st.integers(0, 3), max_size=3)


@given(st.integers(0, 5), names, st.integers(0, 5), names)
def test_seeds_differ_where_names_or_seeds_do(seed: int, one: list, other_seed: int, other: list) -> None:
    first, second = derive_seed(seed, *one), derive_seed(other_seed, *other)
    assert 0 <= first < 2**48
    assert (first == second) == ((seed, one) == (other_seed, other))


def test_names_are_not_run_together() -> None:
    seeds = {
        derive_seed(0, "ab", "c"),
        derive_seed(0, "a", "bc"),
        derive_seed(0, "abc"),
        derive_seed(0, "1"),
        derive_seed(0, 1),
    }
    assert len(seeds) == 5


def test_a_generator_is_seeded_with_the_derived_seed() -> None:
    expected = torch.Generator().manual_seed(derive_seed(3, "start", 1))
    drawn = torch.rand(4, generator=make_generator(3, "start", 1))
    assert torch.equal(drawn, torch.rand(4, generator=expected))


def test_a_file_is_moved_into_place_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "result.json"
    with written_aside(path) as aside:
        assert aside.parent == path.parent
        assert aside.suffix == ".json"
        aside.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert [file.name for file in path.parent.iterdir()] == ["result.json"]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("old", [None, "old"])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, old: str | None, error: type[BaseException]
) -> None:
    path = tmp_path / "result.json"
    if old is not None:
        path.write_text(old)
    with suppress(error), written_aside(path) as aside:
        aside.write_text("half of the")
        raise error
    assert [file.read_text() for file in tmp_path.iterdir()] == ([] if old is None else [old])


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_text_is_written_as_it_is(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "text.txt"
    write_text(path, text)
    assert path.read_bytes() == text.encode()


def test_the_cache_lies_where_the_variable_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MRI_ROBUST_CACHE", str(tmp_path / "here"))
    assert cache_folder("a", "b") == tmp_path / "here" / "a" / "b"
    assert (tmp_path / "here" / "a" / "b").is_dir()


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write to folder"):
        writable_folder(tmp_path / "file" / "below")
