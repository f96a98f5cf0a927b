"""Attacks on the training itself, its loss or its gradients: one file an attack; each defines `ATTACK`."""
