"""How much of the study a run repeats: everything that `quick` and `standard` cut, in one place."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from mri_robust.study.epsilon import EPSILONS, Norm


@dataclass(frozen=True)
class Scale:
    """What a run cuts against the study; the defaults are the study's own."""

    name: str  # `quick`, `small`, `standard` or `full`
    image_size: int = 224  # pixels
    batch_size: int = 8  # images a training step
    rate: float = 1.0  # factor on the study's learning rates, for larger batches and fewer steps
    anneal: bool = False  # let the learning rate fall to zero along a cosine, which short trainings need
    train_images: int | None = None  # most training images used; None for all
    epochs: dict[int, int] = field(default_factory=dict)  # study epochs -> epochs here; for ResNets, `resnet_epochs`
    resnet_epochs: dict[int, int] = field(default_factory=dict)
    whole_augmentation: bool = True  # section 5.1's augmentation in full; else flips and rotation alone
    training_steps: int = 7  # most PGD steps while training; the reach (steps * alpha) is kept
    attack_share: float = 1.0  # share of the test images that PGD attacks, and `attack_least`, the least number
    attack_least: int = 256
    epsilons: tuple[float, ...] = EPSILONS["linf"]  # of the sound protocol's attacks, pixels in [0, 1], in the `norm`
    norm: Norm = "linf"
    region: str = "all"  # where their attacks may change pixels, one of `data.REGIONS`
    steps: int = 40  # of PGD in the worst case, as are `restarts`
    restarts: int = 5
    budget: str = "standard"  # of the attacks behind it, see `SURVIVOR_ATTACKS`: none, a few, or AutoAttack's
    attacked_images: int | None = None  # the cuts of images and epochs for the many models whose training is attacked
    attacked_epochs: dict[int, int] = field(default_factory=dict)
    strengths: tuple[int, ...] = tuple(range(1, 10))  # of DrunkOptimizer where the study has no number
    pattern_growth: float = 1.0  # factor on the snooping patterns' size against the image
    strong: bool = True  # also train the models that start from scratch
    copy_images: int = 32_000  # images that a copy of a model is trained on, each counted as often as it is shown

    def in_norm(self, norm: Norm, epsilons: tuple[float, ...] | None = None) -> Scale:
        """The same with attacks in this norm, at its own epsilons when None are given."""
        return replace(self, norm=norm, epsilons=EPSILONS[norm] if epsilons is None else epsilons)

    def attack_images(self, test_images: int) -> int:
        """How many of the test images PGD attacks."""
        return min(test_images, max(self.attack_least, round(self.attack_share * test_images)))

    def cuts(self) -> list[str]:
        """What this scale cuts, a line each; nothing for `full`."""
        strengths, share, copies = ", ".join(map(str, self.strengths)), f"{self.attack_share:.0%}", self.copy_images
        lines = {
            f"images of {self.image_size} pixels (study: 224)": True,
            f"batches of {self.batch_size} at {self.rate:g} times the learning rate (study: 8)": True,
            f"at most {self.train_images} training images": self.train_images,
            f"CNNs: {_epochs(self.epochs)}": self.epochs,
            f"ResNets: {_epochs(self.resnet_epochs)}": self.resnet_epochs,
            f"attacked trainings: at most {self.attacked_images} images, {_epochs(self.attacked_epochs)}": (
                self.attacked_images
            ),
            f"snooping patterns {self.pattern_growth:g} times as large against the image": self.pattern_growth != 1,
            f"DrunkOptimizer apart and from scratch at {strengths} only (1 to 9)": len(self.strengths) < 9,
            "learning rate annealed to zero along a cosine (study: constant)": self.anneal,
            f"PGD on {share} of the test images, at least {self.attack_least}; FGSM on all": self.attack_share < 1,
            "flips and rotation in place of section 5.1's augmentation": not self.whole_augmentation,
            f"{self.training_steps} PGD steps while training (7), of the same total length": self.training_steps < 7,
            f"worst-case PGD with {self.steps} steps and {self.restarts} restart(s) (40 and 5)": (
                (self.steps, self.restarts) != (40, 5)
            ),
            "no FMN and no AutoAttack behind PGD in the worst case": self.budget == "pgd",
            "nothing trained from scratch, fewer combinations in the attacked trainings": not self.strong,
            f"copies of a model: {copies} images shown in training ({FULL.copy_images})": copies < FULL.copy_images,
        }
        return [line for line, cut in lines.items() if cut and self.name != "full"]


def _epochs(epochs: dict[int, int]) -> str:
    return ", ".join(f"{here} epochs for {study}" for study, here in epochs.items())


FULL = Scale("full")
STANDARD = replace(
    FULL, name="standard", image_size=112, batch_size=16, rate=2.0, restarts=2, strengths=(1, 3, 9), pattern_growth=2.0
)
SMALL = Scale(
    name="small",
    image_size=56,
    batch_size=32,
    rate=4.0,
    whole_augmentation=False,
    training_steps=3,
    attack_share=0.2,
    steps=10,
    restarts=1,
    strengths=(1, 3),
    pattern_growth=3.5,
    budget="pgd",
    strong=False,
)
QUICK = replace(
    SMALL,
    name="quick",
    image_size=40,
    rate=5.0,
    anneal=True,
    train_images=2000,
    training_steps=2,
    epochs={10: 8, 5: 3, 30: 20},
    resnet_epochs={5: 2, 10: 3},
    attack_least=80,
    steps=7,
    attacked_images=750,
    attacked_epochs={10: 6, 5: 3},
    copy_images=4800,
)
AUDIT = replace(QUICK, name="audit", attack_share=1.0, steps=10, restarts=1, budget="quick")
AUDITS = {"quick": AUDIT, "standard": replace(AUDIT, steps=40, restarts=5, budget="standard")}
"""How a user's own model is asked, by the budget of the worst case; what is trained beside it is trained quickly."""
SCALES = {scale.name: scale for scale in (QUICK, SMALL, STANDARD, FULL)}
"""Scales by name, the default first."""
