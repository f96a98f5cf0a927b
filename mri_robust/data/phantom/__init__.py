"""Synthetic brain MRI slices, drawn from a seed: nothing to download, and the truth about every pixel is known."""
