"""Data that nobody divided: patients stay together, every class lies in both parts, a seed decides, a note says so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mri_robust.core.errors import UserError
from mri_robust.data.dataset import load_dataset
from mri_robust.data.division import Division, Entry, divide

PEOPLE = st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 6)), min_size=6, max_size=40).filter(
    lambda people: min(sum(label == each for label, _ in people) for each in "ab") > 2
)


def entries_of(people: list[tuple[str, int]], how: str) -> list[Entry]:
    """Images of patients, (class, how many) each, whom a field, a file name, a folder or nothing tells apart."""
    entries = []
    for number, (label, images) in enumerate(people):
        start = f"{label}/{'sub-' if how == 'name' else 'x'}{number:02d}"
        known = {how.replace("field", "patient"): f"p{number}"} if how in ("field", "folder") else {}
        entries += [Entry(f"{start}_{place}.png", label, **known) for place in range(images)]
    return entries


@given(PEOPLE, st.sampled_from(["field", "name", "folder", "none"]), st.floats(0.1, 0.5), st.integers(0, 9))
def test_what_belongs_together_stays_together(people, how: str, share: float, seed: int) -> None:
    entries = entries_of(people, how)
    train, test, note = divide(entries, Division(share, seed), "here")
    assert sorted([*train, *test]) == sorted(entry.name for entry in entries)
    assert divide(entries[::-1], Division(share, seed), "here")[1] == test[::-1]
    assert (f"seed {seed}" in note, "may lie in both" in note) == (True, how in ("none", "folder"))
    for label in "ab":
        here = [entry for entry in entries if entry.label == label]
        inside = sum(entry.name in test for entry in here)
        assert 0 < inside < len(here)
        most = 1 if how == "none" else max(images for each, images in people if each == label)
        assert abs(inside - share * len(here)) <= most
    if how != "none":
        assert not {name.split("_")[0] for name in train} & {name.split("_")[0] for name in test}


def test_other_seeds_draw_others_and_what_cannot_be_divided_is_named() -> None:
    entries = entries_of([("a", 1), ("b", 1)] * 30, "field")
    drawn = {tuple(divide(entries, Division(0.2, seed), "here")[1]) for seed in range(5)}
    assert len(drawn) == 5
    for few in ([("a", 9), ("b", 1)], [("a", 1), ("a", 1), ("b", 1)]):
        with pytest.raises(UserError, match="class 'b'"):
            divide(entries_of(few, "none"), Division(0.2), "here")
    mixed = [Entry(f"{label}{number}", label, patient=str(number)) for number in range(10) for label in "ab"]
    train, test, _ = divide(mixed, Division(0.3), "here")
    assert not {name[1:] for name in train} & {name[1:] for name in test}


def test_a_divided_folder_is_as_its_zip_and_the_cache_tells_divisions_apart(make_folder, make_zip, sound, refusal):
    loose = {name.replace("/", "-").replace("-", "/", 2).partition("/")[2]: data for name, data in sound.items()}
    loose |= {f"notumor/p{n}/deep/er/{n}.png": data for n, data in enumerate(sound.values())}
    folder, packed = make_folder(loose), make_zip({f"in/{name}": data for name, data in loose.items()})
    assert all("--split 0.2" in refusal(source) for source in (folder, packed))
    digests = set()
    for split, seed in ((0.2, 0), (0.4, 0), (0.4, 1), (0.2, 0)):
        one, other = (load_dataset(source, size=8, split=split, seed=seed) for source in (folder, packed))
        assert (one.digest, one.test.names, one.notes) == (other.digest, other.test.names, other.notes)
        assert len(one.train) + len(one.test) == len(loose)
        assert (one.train.images == other.train.images).all()
        digests.add(one.digest)
    assert len(digests) == 3
    for source in (make_folder(sound, "whole"), "phantom"):
        assert "leave out --split" in refusal(source, split=0.2)
    only = make_folder({name: data for name, data in sound.items() if "Train" in name}, "only")
    assert len(load_dataset(only, size=8, split=0.34).test) == 2
    for wrong in (0, 1, -0.5, 1.5, float("nan")):
        with pytest.raises(ValueError, match="split"):
            load_dataset(folder, size=8, split=wrong)
