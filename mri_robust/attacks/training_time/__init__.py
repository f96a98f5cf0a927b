"""Attacks on the training itself: losses and an optimizer."""
