"""Attacks on the training itself, its loss or its gradients: PyTorch losses and an optimizer."""
