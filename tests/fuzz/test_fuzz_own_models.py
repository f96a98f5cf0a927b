"""Whatever a user's own model does: it is audited, or refused in one line that says what is wrong with it."""

import pytest
from sandbox import Sandbox

MODULE = """
import sys
import torch
from torch import nn
from torch.nn import functional

class Odd(nn.Module):
    def __init__(self, change, **stated):
        super().__init__()
        self.last, self.change = nn.Linear(3 * 16 * 16, 4), change
        self.__dict__.update(stated)
    def forward(self, images):
        return self.change(self.last(images.flatten(1)), images)

class Cut(Odd):
    def forward(self, images):
        with torch.no_grad():
            return super().forward(images)

class Writes(Odd):
    def forward(self, images):
        return super().forward(images.mul_(0.5))

class Untrained(Odd):
    eval = None

same = lambda logits, images: logits
def cut(): return Cut(same)
def hard(): return Odd(lambda logits, images: functional.one_hot(logits.argmax(1), 4))
def writes(): return Writes(same)
def untrained(): return Untrained(same)
def pairs_only(): return Odd(lambda logits, images: logits if len(images) == 2 else 1 / 0)
def leaves_later(): return Odd(lambda logits, images: logits if len(images) == 2 else sys.exit(0))
def nan_later(): return Odd(lambda logits, images: logits if len(images) == 2 else logits * float('nan'))
def huge(): return Odd(lambda logits, images: logits * 1e30)
def double(): return Odd(lambda logits, images: logits.double())
def complex_numbers(): return Odd(lambda logits, images: logits.to(torch.complex64))
def flat(): return Odd(lambda logits, images: logits.flatten())
def deep(): return Odd(lambda logits, images: logits[..., None])
def random(): return Odd(lambda logits, images: logits + torch.randn_like(logits))
def constant(): return Odd(lambda logits, images: logits * 0)
def mute(): return Odd(lambda logits, images: None)
def states_odd_things(): return Odd(same, image_size=(16, 16), channels=3, classes=5)
def states_a_large_size(): return Odd(same, image_size=10**6)
def states_two_classes(): return Odd(same, classes=['a', 'b'])
"""
NAMES = [line.split()[1].partition("(")[0] for line in MODULE.splitlines() if line.startswith("def ")]
WORK = {"cut", "huge", "deep", "double", "random", "constant", "states_odd_things", "states_a_large_size"}
"""Those that have an accuracy, if a strange one; under `random` the cross-check must fail."""
DATA = ("--data", "phantom:train=8,test=8", "--images", 4, "--size", 16)
ATTACK = ("--eps", "8/255", "--steps", 2, "--restarts", 1)


@pytest.mark.parametrize("name", NAMES)
def test_odd_models(name: str, sandbox: Sandbox) -> None:
    (sandbox.work / "odd.py").write_text(MODULE)
    words = ("audit", "worst-case", "--model", f"odd:{name}", *DATA, *ATTACK, "--device", "cpu", "--out", "out")
    answer = sandbox.command(*words, verdicts=(1,) if name == "random" else (0,))
    assert (answer is not None) == (name in WORK)
    assert (sandbox.out / "report.html").exists() == (name in WORK)
    if name == "cut":
        assert "zero-gradients" in answer.stdout


def test_a_stated_size_that_no_image_has_is_not_believed(sandbox: Sandbox) -> None:
    """It is read at 224 pixels instead, which this model does not take."""
    (sandbox.work / "odd.py").write_text(MODULE)
    words = ("audit", "worst-case", "--model", "odd:states_a_large_size", *DATA[:4], "--device", "cpu", "--out", "out")
    assert sandbox.command(*words) is None
