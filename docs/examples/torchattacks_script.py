"""Starts from a torchattacks script, as in its README: a model, a loader, attacks, MultiAttack, targeted modes, save.

What changes are the lines marked `ours`: `as_torchattack` in the place of `torchattacks.FGSM` and `torchattacks.PGD`.
"""

import torch
import torchattacks
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from mri_robust import FGSM, PGD, as_torchattack, load_dataset

# A trained model and test images in [0, 1].
data = load_dataset("phantom:train=400,test=100", size=32)
torch.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(4),
    nn.Flatten(), nn.Linear(16 * 64, 64), nn.ReLU(), nn.Linear(64, 4),
)  # fmt: skip
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
train_set = TensorDataset(torch.tensor(data.train.images) / 255, torch.tensor(data.train.labels))
for x, y in [batch for _ in range(8) for batch in DataLoader(train_set, batch_size=32, shuffle=True)]:
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
model.eval()
images, labels = torch.tensor(data.test.images) / 255, torch.tensor(data.test.labels)
loader = DataLoader(TensorDataset(images, labels), batch_size=50)


def accuracy(attack=None):
    crafted = [(attack(x, y) if attack else x, y) for x, y in loader]
    with torch.no_grad():
        return sum(int((model(x).argmax(1) == y).sum()) for x, y in crafted) / len(labels)


EPS, STEPS = 4 / 255, {"eps": 4 / 255, "alpha": 1 / 255, "steps": 10, "random_start": False}
theirs = {"FGSM": torchattacks.FGSM(model, eps=EPS), "PGD": torchattacks.PGD(model, **STEPS)}
ours = {"FGSM": as_torchattack(FGSM, model, eps=EPS), "PGD": as_torchattack(PGD, model, **STEPS)}  # ours

print(f"accuracy: clean {accuracy():.2f}")
for name in theirs:
    equal = torch.equal(ours[name](images, labels), theirs[name](images, labels))
    print(f"{name}: torchattacks' leaves {accuracy(theirs[name]):.2f}, ours {accuracy(ours[name]):.2f}, equal: {equal}")

restart = as_torchattack(PGD, model, eps=EPS, alpha=1 / 255, steps=10, seed=1)  # ours, from a random start
multi = torchattacks.MultiAttack([theirs["FGSM"], ours["PGD"], restart])
print(f"MultiAttack of torchattacks' FGSM and our PGD from two starts leaves {accuracy(multi):.2f}")

for attack in (theirs["PGD"], ours["PGD"]):
    attack.set_mode_targeted_least_likely(quiet=True)
aimed = [attack(images, labels) for attack in (theirs["PGD"], ours["PGD"])]
print(f"targeted at the least likely class: ours equals torchattacks': {torch.equal(*aimed)}")

robust, *_ = ours["FGSM"].save(loader, verbose=False, return_verbose=True)
print(f"save() reports a robust accuracy of {robust / 100:.2f} under our FGSM")
