"""Attacks on privacy: what a model reveals of itself and of its training images."""
