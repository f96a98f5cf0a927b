"""The two protocols, and the faults of the study's own evaluation that separate them."""

from mri_robust.data.dataset import MEAN, STD

PROTOCOLS = ("sound", "paper")

STUDY_TEST_IMAGES = 256
"""Images that the study's defended models were measured on: fault `partial-test-set`."""
NORMALISED_BOUNDS = (MEAN, MEAN + STD)
"""Pixels that are left when images are clamped to [0, 1] after normalisation: fault `clamp-normalised`."""

FAULTS = {
    "epsilon-normalised": "epsilon and alpha count in normalised units: .01 is .01 * .1813 in pixels, or .46/255",
    "clamp-normalised": "adversarial images are clamped to [0, 1] after normalisation, which clips every pixel to "
    "[.1855, .3668]; the clamp alone costs accuracy, whatever epsilon says",
    "partial-test-set": "the defended models were measured on the first 32 shuffled batches of 8 (256 images)",
    "train-mode-attack": "during adversarial training the examples are made in train mode, so BatchNorm moves",
    "own-image-per-member": "each member of the ensemble is fed its own adversarial image; nobody attacks the ensemble",
    "pgd-epsilon-05": "ResNet_PGD and Ensemble in Table 4 ran at epsilon .05, printed as .01",
    "frozen-augmentation": "the backdoor's training images are augmented once, stamped, and kept for all epochs",
    "no-asr": "labels stay and every notumor training image is stamped, so recall of notumor collapses on clean images "
    "too; the attack success rate is never measured",
    "clean-loader-table2": "Table 2 was read off the clean test images, not the poisoned ones",
    "fine-tuned-start": "NoisyLoss and, likely, FoolingLoss start from the trained CNN_clean, so that harm to learning "
    "is not seen",
    "reused-optimizer": "the defended model of Figure 6 was never trained: its loop stepped the attacked model's "
    "optimizer, so that only BatchNorm's statistics moved",
    "ascent": "with scale strength over 1 the factor 1 - s is negative and the loss is raised; at strength 1 the "
    "gradient is pure noise",
    "plateau-of-accuracy": "the scheduler that waits for its figure to stop falling is fed accuracy",
    "fixed-patterns": "each image draws its snooping patterns from its index: the same in every epoch, and the same "
    "for training image i and test image i",
    "raw-inputs": "CNN_clean's columns look as if made on images that were never normalised: trained and attacked too",
    "leaky-split": "216 test images of the real data are also in the training set, pixel for pixel (992 of 1311 with "
    "nearly equal and mirrored pictures, says `data audit`); `sound` also counts without the 216",
    "rgb-images": "106 notumor images have colour (banners, tints), which gives the class away; they stay RGB",
}
"""Fault name -> what went wrong, one line."""


def normalised_to_pixels(size: float) -> float:
    """A size counted in normalised units, in pixels of [0, 1]: fault `epsilon-normalised`."""
    return size * STD
