"""Labels made of parts, `start scratch, strength 1.2`, cut down to what tells them apart."""

from __future__ import annotations


def short_labels(labels: list[str]) -> list[str]:
    """Labels without the parts that all of them share, and without a first word that all begin with (not a name of
    numbers, `epochs 5`); a single label, and labels of which nothing would be left, stay as they are."""
    kept = [[part for part in label.split(", ") if part not in shared_parts(labels)] for label in labels]
    if len(labels) < 2 or not all(kept):
        return labels
    words = [each[0].partition(" ") for each in kept]
    if len({first for first, _, _ in words}) == 1 and all(rest and not rest[0].isdigit() for _, _, rest in words):
        kept = [[rest, *each[1:]] for (_, _, rest), each in zip(words, kept, strict=True)]
    return [", ".join(each) for each in kept]


def shared_parts(labels: list[str]) -> list[str]:
    """The parts that all labels have, in their order."""
    parts = [label.split(", ") for label in labels]
    return [part for part in dict.fromkeys(parts[0]) if all(part in each for each in parts)] if parts else []
