"""Attacks on the training images: one file an attack; each defines `ATTACK`, a frozen dataclass."""
