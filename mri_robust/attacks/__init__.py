"""Attacks: on the input of a finished model, on training images, on the training, and on privacy.

Each is made from its parameters: one of the wrong type raises TypeError, one out of range ValueError, with its name.
Unless it says otherwise, images are float32 [N, C, H, W] in [0, 1], labels int64 [N], sizes (epsilon, steps) in pixels,
and a model takes such images, gives logits [N, K], and is left as it was.
"""
