"""One file a sanity check; each defines `CHECK`: (Evidence) -> Finding."""
