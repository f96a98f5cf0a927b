"""Several classifiers as one module: the weighted sum of their logits (section 5.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mri_robust.models.classifier import Classifier


class Ensemble(nn.Module):
    """logits(x) = sum of shares[i] * members[i](x); an attack on it sees the gradient of the sum.

    The study weights CNN_FGSM 1/4, CNN_PGD 1/4 and ResNet_PGD 1/2.

    The members have the same classes, image size and channels, and one share each, or ValueError is raised.
    """

    shares: Tensor
    architecture = "ensemble"

    def __init__(self, members: Sequence[Classifier], shares: Sequence[float]) -> None:
        super().__init__()
        if not members or len(members) != len(shares):
            raise ValueError(f"an ensemble needs a share per member, got {len(members)} members, {len(shares)} shares")
        shapes = {(member.classes, member.image_size, member.channels) for member in members}
        if len(shapes) > 1:
            raise ValueError(f"ensemble members differ in classes, image size or channels: {sorted(shapes, key=str)}")
        self.members = nn.ModuleList(members)
        self.register_buffer("shares", torch.tensor([float(share) for share in shares]))
        self.classes, self.image_size, self.channels = shapes.pop()

    def forward(self, images: Tensor) -> Tensor:
        """Logits [N, classes] of images [N, C, S, S] in [0, 1]."""
        return self.combine([member(images) for member in self.members])

    def combine(self, logits: Sequence[Tensor]) -> Tensor:
        """The weighted sum of the members' logits, each [N, classes]."""
        return torch.stack([share * each for share, each in zip(self.shares, logits, strict=True)]).sum(0)

    def description(self) -> dict[str, object]:
        """What it takes to build this module again, as plain data."""
        members = [member.description() for member in self.members if isinstance(member, Classifier)]
        shares = [round(float(share), 8) for share in self.shares]
        said = {"classes": list(self.classes), "image_size": self.image_size, "channels": self.channels}
        return {"architecture": self.architecture, "members": members, "shares": shares, **said}
