"""Marks that are drawn on images: one file a trigger; each defines `TRIGGER`, a frozen dataclass."""
