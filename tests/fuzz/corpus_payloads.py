"""Files that make `marker` when something runs what is in them."""

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
CALLS: dict[str, Callable[[Path], tuple[Any, ...]]] = {
    "open": lambda marker: (open, (str(marker), "w")),
    "shell": lambda marker: (os.system, (f"touch '{marker}'",)),
    "eval": lambda marker: (eval, (f"open({str(marker)!r}, 'w')",)),
}


class _Calling:
    """Unpickles by making a call."""

    def __init__(self, kind: str, marker: Path) -> None:
        self.call = CALLS[kind](marker)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def _pickled(kind: str, protocol: int = 4) -> Payload:
    return lambda marker: pickle.dumps(_Calling(kind, marker), protocol=protocol)


def _saved(kind: str, *, legacy: bool = False, wrapped: bool = True) -> Payload:
    def make(marker: Path) -> bytes:
        buffer, value = io.BytesIO(), _Calling(kind, marker)
        state = {"network.0.weight": torch.zeros(2), "x": value} if wrapped else value
        torch.save(state, buffer, _use_new_zipfile_serialization=not legacy)
        return buffer.getvalue()

    return make


def _array(marker: Path) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([_Calling("open", marker)], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def _arrays(marker: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("arr_0.npy", "Training/a/x.npy"):
            archive.writestr(name, _array(marker))
    return buffer.getvalue()


def _text(template: str) -> Payload:
    return lambda marker: template.format(marker=marker).encode()


PAYLOADS: dict[str, Payload] = {
    "pickle-open": _pickled("open"),
    "pickle-shell": _pickled("shell", 2),
    "pickle-eval-protocol-0": _pickled("eval", 0),
    "pickle-assembled": _text("cposix\nsystem\n(S'touch {marker}'\ntR."),  # a module that is only imported
    "torch-zip": _saved("open"),
    "torch-zip-shell": _saved("shell"),
    "torch-zip-bare": _saved("eval", wrapped=False),
    "torch-legacy": _saved("open", legacy=True),
    "torch-legacy-shell": _saved("shell", legacy=True, wrapped=False),
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
