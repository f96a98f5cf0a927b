"""Extraction: a copy of a model trained on its answers (Tramèr et al. 2016, arXiv 1609.02943).

Knockoff Nets (Orekondy et al. 2019, arXiv 1812.02766) learns from probabilities, Copycat CNN (Correia-Silva et al.
2018, arXiv 1806.05476) from labels.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mri_robust.core.eval_mode import device_of
from mri_robust.core.validation import check_choice, check_count, check_number

QUERIES = ("noise", "phantom", "training images")
"""Kinds of queries: independent uniform pixels, synthetic slices, or images like those the victim was trained on."""
QUERY_BATCH = 64


@dataclass(frozen=True)
class Extraction:
    """Steal a model f: query it with B images x, and train a copy g, the thief, on the answers f(x).

    g minimises the mean over x of the cross entropy H(f(x), g(x)) by Adam, whose `learning_rate` falls to zero along a
    cosine; with `labels_only` f(x) is one-hot.

    `queries` is one of `QUERIES`, `budget` their number B. With `labels_only` this is Copycat CNN, else Knockoff Nets.
    `updates` is the least number of steps of `batch_size` queries, in whole passes over all, however small the budget.
    """

    queries: str
    budget: int
    labels_only: bool = False
    updates: int = 200
    batch_size: int = 32
    learning_rate: float = 5e-4

    def __post_init__(self) -> None:
        check_choice("queries", self.queries, QUERIES)
        for name in ("budget", "updates", "batch_size"):
            check_count(name, getattr(self, name))
        check_number("learning_rate", self.learning_rate, 0.0, open_low=True)

    def epochs(self, queries: int) -> int:
        """Passes over this number of queries."""
        return math.ceil(self.updates / math.ceil(queries / self.batch_size))

    def optimizer(self, thief: nn.Module, queries: int) -> torch.optim.Optimizer:
        """The optimizer of a thief that learns from this number of queries; each step lowers its learning rate."""
        adam = torch.optim.Adam(thief.parameters(), lr=self.learning_rate, fused=True)
        steps = self.epochs(queries) * math.ceil(queries / self.batch_size)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
        adam.register_step_post_hook(lambda *_: cosine.step())
        return adam

    def draw(self, pool: np.ndarray, generator: torch.Generator) -> Tensor:
        """The queries, float32 [budget, C, S, S] in [0, 1], drawn without repetition from the pool, uint8 [N, C, S, S].

        With equal generators, a smaller budget takes a subset of the images of a larger one. For noise only the shape
        of the pool's images counts, else ValueError where it holds fewer than the budget.
        """
        if self.queries == "noise":
            return torch.rand(self.budget, *pool.shape[1:], generator=generator)
        if len(pool) < self.budget:
            raise ValueError(f"a budget of {self.budget} queries needs as many images, got {len(pool)}")
        places = torch.randperm(len(pool), generator=generator)[: self.budget].numpy()
        return torch.from_numpy(pool[places]).float() / 255

    def __call__(
        self, victim: Callable[[Tensor], Tensor], thief: nn.Module, queries: Tensor, *, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Query `victim` and train `thief` in place; it is left in train mode.

        The victim answers images with probabilities [N, K] and is asked once per image, the thief gives logits [N, K].
        `queries` are from `draw`. The generator decides the order of the training batches and the thief's own draws.
        Returns the queries, and the answers [B, K] that the thief learned from, both on the CPU.
        """
        device = device_of(thief)
        with torch.no_grad():
            answers = torch.cat([victim(some.to(device)) for some in queries.split(QUERY_BATCH)]).cpu()
        if self.labels_only:
            answers = functional.one_hot(answers.argmax(1), answers.shape[1]).float()
        optimizer = self.optimizer(thief, len(queries))
        thief.train()
        with torch.random.fork_rng(devices=[]):  # dropout draws from the global generator
            torch.manual_seed(int(torch.randint(2**48, (), generator=generator)))
            for _ in range(self.epochs(len(queries))):
                for some in torch.randperm(len(queries), generator=generator).split(self.batch_size):
                    loss = functional.cross_entropy(thief(queries[some].to(device)), answers[some].to(device))
                    optimizer.zero_grad(set_to_none=True)
                    loss.backward()
                    optimizer.step()
        return queries, answers
