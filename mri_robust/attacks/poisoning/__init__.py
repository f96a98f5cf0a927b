"""Attacks on the training images, and the marks that they draw."""
