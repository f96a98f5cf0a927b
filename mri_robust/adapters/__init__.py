"""The only files that import ART and torchattacks."""
