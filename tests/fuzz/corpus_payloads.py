"""Files that make `marker` when something runs what is in them."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

Payload = Callable[[Path], bytes]


class _Touch:
    """Unpickles by making a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.marker), "w")


class _Shell(_Touch):
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.marker}'",)


class _Evaluated(_Touch):
    def __reduce__(self) -> tuple[Any, ...]:
        return eval, (f"open({str(self.marker)!r}, 'w')",)


def _pickled(kind: type[_Touch], protocol: int = 4) -> Payload:
    return lambda marker: pickle.dumps(kind(marker), protocol=protocol)


def _saved(kind: type[_Touch], *, legacy: bool = False, wrapped: bool = True) -> Payload:
    def make(marker: Path) -> bytes:
        buffer = io.BytesIO()
        state = {"network.0.weight": torch.zeros(2), "x": kind(marker)} if wrapped else kind(marker)
        torch.save(state, buffer, _use_new_zipfile_serialization=not legacy)
        return buffer.getvalue()

    return make


def _array(marker: Path) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([_Touch(marker)], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def _arrays(marker: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("arr_0.npy", _array(marker))
        archive.writestr("Training/a/x.npy", _array(marker))
    return buffer.getvalue()


def _assembled(marker: Path) -> bytes:
    """Opcodes by hand: a global of a module that is only imported, called."""
    return f"cposix\nsystem\n(S'touch {marker}'\ntR.".encode()


def _text(template: str) -> Payload:
    return lambda marker: template.format(marker=marker).encode()


PAYLOADS: dict[str, Payload] = {
    "pickle-open": _pickled(_Touch),
    "pickle-shell": _pickled(_Shell, 2),
    "pickle-eval-protocol-0": _pickled(_Evaluated, 0),
    "pickle-assembled": _assembled,
    "torch-zip": _saved(_Touch),
    "torch-zip-shell": _saved(_Shell),
    "torch-zip-bare": _saved(_Evaluated, wrapped=False),
    "torch-legacy": _saved(_Touch, legacy=True),
    "torch-legacy-shell": _saved(_Shell, legacy=True, wrapped=False),
    "npy-object": _array,
    "npz-object": _arrays,
    "yaml-tag": _text("!!python/object/apply:os.system ['touch {marker}']\n"),
    "json-class": _text('{{"py/object": "os.system", "__class__": "os", "args": ["touch {marker}"]}}'),
    "python": _text("open({marker!r}, 'w')\n"),
    "shell": _text("#!/bin/sh\ntouch '{marker}'\n"),
    "postscript": _text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n({marker}) (w) file closefile showpage\n"),
    "svg": _text("<svg xmlns='http://www.w3.org/2000/svg'><script href='file://{marker}'/></svg>"),
    "html": _text("<!DOCTYPE html><script>open('{marker}')</script>"),
}
"""Name -> the bytes, given where the marker would be."""
