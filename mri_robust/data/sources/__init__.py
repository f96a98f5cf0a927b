"""One file a source of data; each defines `SOURCE`, a `mri_robust.data.dataset.Source`."""
