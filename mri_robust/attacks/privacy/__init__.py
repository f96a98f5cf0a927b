"""Attacks on privacy: what a model gives away of itself and of its training images."""
