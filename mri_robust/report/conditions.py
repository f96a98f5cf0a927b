"""The `condition` column of a tidy table: parts joined by `;`, each `name=value` or a bare word."""

from __future__ import annotations


def printed_row(condition: str) -> str:
    """The study's row in a condition (`printed=.../...`), or an empty text."""
    return _value(condition, "printed")


def epoch_of(condition: str) -> int | None:
    """The epoch of a row of a training curve (`epoch=3`), or None for a row that stands for the whole training."""
    number = _value(condition, "epoch")
    return int(number) if number else None


def without(condition: str, *names: str) -> str:
    """The condition less its parts of these names."""
    return ";".join(part for part in condition.split(";") if part.partition("=")[0] not in names)


def in_words(condition: str) -> str:
    """`start=scratch;share=0.05` as `start scratch, share 0.05`."""
    return ", ".join(part.replace("=", " ", 1) for part in condition.split(";") if part)


def row_name(printed: str, headers: tuple[str, ...]) -> str:
    """The study's row with its headers, `ε 0.01, α 0.001`; in its own words where it has other parts than they."""
    parts = printed.split("/")
    if len(parts) != len(headers):
        return in_words(printed)
    return ", ".join(f"{header} {part}" for header, part in zip(headers, parts, strict=True))


def _value(condition: str, name: str) -> str:
    found = (part.partition("=") for part in condition.split(";"))
    return next((value for key, _, value in found if key == name), "")
