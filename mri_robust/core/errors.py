"""The error that a user can act on, and text that is safe to print."""


class UserError(Exception):
    """Something the user gave or has cannot be used: one line that names the thing and says what to do.

    The command line prints it and exits with code 2.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


def one_line(text: str, most: int = 2000) -> str:
    """`text` as one line that is safe to show on a terminal: names in it may come from a hostile file.

    White space becomes one space, every unprintable character `?`, and of more than `most` characters the middle `…`,
    because the end of a message says what to do.
    """
    line = "".join(character if character.isprintable() else "?" for character in " ".join(text.split()))
    return line if len(line) <= most else f"{line[: most * 7 // 10]} … {line[-most // 5 :]}"


def shown(name: object) -> str:
    """A name or path as it stands in a message: one line of at most 300 characters."""
    return one_line(str(name), 300)


def reason(error: BaseException, line: int = 0) -> str:
    """The kind of an error, and one line of what it says: the first, or the one at `line`."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[line].strip()}" if lines else type(error).__name__
