"""Reads what a bench wrote and shows it; needs no torch."""
