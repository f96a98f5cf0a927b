"""A copy of a model that gives the same logits and is faster to differentiate with respect to its input."""

import copy

import torch
from torch import Tensor, fx, nn
from torch.fx.experimental.optimization import fuse
from torch.nn import functional

TOLERANCE = 1e-4
"""Greatest difference of a logit, relative to the greatest logit, for the copy to be used.

Float32 rounds by 6e-8 per operation: the study's trained CNNs and ResNets differ from their copies by 5e-7 to 5e-6.
"""
NOISE = 8 / 255  # size of the noise, as large as attacks usually are
_RELU_FUNCTIONS = (functional.relu, torch.relu, "relu")


def attack_copy(model: nn.Module, images: Tensor) -> nn.Module:
    """A copy of `model` in eval mode for attacks: BatchNorm folded, pooling before ReLU, convolutions channels_last.

    BatchNorm in eval mode is a scale and a shift, which the convolution before it can do itself. ReLU and max-pooling
    commute, values and gradients, and pooling first leaves ReLU a quarter of the work. Parameters that stay as they are
    are shared with the model. Rounding differs, so certificates take the model itself.

    A model that cannot be traced is rebuilt part by part. Where nothing can be changed, anything fails, or the logits
    on `images`, a few float32 [N, C, H, W] of what will be attacked, or on the same with noise differ by more than
    `TOLERANCE`, the model itself is returned; and where the copy fails later, the model answers in its place.
    """
    try:
        folded = _rebuilt(model)
        if folded is model:
            return model
        signs = torch.randint(2, images.shape, generator=torch.Generator().manual_seed(0)).to(images) * 2 - 1
        some = torch.cat([images, (images + NOISE * signs).clamp(0, 1)]).detach().requires_grad_(True)
        found = folded(some)
        torch.autograd.grad(found.sum(), some)
        with torch.no_grad():
            wanted = model(some)
        close = found.shape == wanted.shape and (wanted - found).abs().max() <= TOLERANCE * wanted.abs().max()
    except Exception:  # tracing and running call the model's own code, which may raise anything
        return model
    return _Copy(folded, model) if close else model


class _Copy(nn.Module):
    """The fast copy of a model, and from its first error on the model."""

    def __init__(self, copied: nn.Module, model: nn.Module) -> None:
        super().__init__()
        self.copied: nn.Module | None = copied
        self._model = (model,)  # whose parts are not the copy's

    def forward(self, images: Tensor) -> Tensor:
        """Logits [N, K] of images [N, C, H, W]."""
        if self.copied is not None:
            try:
                return self.copied(images)
            except Exception:  # such as a batch's size, which tracing has fixed
                self.copied = None
        return self._model[0](images)


class _Half(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = copy.deepcopy(model).to(torch.bfloat16)

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images.to(torch.bfloat16)).float()


def half_copy(model: nn.Module) -> nn.Module:
    """A copy of a model, in eval mode, that computes in bfloat16, or where it fails the model; float32 in and out."""
    return _Copy(_Half(model.copied if isinstance(model, _Copy) and model.copied else model), model).eval()


def _rebuilt(module: nn.Module) -> nn.Module:
    """`module` itself where nothing in it can be changed, else a new module that shares all other parts."""
    try:
        traced = fx.symbolic_trace(module)
    except Exception:  # the module's own code runs on a placeholder here
        children = {name: _rebuilt(child) for name, child in module.named_children()}
        if all(children[name] is child for name, child in module.named_children()):
            return module
        rebuilt = copy.copy(module)
        # torch.compile's wrapper would hand an attribute that is set to the model inside it.
        rebuilt.__dict__["_modules"] = {**module._modules, **children}
        return rebuilt
    folded, own = fuse(traced, inplace=True, no_trace=True), set(module.modules())
    assert isinstance(folded, fx.GraphModule)
    for part in folded.modules():
        if isinstance(part, (nn.Conv2d, nn.Linear)) and part not in own:
            part.requires_grad_(False).to(memory_format=torch.channels_last)
    moved = _pool_first(folded)
    if not moved and len(folded.graph.nodes) == len(traced.graph.nodes):
        return module
    folded.delete_all_unused_submodules()
    folded.recompile()
    return folded.eval()


def _pool_first(traced: fx.GraphModule) -> int:
    """Move each ReLU that only feeds a max-pooling behind it; returns how many."""
    modules, moved = dict(traced.named_modules()), 0
    for node in list(traced.graph.nodes):
        if node.op != "call_module" or not isinstance(modules[str(node.target)], nn.MaxPool2d):
            continue
        relu = node.args[0]
        if relu.op == "call_module":
            found = isinstance(modules[str(relu.target)], nn.ReLU)
        else:
            found = relu.op in ("call_function", "call_method") and relu.target in _RELU_FUNCTIONS
        if not found or len(relu.users) > 1:
            continue
        node.replace_input_with(relu, relu.args[0])
        with traced.graph.inserting_after(node):
            late = traced.graph.call_function(functional.relu, (node,))
        node.replace_all_uses_with(late, delete_user_cb=lambda user, late=late: user is not late)
        traced.graph.erase_node(relu)
        moved += 1
    return moved
