"""Run the cells that are not stored yet, and turn what is stored into tables."""
