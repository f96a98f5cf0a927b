"""Defences: augmentation, adversarial training, a detector of hidden patterns, and fine-pruning."""
