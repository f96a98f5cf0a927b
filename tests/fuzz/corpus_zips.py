"""Zip files: members that point out, lie about their size, stand on each other, or are damaged."""

from __future__ import annotations

import io
import lzma
import stat
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

from corpus_folders import NAMES, SOUND
from corpus_images import GOOD, flipped, truncated
from corpus_payloads import PAYLOADS

Build = Callable[[Path], bytes]
PLACE = "Training/a/a.png"


def packed(files: dict[str, bytes] | None = None, method: int = zipfile.ZIP_DEFLATED, **flags: int) -> bytes:
    """A zip of the sound tree and these files, whose members carry these attributes."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method) as archive:
        warnings.simplefilter("ignore")
        for name, content in [*SOUND.items(), *(files or {}).items()]:
            member = zipfile.ZipInfo(name)
            member.compress_type = method
            for flag, value in flags.items():
                setattr(member, flag, value if name not in SOUND else getattr(member, flag))
            archive.writestr(member, content)
    return buffer.getvalue()


def patched(data: bytes, offset: int, kind: str, value: int, name: str = PLACE) -> bytes:
    """A zip in whose directory the entry of a member says something else."""
    changed = bytearray(data)
    struct.pack_into(kind, changed, changed.rindex(name.encode()) - 46 + offset, value)
    return bytes(changed)


def _twice() -> bytes:
    return packed({PLACE: b"other"})


def _wrong_sum() -> bytes:
    return patched(packed(), 16, "<I", 12345)


def _overlapping(count: int) -> bytes:
    """Many entries whose one content is a bomb."""
    name, content = "Training/a/00000.png", bytes(100 * 2**20)
    data = packed({name: content})
    entry_at = data.rindex(name.encode()) - 46
    end_at = data.rindex(b"PK\x05\x06")
    entry = data[entry_at:end_at]
    entries = [entry.replace(name.encode(), f"Training/a/{n:05d}.png".encode()) for n in range(1, count)]
    end = bytearray(data[end_at:])
    first, total = struct.unpack_from("<I", data, end_at + 16)[0], len(SOUND) + count
    struct.pack_into("<HHI", end, 8, total, total, end_at - first + sum(map(len, entries)))
    return data[:end_at] + b"".join(entries) + bytes(end)


def _unfiltered() -> bytes:
    """LZMA whose properties mean nothing."""
    data = packed({"Training/a/lzma.png": GOOD["PNG"]}, zipfile.ZIP_LZMA)
    return data.replace(b"\x09\x04\x05\x00\x5d", b"\x09\x04\x05\x00\xff")


def _many_disks() -> bytes:
    locator = struct.pack("<IIQI", 0x07064B50, 0, 0, 9)
    return packed()[:-22] + locator + packed()[-22:]


def _not_text() -> bytes:
    return patched(packed({"Training/a/\xe9.png": GOOD["PNG"]}), 8, "<H", 0x800).replace("é".encode(), b"\xff\xfe")


ZIPS: dict[str, bytes | Callable[[], bytes]] = {
    "sound": packed(),
    "nothing": b"",
    "no-members": b"PK\x05\x06" + bytes(18),
    "only-magic": b"PK\x03\x04",
    "not-a-zip": b"x" * 5000,
    "two-ends": packed() + packed()[-22:],
    "before-it": b"#!/bin/sh\ntouch EXECUTED\n" + packed(),
    "comment": packed()[:-2] + struct.pack("<H", 65535) + bytes(65535),
    "in-itself": packed({"Training/a/inner.zip": packed(), "Training/a/inner.png": packed()}),
    "twice": _twice,
    "wrong-sum": _wrong_sum,
    "overlapping-bombs": lambda: _overlapping(40),
    "zeros": lambda: packed({f"Training/a/{n}.png": bytes(25 * 2**20) for n in range(2)}),
    "bz2": packed(method=zipfile.ZIP_BZIP2),
    "lzma": packed(method=zipfile.ZIP_LZMA),
    "bz2-bomb": lambda: patched(
        packed({"Training/a/b.png": bytes(2**26)}, zipfile.ZIP_BZIP2), 24, "<I", 99, "Training/a/b.png"
    ),
    "bz2-damaged": lambda: flipped(packed(method=zipfile.ZIP_BZIP2), 3, 40),
    "lzma-damaged": lambda: flipped(packed(method=zipfile.ZIP_LZMA), 3, 40),
    "lzma-unfiltered": _unfiltered,
    "lzma-bytes": packed({"Training/a/x.png": lzma.compress(bytes(10**7))}),
    "many-disks": _many_disks,
    "not-text": _not_text,
    "link": packed({"Training/a/l.png": b"/etc/passwd"}, external_attr=(stat.S_IFLNK | 0o777) << 16),
    "device": packed({"Training/a/d.png": b""}, external_attr=(stat.S_IFBLK | 0o666) << 16),
    "pipe": packed({"Training/a/p.png": b""}, external_attr=(stat.S_IFIFO | 0o666) << 16),
    "folder-with-bytes": packed({"Training/b/": b"x" * 100}),
    "folder-and-file": packed({"Training/a": b"x", "Training/a/a.png/b.png": GOOD["PNG"]}),
    "many-folders": lambda: packed({f"Training/a/{n}/": b"" for n in range(3000)}),
    "long-name": packed({"Training/a/" + "n" * 60000 + ".png": GOOD["PNG"]}),
    **{f"flag-{flag:x}": patched(packed(), 8, "<H", flag) for flag in (1, 8, 0x20, 0x40, 0x2000, 0xFFFF)},
    **{f"method-{method}": patched(packed(), 10, "<H", method) for method in (9, 14, 93, 95, 99, 65535)},
    **{f"size-{size:x}": patched(packed(), 24, "<I", size) for size in (0, 1, 2**28, 2**31, 2**32 - 1)},
    **{f"packed-{size:x}": patched(packed(), 20, "<I", size) for size in (0, 1, 2**31, 2**32 - 1)},
    **{f"offset-{place:x}": patched(packed(), 42, "<I", place) for place in (1, 2**20, 2**32 - 1)},
    **{f"cut-{share}": truncated(packed(), share) for share in (0.1, 0.3, 0.5, 0.7, 0.9, 0.99)},
    **{f"flipped-{seed}": flipped(packed(), seed) for seed in range(12)},
    **{
        f"member-{index}": packed({name: GOOD["PNG"]})
        for index, name in enumerate(
            [
                *(
                    "../evil.png",
                    "Training/a/../../../evil.png",
                    "/etc/evil.png",
                    "C:\\evil.png",
                    "C:evil.png",
                    "\\\\host\\x.png",
                ),
                *(
                    "..\\evil.png",
                    "Training\\a\\w.png",
                    "Training/a/nul\0.png",
                    "./Training/a/dot.png",
                    "Training//a//e.png",
                ),
                *(
                    "~/evil.png",
                    "/",
                    ".",
                    "..",
                    "Training/a/",
                    "Training/",
                    " ",
                    "Training/a/\u202egnp.png",
                    "-rf/-rf/-rf.png",
                ),
            ]
        )
    },
    **{
        f"called-{index}": packed({f"{split}/{name}/{name}.png": GOOD["PNG"] for split in ("Training", "Testing")})
        for index, name in enumerate(NAMES)
        if name.isascii()
    },
}
"""Name -> the archive, or what makes it where that takes a moment."""


def payload_zip(name: str, marker: Path) -> bytes:
    """Every kind of member under the bytes of a payload."""
    content = PAYLOADS[name](marker)
    return packed(
        {f"Training/a/odd{suffix}": content for suffix in (".png", ".jpg", ".npy", ".pkl", ".pth", ".yaml", ".py")}
    )
