"""One file a table or figure; each defines `EXPERIMENT`: what to measure, and the study's numbers beside it."""
