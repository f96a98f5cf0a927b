"""One file an architecture; each defines `ARCHITECTURE`, a function `(classes: int, image_size: int, weights: str)`."""
