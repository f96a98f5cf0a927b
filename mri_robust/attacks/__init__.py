"""Attacks: on the input of a finished model, on training images, on the training, and on privacy.

Each is made from its parameters: one of the wrong type raises TypeError, one out of range ValueError, with its name.
"""
