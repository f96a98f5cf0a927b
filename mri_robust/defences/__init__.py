"""Defences: augmentation, adversarial training, a detector of hidden patterns, and fine-pruning.

Each is made from its parameters: one of the wrong type raises TypeError, one out of range ValueError, with its name.
"""
