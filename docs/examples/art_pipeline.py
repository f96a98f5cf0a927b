"""Starts from a script that does everything through ART, in the manner of its examples and notebooks: train a
PyTorchClassifier, attack it with PGD, poison it, loop over detectors. What changes are the three lines marked `ours`.
"""

import numpy as np
import torch
from art.attacks.evasion import ProjectedGradientDescent
from art.attacks.poisoning import PoisoningAttackBackdoor
from art.defences.detector.evasion import BinaryInputDetector
from torch import nn

from mri_robust import Creeper, Snooper, as_art_classifier, as_art_detector, load_dataset

data = load_dataset("phantom:train=400,test=100", size=32)
x_train, y_train = np.float32(data.train.images) / 255, data.train.labels
x_test, y_test = np.float32(data.test.images) / 255, data.test.labels
healthy = data.classes.index("notumor")
torch.manual_seed(0)


def make_classifier(classes):
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(4),
        nn.Flatten(), nn.Linear(16 * 64, 64), nn.ReLU(), nn.Linear(64, classes),
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    return as_art_classifier(model, optimizer=optimizer, nb_classes=classes, input_shape=(1, 32, 32))  # ours


def share(classifier, x, y):
    return np.mean(np.argmax(classifier.predict(x), axis=1) == y)


classifier = make_classifier(4)
classifier.fit(x_train, y_train, batch_size=32, nb_epochs=8)
attack = ProjectedGradientDescent(classifier, eps=4 / 255, eps_step=1 / 255, max_iter=10, verbose=False)
x_test_adv = attack.generate(x=x_test, y=y_test)
print(f"accuracy: clean {share(classifier, x_test, y_test):.2f}, PGD {share(classifier, x_test_adv, y_test):.2f}")

# Poison a tenth of the tumours, and see what becomes of tumours that carry the trigger.
backdoor = PoisoningAttackBackdoor(Creeper())  # ours, for ART's add_pattern_bd
victims, tumours = np.flatnonzero(y_train != healthy)[::10], x_test[y_test != healthy]
x_poison, y_poison = x_train.copy(), y_train.copy()
x_poison[victims], y_poison[victims] = backdoor.poison(x_train[victims], y=np.full(len(victims), healthy))
poisoned = make_classifier(4)
poisoned.fit(x_poison, y_poison, batch_size=32, nb_epochs=8)
stamped, _ = backdoor.poison(tumours, y=np.full(len(tumours), healthy))
plain, triggered = share(poisoned, tumours, healthy), share(poisoned, stamped, healthy)
print(f"poisoned: tumours called healthy {plain:.2f}, with the trigger {triggered:.2f}")

# Which images carry a trigger?
detectors = {
    "ART's detector": BinaryInputDetector(make_classifier(2)),
    "the snooper": as_art_detector(Snooper.create(image_size=32, architecture="cnn"), learning_rate=1e-3),  # ours
}
x_mixed, y_mixed = np.concatenate([x_train, backdoor.poison(x_train, y=y_train)[0]]), np.repeat([0, 1], len(x_train))
for name, detector in detectors.items():
    detector.fit(x_mixed, y_mixed, batch_size=32, nb_epochs=2)
    caught, alarms = detector.detect(stamped)[1].mean(), detector.detect(x_test)[1].mean()
    print(f"{name}: flags {caught:.2f} of the stamped tumours and {alarms:.2f} of the clean images")
