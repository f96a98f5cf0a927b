"""Datasets of MRI slices: where they come from, how they are kept, and what is wrong with them."""
