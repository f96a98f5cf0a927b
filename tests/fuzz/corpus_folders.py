"""Folders that pass for data sets: what lies in them, what it is called, and where it points."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

from corpus_images import GOOD
from corpus_payloads import PAYLOADS

Build = Callable[[Path], None]
SOUND = {f"{split}/{label}/{label}.png": GOOD["PNG"] for split in ("Training", "Testing") for label in ("a", "notumor")}
"""Name -> bytes of the smallest data set with nothing wrong."""
NAMES = [
    *(
        "new\nline",
        "\x1b[31mred\x1b[0m\x07",
        "<script>alert(1)</script>",
        "%s%n%x",
        "{0.__class__}",
        "$(touch EXECUTED)",
    ),
    *(
        "`touch EXECUTED`",
        "-rf",
        "--data=x",
        "[/red][bold]",
        "a" * 240,
        "🧠\u200d🦠",
        "\u202egnp",
        " ",
        "...",
        "CON",
        "'\"",
    ),
    *("=1+1", "a|b", "$x_{$", "\\", "train", "all", "nan", os.fsdecode(b"\xff\xfe"), "__init__", "é", "e\u0301"),
]
"""Names that a file system takes."""


def _tree(**changes: bytes | None) -> Build:
    def build(root: Path) -> None:
        for name, content in {**SOUND, **changes}.items():
            if content is not None:
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes(content)

    return build


def _with(change: Build) -> Build:
    """The sound tree, then a change to it."""

    def build(root: Path) -> None:
        _tree()(root)
        change(root)

    return build


def named(name: str) -> Build:
    """A class and an image of that name."""
    return _tree(**{f"{split}/{name}/{name}.png": GOOD["PNG"] for split in ("Training", "Testing")})


def holding(content: bytes, suffix: str = ".png") -> Build:
    """One more image of these bytes."""
    return _tree(**{f"Training/a/odd{suffix}": content})


def _socket(path: Path) -> None:
    with chdir(path.parent), socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)


def _device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # gives zeros without end
    except OSError:
        path.write_bytes(b"")  # only the superuser may make one


def _sparse(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)


def _links(root: Path) -> None:
    inside = root / "Training/a"
    for name, target in {
        "out.png": "/etc/passwd",
        "self.png": "self.png",
        "one.png": "two.png",
        "two.png": "one.png",
        "gone.png": "nowhere.png",
        "up.png": "../../..",
        "proc.png": "/proc/self/environ",
        "folder": "/etc",
        "round": "..",
        "inside.png": "a.png",
    }.items():
        os.symlink(target, inside / name)


def _deep(root: Path) -> None:
    inside = root / "Training/a"
    inside = inside.joinpath(*["deeper"] * 60)
    inside.mkdir(parents=True)
    (inside / "x.png").write_bytes(GOOD["PNG"])


FOLDERS: dict[str, Build] = {
    "sound": _tree(),
    "nothing": lambda root: None,
    "only-hidden": lambda root: (root / ".git").mkdir(),
    "one-class": _tree(**{name: None for name in SOUND if "notumor" in name}),
    "no-testing": _tree(**{name: None for name in SOUND if name.startswith("Testing")}),
    "class-in-one-split": _tree(**{"Testing/notumor/notumor.png": None}),
    "class-of-texts": _tree(**{"Training/c/x.txt": b"x", "Testing/c/x.txt": b"x"}),
    "both-cases": _tree(**{"training/a/x.png": GOOD["PNG"]}),
    "two-data-sets": _tree(**{f"more/{name}": GOOD["PNG"] for name in SOUND} | {f"x/{name}": b"x" for name in SOUND}),
    "splits-are-files": lambda root: [(root / name).write_bytes(b"x") for name in ("Training", "Testing")] and None,
    "system-files": _tree(
        **{"Training/__MACOSX/._a.png": b"", "Training/a/Thumbs.db": b"x", "Training/a/.DS_Store": b""}
    ),
    "folder-called-png": _with(lambda root: (root / "Training/a/x.png").mkdir()),
    "links": _with(_links),
    "split-is-a-link": _with(lambda root: os.rename(root / "Testing", root / "t") or os.symlink("t", root / "Testing")),
    "pipe": _with(lambda root: os.mkfifo(root / "Training/a/pipe.png")),
    "socket": _with(lambda root: _socket(root / "Training/a/socket.png")),
    "device": _with(lambda root: _device(root / "Training/a/device.png")),
    "ten-gigabytes": _with(lambda root: _sparse(root / "Training/a/large.png", 10 * 2**30)),
    "closed-file": _with(lambda root: (root / "Training/a/a.png").chmod(0)),
    "closed-folder": _with(lambda root: (root / "Training/a").chmod(0)),
    "deep": _with(_deep),
    "many-classes": _tree(
        **{f"{split}/c{n}/x.png": GOOD["PNG"] for split in ("Training", "Testing") for n in range(60)}
    ),
    "code-beside-it": _tree(**{f"{name}.py": b"raise SystemExit('ran')" for name in ("PIL", "numpy", "sitecustomize")}),
    **{f"called-{index}": named(name) for index, name in enumerate(NAMES)},
}
"""Name -> what builds such a folder."""


def payload_folder(name: str, marker: Path) -> Build:
    """Every kind of file under the bytes of a payload."""
    content = PAYLOADS[name](marker)
    suffixes = (".png", ".jpg", ".tif", ".npy", ".pkl", ".pth", ".yaml", ".json", ".py", ".pt", ".safetensors")
    return _tree(**{f"{place}/odd{suffix}": content for suffix in suffixes for place in ("Training/a", "Testing/a")})


def reopen(root: Path) -> None:
    """Open again what was closed, so that it can be taken away."""
    for folder, folders, _ in os.walk(root):
        for name in folders:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(0o755)
