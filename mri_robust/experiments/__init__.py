"""One file a table or figure of the study, with its numbers beside it; each defines `EXPERIMENT`."""
