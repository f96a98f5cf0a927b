"""Folders that pass for data sets: what lies in them, what it is called, and where it points."""

import os
import socket
import stat
from collections.abc import Callable
from contextlib import chdir, suppress
from pathlib import Path

from corpus_images import GOOD
from corpus_payloads import PAYLOADS
from medical_files import folder_of

Build = Callable[[Path], object]
PNG, SPLITS = GOOD["PNG"], ("Training", "Testing")
SOUND = {f"{split}/{label}/{label}.png": PNG for split in SPLITS for label in ("a", "notumor")}
"""Name -> bytes of the smallest data set with nothing wrong."""
NAMES = ["$(touch EXECUTED)", "`touch EXECUTED`", "-rf", "--data=x", "[/red][bold]", "%s%n%x", "{0.__class__}", "'\""]
NAMES += ["=1+1", "a|b", "\\", "CON", "train", "nan", "__init__", "<script>alert(1)</script>", " ", "...", "a" * 240]
NAMES += ["new\nline", "\x1b[31mred\x1b[0m\x07", "🧠\u200d🦠", "\u202egnp", "é", "e\u0301", os.fsdecode(b"\xff\xfe")]
"""Names that a file system takes."""


def _tree(changes: dict[str, bytes | None] | None = None, change: Build = lambda folder: None) -> Build:
    """The sound tree with other files, None for one that is not there, then a change to its class `a`."""

    def build(root: Path) -> None:
        files = SOUND | (changes or {})
        folder_of({name: content for name, content in files.items() if content is not None}, root)
        change(root / "Training/a")

    return build


def named(name: str) -> Build:
    return _tree({f"{split}/{name}/{name}.png": PNG for split in SPLITS})


def holding(content: bytes, suffix: str = ".png") -> Build:
    return _tree({f"Training/a/odd{suffix}": content})


def _special(folder: Path) -> None:
    with chdir(folder), socket.socket(socket.AF_UNIX) as made:
        made.bind("socket.png")
    with suppress(OSError):  # only the superuser may make one; it gives zeros without end
        os.mknod(folder / "device.png", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    with (folder / "ten-gigabytes.png").open("wb") as file:
        file.truncate(10 * 2**30)


LINKS = "out /etc/passwd,self self.png,one two.png,two one.png,gone no.png,up ../..,inside a.png"
LINKS += ",proc /proc/self/environ"


def _links(folder: Path) -> None:
    for name, target in (link.split() for link in LINKS.split(",")):
        os.symlink(target, folder / f"{name}.png")
    os.symlink("/etc", folder / "folder")
    os.symlink("..", folder / "round")


FOLDERS: dict[str, Build] = {
    "sound": _tree(),
    "nothing": lambda root: None,
    "only-hidden": lambda root: (root / ".git").mkdir(),
    "class-of-texts": _tree({"Training/c/x.txt": b"x", "Testing/c/x.txt": b"x"}),
    "two-data-sets": _tree({f"more/{name}": PNG for name in SOUND} | {f"x/{name}": b"x" for name in SOUND}),
    "splits-are-files": lambda root: [(root / name).write_bytes(b"x") for name in SPLITS],
    "system-files": _tree({f"Training/{name}": b"x" for name in ("__MACOSX/._a.png", "a/Thumbs.db", "a/.DS_Store")}),
    "folder-called-png": _tree(change=lambda folder: (folder / "x.png").mkdir()),
    "links": _tree(change=_links),
    "split-is-a-link": _tree(change=lambda a: (a.parent.rename(a.parents[1] / "t"), os.symlink("t", a.parent))),
    "pipe": _tree(change=lambda folder: os.mkfifo(folder / "pipe.png")),
    "special": _tree(change=_special),
    "closed-file": _tree(change=lambda folder: (folder / "a.png").chmod(0)),
    "closed-folder": _tree(change=lambda folder: folder.chmod(0)),
    "deep": _tree({f"Training/a/{'deeper/' * 60}x.png": PNG}),
    "many-classes": _tree({f"{split}/c{n}/x.png": PNG for split in SPLITS for n in range(60)}),
    "code-beside-it": _tree({f"{name}.py": b"raise SystemExit('ran')" for name in ("PIL", "numpy", "sitecustomize")}),
    **{f"called-{index}": named(name) for index, name in enumerate(NAMES)},
}
"""Name -> what builds such a folder."""


def payload_folder(name: str, marker: Path) -> Build:
    content = PAYLOADS[name](marker)
    suffixes = (".png", ".jpg", ".tif", ".npy", ".pkl", ".pth", ".yaml", ".json", ".py", ".pt", ".safetensors")
    return _tree({f"{place}/odd{suffix}": content for suffix in suffixes for place in ("Training/a", "Testing/a")})


def reopen(root: Path) -> None:
    for folder, folders, _ in os.walk(root):
        for path in (Path(folder, name) for name in folders):
            if not path.is_symlink():
                path.chmod(0o755)
