"""adv-lib: its APGD in place of ours, for the cross-check, where adv-lib is installed."""

from importlib.util import find_spec
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from mri_robust.core.errors import UserError


def installed() -> bool:
    """Whether adv-lib and what it imports are there."""
    return all(find_spec(name) is not None for name in ("adv_lib", "visdom"))


def craft(attack: Any, model: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None) -> Tensor:
    """Adversarial images by adv-lib's version of a native APGD without targets, see `craft` of `adapters.art`.

    Its random numbers are those of `start`. As ours, an image that is wrong at once is returned as it is, and one that
    no iterate fools as it was where its loss was greatest. UserError without adv-lib, ValueError for other attacks.
    """
    if not installed():
        raise UserError("engine 'adv-lib' needs the packages adv-lib and visdom")
    if type(attack).__name__ != "APGD" or attack.targets or attack.loss == "margin" or start is None or len(start) > 1:
        raise ValueError(f"engine 'adv-lib' has no {attack}")
    from adv_lib.attacks import auto_pgd

    crafted = images.clone()
    with torch.no_grad():
        rows = torch.nonzero(model(images).argmax(1) == labels).flatten()
    name = "rand_like" if attack.norm == "linf" else "randn_like"
    norm = float("inf") if attack.norm == "linf" else 2
    sizes = {"eps": images.new_full((len(rows),), attack.eps), "n_iter": attack.steps, "rho": attack.rho, "norm": norm}
    if len(rows):
        with mock.patch.object(torch, name, return_value=start[0, rows].clone()), torch.enable_grad():
            best, hit, _, found = auto_pgd._apgd(model, images[rows], labels[rows], loss_function=attack.loss, **sizes)
        crafted[rows] = torch.where(hit.view(-1, 1, 1, 1), found, best).detach()
    return crafted
