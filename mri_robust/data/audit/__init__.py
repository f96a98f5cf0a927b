"""An audit of a data set before one trusts numbers measured on it; `full.audit` is the whole of it.

Here are the exact leaks, which every evaluation asks for; they need neither pandas nor scikit-learn.
"""

from mri_robust.data.audit.exact import duplicate_counts, fingerprint, leaked_test_images

__all__ = ["duplicate_counts", "fingerprint", "leaked_test_images"]
