"""Attacks: frozen dataclasses of their parameters, called with (model, images, labels)."""
