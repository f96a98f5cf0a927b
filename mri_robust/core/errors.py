"""The error that a user can act on."""

from __future__ import annotations

_MOST, _HEAD, _TAIL = 2000, 1400, 400
"""Characters of a message, and of what is kept of a longer one: its end holds the way out."""


class UserError(Exception):
    """Something the user gave or has cannot be used.

    The message is one line: it names the thing and the way out. The command line prints it and exits with
    code 2; in Python it is raised as it is.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


def one_line(text: str) -> str:
    """`text` as a line that any terminal can show: what it names may come from a hostile file.

    White space becomes one space, what is not printable (escape sequences, halves of characters) `?`, and the middle of
    more than 2000 characters `…`.
    """
    line = "".join(character if character.isprintable() else "?" for character in " ".join(text.split()))
    return line if len(line) <= _MOST else f"{line[:_HEAD]} … {line[-_TAIL:]}"
