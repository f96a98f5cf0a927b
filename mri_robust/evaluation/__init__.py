"""Measure models: one file a kind of evaluation, each a frozen dataclass that yields labelled rows."""
