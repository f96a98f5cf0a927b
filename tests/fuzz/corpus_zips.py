"""Zip files: members that point out, lie about their size, stand on each other, or are damaged."""

import io
import stat
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

from corpus_folders import SOUND
from corpus_images import GOOD, flipped, truncated
from corpus_payloads import PAYLOADS

PNG, PLACE = GOOD["PNG"], "Training/a/a.png"


def packed(files: dict[str, bytes] | None = None, method: int = zipfile.ZIP_DEFLATED, attributes: int = 0) -> bytes:
    """A zip of the sound tree and these files, whose members carry these attributes."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method) as archive:
        warnings.simplefilter("ignore")
        for name, content in [*SOUND.items(), *(files or {}).items()]:
            member = zipfile.ZipInfo(name)
            member.compress_type, member.external_attr = method, 0 if name in SOUND else attributes << 16
            archive.writestr(member, content)
    return buffer.getvalue()


def patched(offset: int, kind: str, value: int, data: bytes = packed(), name: str = PLACE) -> bytes:
    """A zip in whose directory the entry of a member says something else."""
    changed = bytearray(data)
    struct.pack_into(kind, changed, changed.rindex(name.encode()) - 46 + offset, value)
    return bytes(changed)


def _overlapping(count: int) -> bytes:
    name, content = "Training/a/00000.png", bytes(100 * 2**20)
    data = packed({name: content})
    end_at = data.rindex(b"PK\x05\x06")
    entry = data[data.rindex(name.encode()) - 46 : end_at]
    entries = [entry.replace(name.encode(), f"Training/a/{n:05d}.png".encode()) for n in range(1, count)]
    end = bytearray(data[end_at:])
    first, total = struct.unpack_from("<I", data, end_at + 16)[0], len(SOUND) + count
    struct.pack_into("<HHI", end, 8, total, total, end_at - first + sum(map(len, entries)))
    return data[:end_at] + b"".join(entries) + bytes(end)


LZMA = packed({"Training/a/lzma.png": PNG}, zipfile.ZIP_LZMA)
NOT_TEXT = patched(8, "<H", 0x800, packed({"Training/a/\xe9.png": PNG})).replace("é".encode(), b"\xff\xfe")
MEMBERS = "../evil.png,Training/a/../../../evil.png,/etc/evil.png,C:\\evil.png,C:evil.png,\\\\host\\x.png,..\\evil.png,"
MEMBERS += "Training\\a\\w.png,Training/a/nul\0.png,./Training/a/dot.png,Training//a//e.png,~/evil.png,/,.,..,"
MEMBERS += "Training/a/,Training/, ,Training/a/\u202egnp.png,-rf/-rf/-rf.png"

ZIPS: dict[str, bytes | Callable[[], bytes]] = {
    "sound": packed(),
    "nothing": b"",
    "no-members": b"PK\x05\x06" + bytes(18),
    "only-magic": b"PK\x03\x04",
    "not-a-zip": b"x" * 5000,
    "before-it": b"#!/bin/sh\ntouch EXECUTED\n" + packed(),
    "in-itself": packed({"Training/a/inner.zip": packed(), "Training/a/inner.png": packed()}),
    "twice": packed({PLACE: b"other"}),
    "wrong-sum": patched(16, "<I", 12345),
    "overlapping-bombs": lambda: _overlapping(40),
    "bz2": packed(method=zipfile.ZIP_BZIP2),
    "lzma": packed(method=zipfile.ZIP_LZMA),
    "bz2-bomb": lambda: patched(24, "<I", 99, packed({"Training/b.png": bytes(2**26)}, 12), "Training/b.png"),
    "bz2-damaged": flipped(packed(method=zipfile.ZIP_BZIP2), 3, 40),
    "lzma-damaged": flipped(packed(method=zipfile.ZIP_LZMA), 3, 40),
    "lzma-unfiltered": LZMA.replace(b"\x09\x04\x05\x00\x5d", b"\x09\x04\x05\x00\xff"),  # its properties mean nothing
    "many-disks": packed()[:-22] + struct.pack("<IIQI", 0x07064B50, 0, 0, 9) + packed()[-22:],
    "not-text": NOT_TEXT,
    "link": packed({"Training/a/l.png": b"/etc/passwd"}, attributes=stat.S_IFLNK | 0o777),
    "device": packed({"Training/a/d.png": b""}, attributes=stat.S_IFBLK | 0o666),
    "folder-and-file": packed({"Training/a": b"x", "Training/a/a.png/b.png": PNG}),
    "long-name": packed({"Training/a/" + "n" * 60000 + ".png": PNG}),
    **{f"flag-{flag:x}": patched(8, "<H", flag) for flag in (1, 8, 0x20, 0x40, 0x2000, 0xFFFF)},
    **{f"method-{method}": patched(10, "<H", method) for method in (9, 14, 93, 95, 99, 65535)},
    **{f"size-{size:x}": patched(24, "<I", size) for size in (0, 1, 2**28, 2**31, 2**32 - 1)},
    **{f"packed-{size:x}": patched(20, "<I", size) for size in (0, 1, 2**31, 2**32 - 1)},
    **{f"offset-{place:x}": patched(42, "<I", place) for place in (1, 2**20, 2**32 - 1)},
    **{f"cut-{share}": truncated(packed(), share) for share in (0.1, 0.3, 0.5, 0.7, 0.9, 0.99)},
    **{f"flipped-{seed}": flipped(packed(), seed) for seed in range(12)},
    **{f"member-{index}": packed({name: PNG}) for index, name in enumerate(MEMBERS.split(","))},
}
"""Name -> the archive, or what makes it where that takes a moment."""

REASONS = {
    **dict.fromkeys(("nothing", "only-magic", "cut-0.3", "cut-0.99"), "whole"),
    **{f"member-{index}": "points out" for index in (0, 1, 2, 3, 4, 5, 6, 12, 14)},
    **{"twice": "twice", "link": "link", "flag-1": "encrypted", "overlapping-bombs": "unsafe", "no-members": "empty"},
    **{"wrong-sum": "damaged in", "size-1": "damaged in", "size-80000000": "too large", "method-99": "unknown method"},
}
"""What is said of some of them."""


def payload_zip(name: str, marker: Path) -> bytes:
    suffixes = (".png", ".jpg", ".npy", ".pkl", ".pth", ".yaml", ".py")
    return packed({f"Training/a/odd{suffix}": PAYLOADS[name](marker) for suffix in suffixes})
