"""Measure models under attack, and check the attacks against other libraries."""
