"""Names alone decide what is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mri_robust.core.errors import UserError
from mri_robust.data.layout import arrange

SOUND = ["Training/a/1.png", "Training/b/2.png", "Testing/a/3.png", "Testing/b/4.png"]


def test_classes_are_sorted_and_images_follow_them() -> None:
    layout = arrange(["Training/b a/2.png", "Training/b/1.png", "Testing/b/1.JPG", "Testing/b a/9.png"], "here")
    assert layout.classes == ("b", "b a")
    assert layout.train == ("Training/b/1.png", "Training/b a/2.png")
    assert layout.test == ("Testing/b/1.JPG", "Testing/b a/9.png")
    assert layout.skipped == {}


@given(st.permutations(SOUND))
def test_order_of_listing_does_not_matter(listing: list[str]) -> None:
    assert arrange(listing, "here") == arrange(SOUND, "here")


def test_one_folder_around_everything_is_entered() -> None:
    listing = [f"set/{name}" for name in SOUND] + ["__MACOSX/set/Training/a/._1.png", "readme.txt"]
    layout = arrange(listing, "here")
    assert layout.root == "set/"
    assert layout.train == tuple(SOUND[:2])
    assert layout.skipped == {"hidden": 1, "not an image": 1}


def test_splits_are_found_in_any_case() -> None:
    assert arrange([name.lower() for name in SOUND], "here").classes == ("a", "b")


def test_what_is_skipped_is_counted() -> None:
    extra = ["Training/.DS_Store", "Training/a/._1.png", "Thumbs.db", "Testing/b/notes.txt", "Training/stray.png"]
    layout = arrange(SOUND + extra + ["Validation/a/1.png"], "here")
    assert layout.skipped == {"hidden": 3, "not an image": 1, "outside the classes": 2}
    assert len(layout.train) + len(layout.test) == 4


def test_images_deeper_in_a_class_belong_to_it() -> None:
    assert "Training/a/deep/er/1.png" in arrange([*SOUND, "Training/a/deep/er/1.png"], "here").train


@pytest.mark.parametrize(
    ("listing", "says"),
    [
        ([], "'here' is empty"),
        (["Training/", "Training/a/"], "'here' is empty"),
        (["Training/a/1.png", "Training/b/1.png"], "no folder 'Testing'"),
        (["Testing/a/1.png", "Testing/b/1.png"], "no folder 'Training'"),
        (["x/y/z.png"], "no folder 'Training'"),
        ([*SOUND, "training/a/1.png"], "both 'Training' and 'training'"),
        ([*SOUND, "Training/c/1.png"], "class 'c' has no images in Testing"),
        ([*SOUND, "Testing/c/1.png"], "class 'c' has no images in Training"),
        ([*SOUND, "Testing/c/"], "class 'c' has no images in Training"),
        ([*SOUND, "Training/c/1.csv", "Testing/c/1.csv"], "class 'c' has no images in Training"),
        (["Training/a/1.png", "Testing/a/1.png"], "only the class 'a'"),
        (["Training/1.png", "Testing/1.png"], "no class folders"),
        ([f"{root}/{name}" for root in "xy" for name in SOUND], "several data sets (x/, y/)"),
    ],
)
def test_a_wrong_layout_is_named(listing: list[str], says: str) -> None:
    with pytest.raises(UserError) as caught:
        arrange(listing, "here")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
