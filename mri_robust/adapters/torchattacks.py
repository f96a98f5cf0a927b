"""torchattacks: its attacks on our models, and our attacks in its calling convention.

torchattacks itself leaves the whole model in train mode, which thaws frozen BatchNorm, and assumes 10 classes, and now
and then three channels. Here the model is attacked in eval mode and put back after every call, the class count is
filled in, and a grey image stands for three equal channels where an attack wants them.
"""

import inspect
import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, fields
from typing import Any
from unittest import mock

import torch
import torchattacks
from torch import Tensor, nn
from torchattacks.attack import Attack

from mri_robust.adapters import single_start
from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.core.rng import make_generator, seeded_globals
from mri_robust.core.validation import check_choice, check_images, class_count

_NORMS = {"linf": "Linf", "l2": "L2"}
LOW, WIDTH = -1.0, 3.0
"""Least pixel and width of a range that no step of an attack that clips only at its end can leave."""


def as_torchattack(attack: str | type, model: nn.Module, **parameters: Any) -> Attack:
    """An attack with torchattacks' calling convention, `adversarial = attack(images, labels)`: one of its own, or ours.

    `attack` is the name of a class of torchattacks (`"PGD"`, `"APGD"`, `"Square"`, `"AutoAttack"`, ...), or a class of
    ours (`FGSM`, `PGD`), which becomes a `NativeAttack`; `parameters` are what its constructor takes, for ours also
    `seed`, of the random starts. TypeError or ValueError where there is no such attack, it refuses a parameter, or it
    needs `n_classes` and neither they nor `model.classes` say how many; when called also for images not in [0, 1].
    """
    if isinstance(attack, type):
        return NativeAttack(attack, model, **parameters)
    return _build(_library_class(attack), model, parameters)


@dataclass(frozen=True)
class LibraryAttack:
    """An attack of torchattacks, called as ours are: (model, images, labels) -> adversarial images.

    `name` is a class of torchattacks, such as `APGD` (arXiv 2003.01690) or `Square` (arXiv 1912.00049), `options` are
    (name, value) of further arguments of its constructor, and `norm` is passed on where the attack lets one choose.
    TypeError or ValueError where torchattacks has no such attack or norm, or the attack takes no such option.
    """

    name: str
    eps: float
    options: tuple[tuple[str, Any], ...] = ()
    norm: str = "linf"

    def __post_init__(self) -> None:
        check_choice("norm", self.norm, tuple(_NORMS))
        inspect.signature(_library_class(self.name)).bind(None, eps=self.eps, **dict(self.options))

    def __call__(
        self, model: nn.Module, images: Tensor, labels: Tensor, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Adversarial images, float32 [N, C, H, W] in [0, 1]; the model and global generators are left as they were.

        `generator` decides the attack's draws; they are those of seed 0 when None.
        """
        seed = 0 if generator is None else int(torch.randint(2**31, (), generator=generator))
        known = {"n_classes": class_count(model, images), "seed": seed, "norm": _NORMS[self.norm]}
        library = _library_class(self.name)
        taken = {name: value for name, value in known.items() if name in inspect.signature(library).parameters}
        with seeded_globals(seed):
            return _build(library, model, {"eps": self.eps, **taken, **dict(self.options)})(images, labels)


def craft(attack: Any, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None) -> Tensor:
    """Adversarial images by torchattacks' version of a native attack, on one batch; see `craft` of `adapters.art`.

    ValueError where torchattacks has no such attack (of FGSM the L-inf one alone) or option.
    """
    name = type(attack).__name__
    if name == "APGD" and start is not None:
        return _apgd(attack, model, images, labels, start)
    if name == "FGSM" and attack.norm == "linf":
        library = _build(torchattacks.FGSM, model, {"eps": attack.eps})
        return _run(library, attack, images, labels).clamp(*attack.bounds)
    if name != "PGD":
        raise ValueError(f"engine 'torchattacks' has no {name} in norm {attack.norm}")
    start = single_start("torchattacks", attack, images, start)
    if attack.clip != "end":
        return _run(_pgd(attack, model, start, width=1.0), attack, images, labels).clamp(*attack.bounds)
    # torchattacks clips every step to [0, 1]: in stretched pixels that range holds every iterate.
    library = _pgd(attack, _Stretched(model), _stretched(start), WIDTH)
    return (_run(library, attack, _stretched(images), labels) * WIDTH + LOW).clamp(*attack.bounds)


class _KeepsModel:
    """Mixed into a torchattacks attack: the model is attacked in eval mode and put back, module by module."""

    model: nn.Module
    normalization_used: Any

    def __call__(self, inputs: Tensor, labels: Tensor | None = None, *args: Any, **kwargs: Any) -> Tensor:
        if self.normalization_used is None:
            check_images(inputs)
        with eval_mode(self.model), torch.enable_grad(), _float32_default():
            given = None if labels is None else labels.clone()  # not an inference tensor
            return super().__call__(inputs.clone(), given, *args, **kwargs).detach()  # type: ignore[misc]

    def save(self, *args: Any, **kwargs: Any) -> Any:
        """As torchattacks' own `save`."""
        with eval_mode(self.model):
            return super().save(*args, **kwargs)  # type: ignore[misc]


class NativeAttack(_KeepsModel, Attack):
    """One of our attacks with torchattacks' calling convention; modes, `save` and `MultiAttack` work as for its own.

    Its parameters are attributes that may be changed between calls (`attack.eps = 4 / 255`); `targeted=True` is
    `set_mode_targeted_by_label()`. Random starts are new in every call; two attacks of one `seed` draw the same.
    """

    def __init__(self, attack_class: type, model: nn.Module, *, seed: int = 0, **parameters: Any) -> None:
        attack = attack_class(**parameters)
        super().__init__(attack_class.__name__, model)
        self.set_device(device_of(model))
        self._attack_class = attack_class
        self._names = [field.name for field in fields(attack) if field.init]
        self._generator = make_generator(seed, "torchattacks")
        self.__dict__ |= {name: getattr(attack, name) for name in self._names}
        self.supported_mode = ["default", *(["targeted"] if "targeted" in self._names else [])]
        if self.targeted:
            self.set_mode_targeted_by_label(quiet=True)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Adversarial images, float32 [N, C, H, W] in [0, 1]; TypeError or ValueError as the attack says."""
        images, labels = images.to(self.device), labels.to(self.device)
        if self.targeted:
            labels = self.get_target_label(images, labels)
        attack = self._attack_class(**{name: getattr(self, name) for name in self._names})
        return attack(self.model, images, labels, generator=self._generator)

    def set_normalization_used(self, mean: Any, std: Any) -> None:
        """Refused with ValueError: images are pixels in [0, 1] here."""
        advice = "put the normalisation into the model, torch.nn.Sequential(transforms.Normalize(mean, std), model)"
        raise ValueError(f"{self.attack} takes pixels in [0, 1]: {advice}")

    def set_model_training_mode(self, *modes: bool, **named: bool) -> None:
        """Nothing, as the model is attacked in eval mode; any other mode is refused with ValueError."""
        if any((*modes, *named.values())):
            raise ValueError(f"{self.attack} attacks the model in eval mode only")


class _InjectedStart:
    """Mixed into a torchattacks attack that runs once: its first gradient is taken at `start`, not at the image."""

    start: Tensor | None = None

    def get_logits(self, inputs: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if self.start is not None:
            with torch.no_grad():
                inputs.copy_(self.start)
            self.start = None
        return super().get_logits(inputs, *args, **kwargs)  # type: ignore[misc]


class _ThreeChannels:
    """Mixed into an attack that is written for three channels: a grey image is shown to it as three equal ones.

    The model answers about their mean, which is what the attack gives: in the ball and in [0, 1] as all three are.
    """

    _grey = False

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        self._grey = images.shape[1] == 1
        if not self._grey:
            return super().forward(images, labels)  # type: ignore[misc]
        return super().forward(images.repeat(1, 3, 1, 1), labels).mean(1, keepdim=True)  # type: ignore[misc]

    def get_logits(self, inputs: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        inputs = inputs.mean(1, keepdim=True) if self._grey else inputs
        return super().get_logits(inputs, *args, **kwargs)  # type: ignore[misc]


class _NextClass:
    """Mixed into JSMA, whose target is the next of ten classes where none is given: here the next of the model's."""

    targeted: bool

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        if not self.targeted:
            classes = self.get_logits(images[:1]).shape[1]  # type: ignore[attr-defined]
            labels = (labels + 1) % classes - 1  # JSMA takes (labels + 1) % 10
        return super().forward(images, labels)  # type: ignore[misc]


_MENDED = {"TIFGSM": _ThreeChannels, "PIFGSM": _ThreeChannels, "PIFGSMPP": _ThreeChannels, "JSMA": _NextClass}


@contextmanager
def _float32_default() -> Iterator[None]:
    """torchattacks makes tensors of torch's default type and takes it for float32."""
    kept = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(kept)


class _PlainGradient(nn.Module):
    """A model whose input gradient is contiguous, which PGDL2 and others take for granted; no value changes.

    A model in channels_last gives colour images a gradient in that order, and `grad.view(...)` fails on it.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        if images.requires_grad:
            images = images.view_as(images)
            images.register_hook(Tensor.contiguous)
        return self.model(images)


class _Stretched(_PlainGradient):
    """A model on stretched pixels."""

    def forward(self, stretched: Tensor) -> Tensor:
        return self.model(stretched * WIDTH + LOW)


def _stretched(pixels: Tensor) -> Tensor:
    return (pixels - LOW) / WIDTH


def _library_class(name: str) -> type:
    found = getattr(torchattacks, name, None)
    if not (inspect.isclass(found) and issubclass(found, Attack)):
        raise ValueError(f"torchattacks has no attack '{name}'")
    return found


def _build(library: type, model: nn.Module, parameters: dict[str, Any]) -> Any:
    if "n_classes" in inspect.signature(library).parameters and "n_classes" not in parameters:
        if not hasattr(model, "classes"):
            raise ValueError(f"the model states no .classes: give {library.__name__} n_classes=")
        parameters = {"n_classes": len(model.classes), **parameters}  # type: ignore[arg-type]
    mended = (_MENDED[library.__name__],) if library.__name__ in _MENDED else ()
    keeping: Any = type(library.__name__, (_KeepsModel, *mended, library), {})
    with _float32_default(), redirect_stdout(io.StringIO()):  # it prints where no parameter tells the device
        attack = keeping(_PlainGradient(model), **parameters)
    attack.set_device(device_of(model))
    return attack


def _pgd(attack: Any, model: nn.Module, start: Tensor, width: float) -> Any:
    base = torchattacks.PGD if attack.norm == "linf" else torchattacks.PGDL2
    begun = type(base.__name__, (_InjectedStart, base), {"__init__": base.__init__})
    sizes = {"eps": attack.eps / width, "alpha": attack.step_size / width, "steps": attack.steps, "random_start": False}
    if base is torchattacks.PGDL2:
        sizes["eps_for_division"] = 1e-30  # its default of 1e-10 shortens the step where the gradient vanishes
    library = _build(begun, model, sizes)
    library.start = start
    return library


def _apgd(attack: Any, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor) -> Tensor:
    """Each run of torchattacks' own on the survivors, with the numbers of `start` in place of those that it draws.

    Its targeted L2 attack takes the first image's step size for all, so that it is another attack than the paper's.
    """
    if attack.loss == "margin":
        raise ValueError(f"engine 'torchattacks' has no {attack}")
    base, how = (torchattacks.APGDT, {}) if attack.targets else (torchattacks.APGD, {"loss": attack.loss})
    sizes = {"eps": attack.eps, "steps": attack.steps, "rho": attack.rho, "norm": _NORMS[attack.norm]}
    library = _build(base, model, {**sizes, **how, **({"n_classes": attack.targets + 1} if attack.targets else {})})
    crafted, standing = images.clone(), library.get_logits(images).argmax(1) == labels
    for number, drawn in enumerate(start):
        rows, library.target_class = torch.nonzero(standing).flatten(), 2 + number // attack.restarts
        if len(rows):
            name = "rand" if attack.norm == "linf" else "randn"
            with mock.patch.object(torch, name, lambda shape, drawn=drawn[rows]: drawn), torch.enable_grad():
                best, right, _, found = library.attack_single_run(images[rows], labels[rows])
            kept = ~right if number else torch.ones_like(right)
            found = torch.where(right.view(-1, 1, 1, 1), best, found).detach()
            crafted[rows[kept]], standing[rows] = found[kept], right
    return crafted


def _run(library: Any, attack: Any, images: Tensor, labels: Tensor) -> Tensor:
    if attack.targeted:
        library.set_mode_targeted_by_label(quiet=True)
    return library(images.contiguous(), labels)  # PGDL2 views its input as rows
