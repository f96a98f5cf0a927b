"""What decides a number, as plain data that needs no torch: protocols, scales, recipes, cells, experiments."""
