"""What a run is asked, as plain data that needs no torch: protocols, scales, recipes, experiments, results."""
