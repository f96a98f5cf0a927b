"""The error that a user can act on."""

from __future__ import annotations


class UserError(Exception):
    """Something the user gave or has cannot be used.

    The message is one line: it names the thing and the way out. The command line prints it and exits with
    code 2; in Python it is raised as it is.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))
