"""Model files: headers that lie, containers that are broken, tensors that are none."""

import json
import struct
import zipfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from corpus_images import flipped, truncated
from made_up import deep

from mri_robust.defences.snooping import CLASSES as PATTERN_CLASSES
from mri_robust.models.classifier import Classifier, Ensemble, build_model
from mri_robust.models.weights import write_tensors

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
SIZE = 16
with torch.random.fork_rng(devices=[]):
    torch.manual_seed(0)
    MODEL = build_model("cnn", classes=CLASSES, image_size=SIZE).eval()
    DETECTOR = build_model("cnn", classes=PATTERN_CLASSES, image_size=SIZE).eval()
HEADER: dict[str, Any] = {"model": MODEL.description(), "history": [{"epoch": 1, "loss": 0.5}]}
FACTS = {"threshold": 0.5, "facts": {"recall": 0.9}}
DETECTOR_HEADER: dict[str, Any] = {"model": DETECTOR.description(), "detector": FACTS}
Build = Callable[[Path], object]


def written(model: torch.nn.Module, header: dict[str, Any], **changes: torch.Tensor) -> Build:
    """A whole file, checksum and all, of these weights and this header."""
    return lambda path: write_tensors(path, {**model.state_dict(), **changes}, header)


sound = written(MODEL, HEADER)


def contained(header: object, body: bytes = bytes(64), length: int | None = None) -> Build:
    """A safetensors file of any header, given as JSON data or bytes."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return lambda path: path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + body)


def _changed(change: Callable[[bytes], bytes], whole: Build = sound) -> Build:
    def build(path: Path) -> None:
        whole(path)
        path.write_bytes(change(path.read_bytes()))

    return build


def _noted(text: str) -> Build:
    return contained({"__metadata__": {"mri_robust": text}, "x": tensor()})


def tensor(kind: str = "F32", shape: object = (16,), offsets: object = (0, 64)) -> dict[str, object]:
    """What a safetensors header says of a tensor."""
    return {"dtype": kind, "shape": shape, "data_offsets": offsets}


def described(**changes: object) -> Build:
    """The sound weights under a description with changes."""
    return written(MODEL, {**HEADER, "model": {**HEADER["model"], **changes}})


def _ensemble(**changes: object) -> Build:
    model = Ensemble([MODEL, MODEL], (0.5, 0.5))
    return written(model, {"model": {**model.description(), **changes}})


def _detector(threshold: float, recall: object) -> Build:
    return written(DETECTOR, {**DETECTOR_HEADER, "detector": {"threshold": threshold, "facts": {"recall": recall}}})


def _head_flipped(data: bytes, seed: int) -> bytes:
    return flipped(data[:2000], seed, 4) + data[2000:]


def _nested(levels: int) -> dict[str, Any]:
    member: dict[str, Any] = {**HEADER["model"]}
    for _ in range(levels):
        member = {"architecture": "ensemble", "members": [member], "shares": [1.0]}
    return member


def _numbered(name: str, build: Callable[[Any], Build], values: Iterable[object]) -> dict[str, Build]:
    return {f"{name}-{number}": build(value) for number, value in enumerate(values)}


def _weighing(weight: torch.Tensor) -> Build:
    return written(MODEL, HEADER, **{"network.0.weight": weight})


WEIGHT, NAN = MODEL.state_dict()["network.0.weight"], float("nan")
HEADERS = [b"\x80\x04\x95" * 9, b'{"\xff": 1}', [], b'{"a":' * 100_000 + b"1" + b"}" * 100_000]
LENGTHS = [2**63, 2**32, 65]
SHAPES = [[-1], [2**62, 2**62], ["a"], [], 5, [17], [0]]
OFFSETS = [[0, 2**60], [64, 0], [-4, 60], [0], [1, 65]]
KINDS = [("F8_E8M0", [64]), ("F4", [128]), ("X", [64]), ("BOOL", [64])]
SIZES = [8 * 10**8, 1024, -16, 17]
NAMES = [[], ["x"] * 200_000, ["\x1b[31m", "a\nb", "<script>", "a" * 5000]]
ARCHITECTURES = ["../../evil", "os:system", "a" * 10**6, "resnet50"]
WEIGHTS = [WEIGHT * NAN, WEIGHT / 0, WEIGHT.to(torch.int8), WEIGHT.half(), WEIGHT.to(torch.complex64)]
FILES: dict[str, Build] = {
    "sound": sound,
    "ensemble": _ensemble(),
    "detector": written(DETECTOR, DETECTOR_HEADER),
    "nothing": contained(b"", b"", 0),
    **_numbered("header", contained, HEADERS),
    **_numbered("length", lambda length: contained({}, length=length), LENGTHS),
    "metadata-of-numbers": contained({"__metadata__": {"mri_robust": 5}, "x": tensor()}),
    "metadata-a-list": contained({"__metadata__": [1], "x": tensor()}),
    "notes-deep": _noted("[" * 100_000 + "]" * 100_000),
    "notes-nearly-too-deep": _noted('{"model": ' + "[" * 900 + "]" * 900 + "}"),
    **_numbered("notes", _noted, ["{", "[]", '{"model": {"image_size": ' + "9" * 3000 + "}}"]),
    **_numbered("shape", lambda shape: contained({"x": tensor(shape=shape)}), SHAPES),
    **_numbered("offsets", lambda offsets: contained({"x": tensor(offsets=offsets)}), OFFSETS),
    **_numbered("kind", lambda kind: contained({"x": tensor(*kind)}), KINDS),
    "overlapping": contained({"x": tensor(), "y": tensor()}),
    "names": contained({"\x1b[31m": tensor(), "../../x": tensor(offsets=[64, 128])}, bytes(128)),
    **_numbered("cut", lambda share: _changed(partial(truncated, share=share)), (0.0001, 0.5, 0.999)),
    **_numbered("flipped", lambda seed: _changed(partial(_head_flipped, seed=seed)), range(8)),
    "another-byte": _changed(lambda data: data[:-5] + b"\x7f" + data[-4:]),
    **_numbered("image-size", lambda size: described(image_size=size), SIZES),
    **_numbered("classes", lambda names: described(classes=names), NAMES),
    **_numbered("architecture", lambda name: described(architecture=name), ARCHITECTURES),
    "channels-blue": described(channels="blue"),
    **_numbered("weights", _weighing, WEIGHTS),
    **_numbered("std", lambda std: written(MODEL, HEADER, std=torch.tensor(std)), [0.0, NAN]),
    **_numbered("mean", lambda mean: written(MODEL, HEADER, mean=torch.tensor(mean)), [NAN, [0.0, 0.0]]),
    "members-many": _ensemble(members=[MODEL.description()] * 20_000, shares=[1.0] * 20_000),
    "members-none": _ensemble(members=[], shares=[]),
    "members-nested": written(MODEL, {"model": _nested(300)}),
    "members-apart": _ensemble(shares=["x", None]),
    **_numbered("facts", lambda facts: _detector(*facts), [(NAN, 0.9), (0.5, 10**400), (0.5, deep(400))]),
}
"""Name -> what writes it as a `.safetensors` file."""


def _saved(value: object, **options: bool) -> Build:
    return lambda path: torch.save(value, path, **options)


def _large_storage(data: bytes) -> bytes:
    """A pickle of before torch 1.6 that asks for 2 TB."""
    return data.replace(b"K\x03Nt", b"\x8a\x06\x00\x00\x00\x00\x00\x02Nt")


def _members(**files: bytes) -> Build:
    def build(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(f"archive/{name}", content)

    return build


HUGE = torch.zeros(1).expand(10**6, 10**6)
TENSORS = [torch.eye(3).to_sparse(), HUGE, HUGE.to("meta"), torch.zeros(3).to(torch.float8_e4m3fn)]
LEGACY = {"_use_new_zipfile_serialization": False}
STATE = _saved(MODEL.network.state_dict())
STATES: dict[str, Build] = {
    "sound-pth": STATE,
    "wrapped": _saved({"state_dict": MODEL.network.state_dict(), "epoch": 3}),
    "legacy": _saved(MODEL.network.state_dict(), **LEGACY),
    "legacy-of-terabytes": _changed(_large_storage, _saved({"x": torch.zeros(3)}, **LEGACY)),
    "model": _saved(MODEL),
    "nested": lambda path: path.write_bytes(b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b"."),
    **_numbered("odd", _saved, [[torch.zeros(2)], 5, {}, {"x": "y"}, {1: WEIGHT, (2, 3): WEIGHT, "\x1b[31m": WEIGHT}]),
    **_numbered("tensor", lambda tensor: _saved({"0.weight": tensor}), TENSORS),
    "nan": _saved({name: value * NAN for name, value in MODEL.network.state_dict().items()}),
    "zip-of-zeros": _members(**{"data.pkl": bytes(10**8), "version": b"3\n"}),
    "zip-of-nothing": _members(),
    "text": lambda path: path.write_text("not weights"),
    "no-bytes": lambda path: path.write_bytes(b""),
    "zeros": lambda path: path.write_bytes(bytes(10**6)),
    **_numbered("cut", lambda share: _changed(partial(truncated, share=share), STATE), (0.01, 0.5, 0.99)),
    **_numbered("flipped", lambda seed: _changed(partial(_head_flipped, seed=seed), STATE), range(6)),
}
"""Name -> what writes it as a `.pth` file."""


def fits(model: object) -> bool:
    """Whether what was loaded is a classifier that works."""
    if not isinstance(model, (Classifier, Ensemble)):
        return False
    with torch.no_grad():
        return bool(torch.isfinite(model(torch.zeros(2, 1, model.image_size, model.image_size))).all())
