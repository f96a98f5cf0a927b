"""Our attacks as torchattacks attacks: `attack = X(model, eps=...)`, `adversarial = attack(images, labels)`."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import torch
from torch import Tensor, nn
from torchattacks.attack import Attack

from mri_robust.core.eval_mode import device_of, eval_mode
from mri_robust.core.rng import make_generator


class Borrowing:
    """Mixed into a torchattacks attack: the model is attacked in eval mode and put back, module by module.

    torchattacks itself leaves the whole model in train mode, which thaws frozen BatchNorm.
    """

    model: nn.Module

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        """Adversarial images; the arguments are torchattacks', (images, labels)."""
        with eval_mode(self.model), torch.enable_grad():
            return super().__call__(*args, **kwargs)  # type: ignore[misc]

    def save(self, *args: Any, **kwargs: Any) -> Any:
        """As torchattacks' own `save`."""
        with eval_mode(self.model):
            return super().save(*args, **kwargs)  # type: ignore[misc]


class NativeAttack(Borrowing, Attack):
    """One of our attacks with torchattacks' calling convention.

    The attack's parameters are attributes that may be changed between calls (`attack.eps = 4 / 255`). Targeted modes,
    `save` and `MultiAttack` work as for torchattacks' own.

    Args:
        attack_class: a frozen dataclass such as `FGSM` or `PGD`.
        model: takes float32 images [N, C, H, W] in [0, 1], gives logits.
        seed: of random starts, which are new in every call; two attacks of one seed draw the same.
        parameters: what `attack_class` takes; `targeted=True` is `set_mode_targeted_by_label()`.

    Raises:
        TypeError, ValueError: the attack refuses a parameter.
    """

    def __init__(self, attack_class: type, model: nn.Module, *, seed: int = 0, **parameters: Any) -> None:
        attack = attack_class(**parameters)
        super().__init__(attack_class.__name__, model)
        self.set_device(device_of(model))
        self._attack_class = attack_class
        self._names = [field.name for field in fields(attack) if field.init]
        self._generator = make_generator(seed, "torchattacks")
        for name in self._names:
            setattr(self, name, getattr(attack, name))
        if "targeted" in self._names:
            self.supported_mode = ["default", "targeted"]
        if self.targeted:
            self.set_mode_targeted_by_label(quiet=True)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Adversarial images, float32 [N, C, H, W] in [0, 1].

        Raises:
            TypeError, ValueError: images or labels are not as said, or a changed parameter is out of range.
        """
        images, labels = images.to(self.device), labels.to(self.device)
        if self.targeted:
            labels = self.get_target_label(images, labels)
        attack = self._attack_class(**{name: getattr(self, name) for name in self._names})
        return attack(self.model, images, labels, generator=self._generator)

    def set_normalization_used(self, mean: Any, std: Any) -> None:
        """Refused: images are pixels in [0, 1] here.

        Raises:
            ValueError: always; it says what to do instead.
        """
        raise ValueError(
            f"{self.attack} takes pixels in [0, 1]: put the normalisation into the model, "
            "torch.nn.Sequential(torchvision.transforms.Normalize(mean, std), model)"
        )

    def set_model_training_mode(
        self, model_training: bool = False, batchnorm_training: bool = False, dropout_training: bool = False
    ) -> None:
        """Nothing, as the model is attacked in eval mode; any other mode is refused.

        Raises:
            ValueError: train mode is asked for.
        """
        if model_training or batchnorm_training or dropout_training:
            raise ValueError(f"{self.attack} attacks the model in eval mode only")
