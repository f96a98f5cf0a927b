"""Starts from a stress test whose network takes normalised images. AutoAttack wants pixels in [0, 1], so the images are
de-normalised for it, but the network that it is given does not normalise, and calls nearly all of them one class.

What changes is the line marked `ours`: AutoAttack is given the network with its normalisation inside.
"""

import torch
from torch import nn

from mri_robust import PGD, FitSettings, as_torchattack, build_model, fit, load_dataset

# The study's CNN; `network` takes normalised images, `model` is normalisation and network in one.
data = load_dataset("phantom:train=400,test=100", size=32, channels="rgb")
torch.manual_seed(0)
model = build_model("cnn", classes=data.classes, image_size=32, channels="rgb")
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
fit(model, data.train.images, data.train.labels, optimizer=optimizer, settings=FitSettings(epochs=8, batch_size=32))
network, mean, std = model.network, model.mean, model.std
chosen = torch.randperm(len(data.test.labels), generator=torch.Generator().manual_seed(0))[:30]
pixels, labels = torch.tensor(data.test.images)[chosen] / 255, torch.tensor(data.test.labels)[chosen]
normalised = (pixels - mean) / std  # what their loader gives


def accuracy(images):
    """Of the network on normalised images."""
    with torch.no_grad():
        return float((network(images).argmax(1) == labels).float().mean())


def autoattack(attacked: nn.Module, eps: float):
    """Normalised adversarial images, and the share of images that were changed at all."""
    attack = as_torchattack("AutoAttack", attacked, eps=eps, n_classes=len(data.classes), seed=0)
    attack._autoattack.attacks[-1].n_queries = 50  # Square's, 5000 by default: to be done in seconds
    images = (normalised * std + mean).clamp(0, 1)
    adversarial = attack(images, labels)
    moved = (adversarial - images).abs().amax((1, 2, 3)) > 0
    return (adversarial - mean) / std, float(moved.float().mean())


print(f"accuracy: clean {accuracy(normalised):.2f}, on de-normalised images {accuracy(pixels):.2f}")
for grey_levels in (2, 4, 8):
    eps = grey_levels / 255
    pgd = PGD(eps, alpha=eps / 4, steps=10)(model, pixels, labels)
    print(f"{grey_levels}/255: PGD leaves {accuracy((pgd - mean) / std):.2f}", end="")
    for name, attacked in {
        "AutoAttack on the network alone": network,
        "on network and normalisation": model,  # ours
    }.items():
        adversarial, moved = autoattack(attacked, eps)
        print(f", {name} {accuracy(adversarial):.2f} (changed {moved:.2f})", end="")
    print()
