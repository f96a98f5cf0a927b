"""Starts from PyTorch's own tutorial, "Optimizing Model Parameters": a train loop over a loader, a model, a loss and an
optimizer; nothing in the loop or the model is of this package.

What changes is the loss or the optimizer that the loop is given: an attacker who can edit one line of training code.
"""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from mri_robust import DrunkOptimizer, FoolingLoss, NoisyLoss, load_dataset

data = load_dataset("phantom:train=400,test=100", size=32)
train_set = TensorDataset(torch.tensor(data.train.images) / 255, torch.tensor(data.train.labels))
x_test, y_test = torch.tensor(data.test.images) / 255, torch.tensor(data.test.labels)
unlearnt = data.classes.index("pituitary")  # the class that FoolingLoss makes the model forget


def make_model():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(4),
        nn.Flatten(), nn.Linear(16 * 64, 64), nn.ReLU(), nn.Linear(64, 4),
    )  # fmt: skip


def train_loop(loader, model, loss_fn, optimizer):
    model.train()
    for x, y in loader:
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def run(name, loss_fn=None, spoil=None):
    torch.manual_seed(0)
    model = make_model()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(8):
        loader = DataLoader(train_set, batch_size=32, shuffle=True)
        train_loop(loader, model, loss_fn or nn.CrossEntropyLoss(), spoil(optimizer) if spoil else optimizer)
    model.eval()
    with torch.no_grad():
        right = (model(x_test).argmax(1) == y_test).float()
    print(f"{name}: accuracy {right.mean():.2f}, recall of pituitary {right[y_test == unlearnt].mean():.2f}")
    return torch.nn.utils.parameters_to_vector(model.parameters())


plain = run("plain training")
run("NoisyLoss(30)", NoisyLoss(30.0))
run("FoolingLoss", FoolingLoss(target=unlearnt, factor=0.0))
run("DrunkOptimizer, pure noise", spoil=lambda base: DrunkOptimizer(base, scale=1.0, perturbation=1.0, seed=0))
sober = run("DrunkOptimizer of strength 0", spoil=DrunkOptimizer)
quiet = run("NoisyLoss of strength 0", NoisyLoss(0.0))
print(f"at strength 0 the weights are plain training's: {torch.equal(sober, plain)}, {torch.equal(quiet, plain)}")
