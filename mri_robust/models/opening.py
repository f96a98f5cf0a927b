"""Where a user's own model comes from: a checkpoint, `package.module:factory` or `timm:NAME`; nothing is downloaded."""

import difflib
import functools
import importlib
import inspect
import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from mri_robust.core.errors import UserError, reason
from mri_robust.core.packages import import_extra, import_torchvision
from mri_robust.core.rng import seeded_globals
from mri_robust.models.checkpoint import load_model
from mri_robust.models.classifier import Classifier
from mri_robust.models.external import External, Numbers
from mri_robust.models.weights import load_weights, read_state_dict

_TIMM = "timm:"


def open_model(
    source: str,
    *,
    weights: Path | None = None,
    mean: Numbers = (),
    std: Numbers = (),
    classes: tuple[str, ...] = (),
    image_size: int = 224,
    channels: str = "rgb",
) -> nn.Module:
    """A model in eval mode, on the CPU.

    Args:
        source: a checkpoint of this package; `package.module:factory`, a function without arguments that gives a
            `torch.nn.Module`, or such a module, of a Python module that may lie in the current folder; or `timm:NAME`,
            a network of timm with one output per class, which sees a grey image as three equal channels. Random weights
            are always the same.
        weights: a state dict (`.safetensors`, or `.pth` with plain tensors) for what the factory or timm gives.
        mean, std: a normalisation in front; for timm's networks in place of timm's own.
        classes, image_size, channels: of the data; `timm:NAME` alone needs them.

    Raises:
        UserError: there is no such file, module, factory or network, it fails, or something does not fit.
        ValueError: `timm:NAME` without classes.
    """
    if (mean or std) and (len(mean) != len(std) or len(mean) not in (1, 3) or not all(value > 0 for value in std)):
        raise UserError(f"--mean and --std need one or three numbers each, std over 0; got {mean} and {std}")
    if is_timm(source):
        if not classes:
            raise ValueError(f"'{source}' needs the data's classes: give classes=")
        data = {"classes": classes, "image_size": image_size, "channels": channels}
        network = _from_timm(source, mean, std, data)
        opened, what = External(network, source), f"'{source}' with {len(classes)} classes and {image_size} pixels"
        return _filled(opened, network.network, weights, what).eval()
    if ":" in source and not os.path.exists(source):  # Path.exists raises for a name that is too long
        model = _from_factory(source)
        return _filled(External(model, source, mean, std), model, weights, f"'{source}'").eval()
    if weights or mean:
        option = "--weights" if weights else "--mean and --std"
        raise UserError(
            f"{option} goes with --model package.module:factory or timm:NAME; the checkpoint '{source}' has its own"
        )
    return load_model(source)


def is_timm(source: str) -> bool:
    """Whether a model is asked for as `timm:NAME`."""
    return source.startswith(_TIMM)


def timm_size(source: str) -> int:
    """Side in pixels of the images that `timm:NAME` was published for; UserError without timm or such a network."""
    return int(_published(source)[1].input_size[-1])


def _filled(opened: External, network: nn.Module, weights: Path | None, what: str) -> External:
    """The model with its network's weights from a file; it says what was taken off their names."""
    if weights is not None and (taken := load_weights(network, read_state_dict(weights), weights, what=what)):
        opened.notes.append(f"'{taken}' is taken off the names in {weights.name}")
    return opened


def _from_factory(source: str) -> nn.Module:
    module_name, _, name = source.rpartition(":")
    if module_name.endswith(".py") or "/" in module_name:
        plain = ".".join(Path(module_name).with_suffix("").parts)
        raise UserError(f"model '{source}' is named by its file: name it by its module, --model {plain}:{name}")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    doing, number_format = "imported", torch.get_default_dtype()
    try:
        with seeded_globals(0), torch.enable_grad():  # what the user's code sets for all of torch ends here
            model = functools.reduce(getattr, name.split("."), importlib.import_module(module_name))
            doing = "built"
            model = model if isinstance(model, nn.Module) else _called(model, source)
        if isinstance(model, nn.Module) and any(map(is_lazy, model.parameters())):
            raise UserError(f"model '{source}' has lazy layers without a size: call it once on an image in the factory")
        if isinstance(model, nn.Module):
            _leave_inference_mode(model.eval())
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # the user's code, which may even end the program
        raise UserError(f"model '{source}' cannot be {doing}: {reason(error)}") from error
    finally:
        torch.set_default_dtype(number_format)
    if not isinstance(model, nn.Module):
        raise UserError(f"model '{source}' is of type {type(model).__name__}: the factory must give a torch.nn.Module")
    return model


def _called(factory: Any, source: str) -> Any:
    if not callable(factory):
        return factory
    try:
        parameters = tuple(inspect.signature(factory).parameters.values())
    except (TypeError, ValueError):  # some built-in ones have none
        parameters = ()
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    if needed := [each.name for each in parameters if each.default is each.empty and each.kind not in variable]:
        raise UserError(
            f"model '{source}' needs {', '.join(needed)}: name a function without arguments that gives the model"
        )
    return factory()


def _leave_inference_mode(model: nn.Module) -> None:
    """Copy what was made under `torch.inference_mode`, which autograd refuses."""
    for module in model.modules():
        for tensors in (module._parameters, module._buffers):
            entries: dict[str, Any] = tensors
            for name, tensor in entries.items():
                if isinstance(tensor, Tensor) and tensor.is_inference():
                    copied = tensor.clone()
                    entries[name] = nn.Parameter(copied) if isinstance(tensor, nn.Parameter) else copied


def _from_timm(source: str, mean: Numbers, std: Numbers, data: dict[str, Any]) -> Classifier:
    (timm, published), size, classes = _published(source), data["image_size"], len(data["classes"])
    own = f"its own images have --size {published.input_size[-1]}"
    sized = {"img_size": size} if published.fixed_input_size else {}
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(0)
            network = timm.create_model(source.removeprefix(_TIMM), num_classes=classes, **sized).eval()
            network(torch.zeros(1, 3, size, size))
    except Exception as error:  # timm raises whatever its networks do with a size that they are not made for
        raise UserError(f"model '{source}' takes no images of {size} pixels ({reason(error, -1)}): {own}") from error
    return Classifier(network, architecture=source, mean=mean or published.mean, std=std or published.std, **data)


def _published(source: str) -> tuple[Any, Any]:
    """timm, and what it says of the network's published weights."""
    import_torchvision()
    timm, name = import_extra("timm", "timm", f"model '{source}'"), source.removeprefix(_TIMM)
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=3)
        known = f"did you mean {' or '.join(near)}?" if near else "timm.list_models() lists them"
        raise UserError(f"timm has no model '{name}'; {known}")
    return timm, timm.models.get_pretrained_cfg(name)
