"""Starts from a torchvision model, trained with a plain loop and judged by FGSM at one epsilon.

What changes: the model gets its accuracy over epsilon, exact for every image, sanity checks that say whether to believe
it, and a certificate that on this very model the attacks are those of ART and torchattacks.
"""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.models.resnet import BasicBlock, ResNet
from torchvision.transforms import Normalize

from mri_robust import PGD, crosscheck, epsilon_curve, load_dataset, sanity_checks

# Their data, model and training.
data = load_dataset("phantom:train=400,test=100", size=32, channels="rgb")
x_train, y_train = torch.tensor(data.train.images) / 255, torch.tensor(data.train.labels)
x_test, y_test = torch.tensor(data.test.images[:60]) / 255, torch.tensor(data.test.labels[:60])
torch.manual_seed(0)
resnet10 = ResNet(BasicBlock, [1, 1, 1, 1], num_classes=4)
model = nn.Sequential(Normalize([0.2] * 3, [0.2] * 3), resnet10)  # takes pixels in [0, 1]
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for _ in range(2):
    for x, y in DataLoader(TensorDataset(x_train, y_train), batch_size=32, shuffle=True):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
model.eval()

# Their evaluation, by hand.
images = x_test.clone().requires_grad_(True)
nn.functional.cross_entropy(model(images), y_test).backward()
attacked = (x_test + 2 / 255 * images.grad.sign()).clamp(0, 1)
with torch.no_grad():
    by_hand = (model(attacked).argmax(1) == y_test).float().mean()
print(f"by hand: FGSM at 2/255 leaves {by_hand:.2f}")

# Ours.
epsilons = [1 / 255, 2 / 255, 4 / 255]
for name, attack in {"fgsm": "fgsm", "pgd": lambda eps: PGD(eps, alpha=eps / 4, steps=5)}.items():
    curve = epsilon_curve(model, x_test, y_test, epsilons, attack=attack)
    print(f"{name} at 0, 1, 2, 4 /255:", " ".join(f"{accuracy:.2f}" for accuracy in curve["accuracy"]))
findings = sanity_checks(model, x_test, y_test)
print(f"sanity checks: {sum(not finding.tripped for finding in findings)} of {len(findings)} passed")
for finding in findings:
    if finding.tripped:
        print(f"  {finding.check}: {finding.message}")
print(crosscheck(model, x_test[:4], y_test[:4]).verdict())
