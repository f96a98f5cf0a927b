"""What one sanity check says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """The verdict of a check.

    Attributes:
        check: its name.
        tripped: the curve is not to be trusted as it stands.
        figure: the number behind the verdict.
        message: one line: what was found, with the figure, and, when tripped, what it means for the curve.
    """

    check: str
    tripped: bool
    figure: float
    message: str

    @classmethod
    def of(cls, check: str, tripped: bool, figure: float, *, found: str, meaning: str) -> Finding:
        """A finding whose message is `found`, followed by `meaning` when it is tripped."""
        return cls(check, tripped, figure, f"{found}: {meaning}" if tripped else found)
