"""A verdict of the summary: one sentence with its number, and where the number stands."""

from __future__ import annotations

from dataclasses import dataclass

from mri_robust.report.entry import Entry


@dataclass(frozen=True)
class Mark:
    """A rate on a verdict's scale from 0 to 1, with its 95 % interval where it has one."""

    label: str
    entry: Entry


@dataclass(frozen=True)
class Verdict:
    """What a decision needs of one experiment.

    Attributes:
        topic: a few words.
        sentence: the number and its interval, in words.
        anchor: the section of the page that its table stands in, and `place` what that is called.
        marks: the rates that the sentence speaks of.
        shift: how much the study's faults changed the number; empty where that cannot be said.
        failed: the sentence says that something does not hold.
    """

    topic: str
    sentence: str
    anchor: str
    place: str
    marks: tuple[Mark, ...] = ()
    shift: str = ""
    failed: bool = False


def epsilon_text(size: str) -> str:
    """`ε = 4/255`, with spaces that no line breaks at."""
    return f"ε\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{size}"


def percent(value: float) -> str:
    """`89.7 %`, with a space that no line breaks at."""
    return f"{100 * value:.1f}\N{NO-BREAK SPACE}%"


def percent_text(entry: Entry) -> str:
    """`89.7 % [85.4, 92.8]`: a rate with its 95 % interval where it has one."""
    bounds = "" if entry.low is None or entry.high is None else f" [{100 * entry.low:.1f}, {100 * entry.high:.1f}]"
    return percent(entry.value) + bounds


def points(value: float) -> str:
    """A difference of two rates, `31.0 points`."""
    return f"{100 * abs(value):.1f} points"
