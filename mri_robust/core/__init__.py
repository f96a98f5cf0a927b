"""Checks, seeds, hashes, files, registries and other parts that know nothing of MRI."""
