"""Classifiers that take pixels in [0, 1], and their checkpoints."""
