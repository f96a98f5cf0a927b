"""NoisyLoss: cross entropy of logits with noise on them (the study's section 4.4, table 5)."""

import torch
from torch import Tensor, nn

from mri_robust.core.rng import make_generator
from mri_robust.core.validation import check_count, check_number


class NoisyLoss(nn.CrossEntropyLoss):
    """J(z, y) = mean CE(z + strength * (n - 1/2), y), with n drawn from N(0, 1) for each logit and each call.

    The study's -1/2 shifts all logits of an image alike and cancels in softmax: the loss and its gradient are those of
    z + strength * n. The labels stay right, so the gradient still points the right way on average.

    It is a `CrossEntropyLoss`, as ART gives one-hot labels to any other class. The noise comes from a CPU generator of
    its own, seeded with `seed`: it is the same on every device and does not touch the global state. The generator's
    state is part of `state_dict()`; a loss that loads it continues where the saved one stopped. `strength` is the
    standard deviation of the noise, in units of the logits, 0 or more; at 0 this is cross entropy exactly.
    """

    def __init__(self, strength: float, *, seed: int = 0) -> None:
        check_number("strength", strength, 0.0)
        check_count("seed", seed, 0)
        super().__init__()
        self.strength = float(strength)
        self._generator = make_generator(int(seed), "noisy-loss")

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss, a scalar, of logits [N, K] and int64 labels [N]."""
        return super().forward(logits + self.strength * (self.draw(logits) - 0.5), labels)

    def draw(self, logits: Tensor) -> Tensor:
        """The noise n of one call: of the logits' shape, type and device."""
        return torch.randn(logits.shape, dtype=logits.dtype, generator=self._generator).to(logits.device)

    def get_extra_state(self) -> Tensor:
        """The generator's state, for `state_dict()`."""
        return self._generator.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        """Continue from a saved state, whatever device it was loaded to."""
        self._generator.set_state(state.cpu())

    def extra_repr(self) -> str:
        """The parameters, for `repr`."""
        return f"strength={self.strength:g}"
