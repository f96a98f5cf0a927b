"""A user's own PyTorch model, looked at once: which images it takes, what it gives, and how its outputs are read."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from mri_robust.core.errors import UserError, reason
from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.core.validation import check_finite
from mri_robust.data.dataset import LARGEST, SMALLEST
from mri_robust.models.classifier import Classifier, Ensemble
from mri_robust.models.weights import hash_tensor

Numbers = tuple[float, ...]  # one number for all channels, or one for each; () for none
_CHANNELS = {"grey": "grey", "gray": "grey", "l": "grey", "1": "grey", "rgb": "rgb", "3": "rgb"}
_ABOUT_SHAPES = re.compile("shape|size|channel|dimension|mat1", re.IGNORECASE)


class External(nn.Module):
    """A user's model behind (images - mean) / std, as the attacks want it: float32 images in, logits out.

    It states the model's `image_size`, `channels` and `classes` where they make sense. What goes wrong in the model is
    said in one line. Where it cuts its logits off from the images the gradient is zero, which the sanity checks warn
    of. `source` is what messages call it, `notes` what a reader must know of it, `order` the places of the data's
    classes among its outputs, and `reading` how these are read: `logits`, or one `logit` or `probability` of the second
    of two classes.
    """

    mean: Tensor | None
    std: Tensor

    def __init__(self, model: nn.Module, source: str, mean: Numbers = (), std: Numbers = ()) -> None:
        super().__init__()
        self.model, self.source, self.training = model, source, model.training
        self.order: list[int] | None = None
        self.reading, self.wanted = "logits", 0
        self.notes: list[str] = []
        for name, numbers in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(numbers, dtype=torch.float32).view(-1, 1, 1) if numbers else None)
        for name, value in stated(model).items():
            setattr(self, name, value)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of images [N, C, H, W] in [0, 1]; UserError where the model fails or gives numbers not finite."""
        scaled = images if self.mean is None else (images - self.mean) / self.std
        try:
            kinds = (each.dtype for each in self.model.parameters() if each.is_floating_point())
            output = self.model(scaled.to(next(kinds, torch.float32)))
            logits = as_logits(output, len(images), self.wanted, self.source)
            finite = bool(torch.isfinite(logits).all())
        except UserError:
            raise
        except (Exception, SystemExit) as error:
            said = reason(error)
            hint = "; see --size, --channels" if _ABOUT_SHAPES.search(said) else ""
            raise UserError(f"model '{self.source}' fails on images {list(images.shape)}: {said}{hint}") from error
        if not finite:
            raise UserError(f"model '{self.source}' gives logits that are not finite: train or load it again")
        if images.requires_grad and not logits.requires_grad:
            logits = logits.clone() + 0.0 * images.sum()
        if self.reading != "logits":
            second = logits if self.reading == "logit" else torch.logit(logits, eps=1e-6)
            logits = torch.cat([torch.zeros_like(second), second], 1)
        return logits if self.order is None else logits[:, self.order]


def as_logits(output: Any, images: int, classes: int, source: str) -> Tensor:
    """The logits, float32 [N, K], in what a model gave for so many images.

    Of a mapping, a sequence or an object it is what is called `logits`, or the only tensor in it of that shape, where K
    is `classes` unless 0. One image's logits may lack the axis N, and one logit for each image the axis K. UserError
    where there is nothing like it, or more than one.
    """
    if not isinstance(output, Tensor):
        output = _among(output, images, classes, source)
    if images == 1 and output.ndim < 2:
        output = output.reshape(1, -1)
    elif output.ndim != 2 and output.shape[:1] == (images,) and all(side == 1 for side in output.shape[2:]):
        output = output.reshape(images, -1)
    if output.ndim != 2 or len(output) != images or not output.is_floating_point():
        given = f"{output.dtype} {list(output.shape)}".removeprefix("torch.")
        wanted = f"it must give logits [{images}, classes], floating point"
        raise UserError(f"model '{source}' gives {given} for {images} image(s): {wanted}")
    return output.float()


def _among(output: Any, images: int, classes: int, source: str) -> Tensor:
    whole = dict(output) if isinstance(output, Mapping) else getattr(output, "__dict__", {})
    parts = dict(enumerate(output)) if isinstance(output, Sequence) and not isinstance(output, str) else whole
    named = parts.get("logits", getattr(output, "logits", None))
    if isinstance(named, Tensor):
        return named
    tensors = {name: value for name, value in parts.items() if isinstance(value, Tensor)}
    fits = [each for each in tensors.values() if each.is_floating_point() and each.ndim == 2 and len(each) == images]
    if classes:
        fits = [each for each in fits if each.shape[1] == classes or (classes == 2 and each.shape[1] == 1)]
    if len(fits) == 1:
        return fits[0]
    held = ", ".join(f"{name} {list(value.shape)}" for name, value in tensors.items()) or "no tensor"
    given = f"{type(output).__name__} with {held}"
    raise UserError(f"model '{source}' gives a {given}: return the logits alone, or call them `logits`")


def stated(model: nn.Module) -> dict[str, Any]:
    """What a model states and makes sense of: `image_size`, int; `channels`, `grey` or `rgb`; `classes`, names. A size
    may also be a pair of equal sides, channels 1 or 3, classes a mapping between names and places."""
    size, channels, classes = (getattr(model, name, None) for name in ("image_size", "channels", "classes"))
    found: dict[str, Any] = {}
    if isinstance(size, (list, tuple)) and len(set(size)) == 1:
        size = size[0]
    if type(size) is int and SMALLEST <= size <= LARGEST:
        found["image_size"] = size
    if type(channels) in (str, int) and str(channels).lower() in _CHANNELS:
        found["channels"] = _CHANNELS[str(channels).lower()]
    if isinstance(classes, Mapping) and classes:
        places = {place: name for name, place in classes.items()} if isinstance(next(iter(classes)), str) else classes
        classes = [places[place] for place in sorted(places)] if all(type(place) is int for place in places) else None
    if isinstance(classes, (list, tuple)) and classes and all(isinstance(name, str) for name in classes):
        found["classes"] = tuple(classes)
    return found


def channels_of(model: nn.Module, size: int) -> tuple[str, str]:
    """`grey` or `rgb`, what a model takes of images of `size` pixels, and why: it says so, or it was tried."""
    if "channels" in (said := stated(model)):
        return said["channels"], "it says so"
    first = next((module.in_channels for module in model.modules() if isinstance(module, _ConvNd)), 0)
    colour = first == 3 or (isinstance(model, External) and model.mean is not None and len(model.mean) == 3)
    tried = ("rgb", "grey") if colour else ("grey", "rgb")
    noise = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0), dtype=torch.float32)
    for channels in tried:
        with eval_mode(model), torch.no_grad():
            try:
                model(noise[:, : 1 if channels == "grey" else 3].to(device_of(model)))
            except Exception:  # the user's code; what is wrong is said when it sees the data
                continue
        return channels, f"its first convolution takes {first}" if first else "it takes them"
    return tried[0], "nothing else fits either"


def fit_to_data(
    model: nn.Module, images: Tensor, classes: tuple[str, ...], source: str, renamed: Mapping[str, str] | None = None
) -> tuple[nn.Module, list[str]]:
    """Look at a model once: it as it answers for the data's classes, and in words how it is read.

    Args:
        model: one of this package's, an `External`, or any other.
        images: float32 [N, C, H, W] in [0, 1], a batch of the data, on the model's device.
        classes: the data's.
        source: what messages call the model.
        renamed: the model's name of a class -> the data's.

    Raises:
        UserError: it states other classes, fails on one image, two or all, in either direction, or gives no logits.
    """
    fitted = model if isinstance(model, External) else External(model, source)
    own, notes = stated(fitted.model).get("classes"), list(fitted.notes)
    fitted.wanted, fitted.reading, fitted.order = len(classes), "logits", None
    if own is None:
        notes.append(f"outputs 0..{len(classes) - 1} are read as {', '.join(classes)}")
    else:
        fitted.order = _order(own, classes, source, renamed or {})
        notes += [f"its outputs {', '.join(own)} are put in the data's order"] if fitted.order else []
    with eval_mode(fitted):
        with torch.no_grad():
            answers = [fitted(images[:count]) for count in sorted({1, min(2, len(images)), len(images)})]
            if answers[-1].shape[1] == 1 and len(classes) == 2:
                low, high = (float(bound) for bound in torch.aminmax(answers[-1]))
                fitted.reading = "probability" if low >= 0 and high <= 1 else "logit"
                notes.append(f"its one output is read as the {fitted.reading} of {classes[fitted.order is None]}")
                answers = [fitted(images[:1])]
        widths = {answer.shape[1] for answer in answers}
        if widths != {len(classes)}:
            given = " or ".join(map(str, sorted(widths)))
            raise UserError(f"model '{source}' gives {given} logits, not one for each of {', '.join(classes)}")
        few = images[:2].detach().clone().requires_grad_(True)
        with torch.enable_grad():
            total = fitted(few).sum()
            try:
                torch.autograd.grad(total, few)
            except Exception as error:  # the user's own backward pass, or a layer that has none in eval mode
                raise UserError(f"model '{source}' fails in the backward pass: {reason(error)}") from error
    fitted.classes = tuple(classes)  # type: ignore[assignment]
    plain = isinstance(model, (Classifier, Ensemble)) and fitted.order is None
    return (model if plain else fitted), notes


def as_classifier(model: nn.Module, images: Tensor) -> tuple[nn.Module, int]:
    """The model where it gives logits [N, K] of two classes or more, else what makes such logits of its outputs; and K.
    `images` are float32 [N, C, H, W] in [0, 1]; for errors see `fit_to_data`. TypeError where it is no module."""
    with eval_mode(model), torch.no_grad():
        images, given = images.to(device_of(model)), External(model, "given")
        try:
            output = model(images[:1])
        except Exception:  # also one in another number format
            output = None
        if isinstance(output, Tensor) and output.ndim == 2 and output.shape[1] > 1:
            check_finite(output)
            return model, output.shape[1]
        width = max(2, given(images[:1]).shape[1])
    return fit_to_data(given, images, tuple(map(str, range(width))), "given")[0], width


def _order(own: Sequence[str], classes: Sequence[str], source: str, renamed: Mapping[str, str]) -> list[int] | None:
    """Where each of the data's classes stands among the model's; None where it is the data's order."""
    names = [renamed.get(name, name) for name in own]
    if sorted(names) != sorted(classes):
        pairs = ",".join(f"{mine}={theirs}" for mine, theirs in zip(own, classes, strict=False))
        raise UserError(
            f"model '{source}' has {len(own)} classes ({', '.join(own)}) and the data {len(classes)} "
            f"({', '.join(classes)}): use a model trained on these classes, or say which is which, as in "
            f"--classes {pairs}"
        )
    return None if names == list(classes) else [names.index(name) for name in classes]


def model_digest(model: nn.Module, shape: tuple[int, int, int]) -> str:
    """16 hex digits that name a model by what it computes on images of `shape` (C, H, W); the model is left as it was.

    SHA-256 over its class's name, its repr (without memory addresses), its state dict, and its logits on two fixed
    noise images to four digits: so code outside the state dict counts, and rounding does not.
    """
    kind, device = type(model), device_of(model)
    layers = re.sub("0x[0-9a-fA-F]+", "", repr(model))
    found = hashlib.sha256(f"{kind.__module__}.{kind.__qualname__}|{layers}|".encode())
    for name, value in model.state_dict().items():
        try:
            hash_tensor(found, name, value)
        except (AttributeError, RuntimeError, TypeError):  # no tensor, or one without plain bytes
            found.update(f"{name}|{value!r}|".encode())
    with eval_mode(model), torch.no_grad(), torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        logits = model(torch.rand(2, *shape, dtype=torch.float32).to(device))
    found.update(" ".join(f"{value:.4g}" for value in logits.double().flatten().tolist()).encode())
    return found.hexdigest()[:16]
