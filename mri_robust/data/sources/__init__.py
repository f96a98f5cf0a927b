"""One file per source of data; each defines `SOURCE`, a `mri_robust.data.dataset.Source`."""
