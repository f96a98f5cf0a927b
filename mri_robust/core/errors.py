"""The error that a user can act on, and text that is safe to print."""

from __future__ import annotations

_MOST, _HEAD, _TAIL = 2000, 1400, 400
"""Characters of a message; of a longer one, its first and last characters, because the end says what to do."""


class UserError(Exception):
    """Something the user gave or has cannot be used.

    The message is one line that names the thing and says what to do. The command line prints it and exits with code 2.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


def one_line(text: str) -> str:
    """`text` as one line that is safe to show on a terminal: names in it may come from a hostile file.

    White space becomes one space, every unprintable character `?`, and the middle of more than 2000 characters `…`.
    """
    line = "".join(character if character.isprintable() else "?" for character in " ".join(text.split()))
    return line if len(line) <= _MOST else f"{line[:_HEAD]} … {line[-_TAIL:]}"
