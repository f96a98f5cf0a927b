"""The study's data set, downloaded from Kaggle.

Source: https://www.kaggle.com/datasets/masoudnickparvar/brain-tumor-mri-dataset, version 1. Without a version the
handle serves a later one with other images, so the version is part of it.
"""

from __future__ import annotations

import dataclasses

from mri_robust.core.errors import UserError
from mri_robust.data.dataset import Channels, Dataset
from mri_robust.data.sources import folder

HANDLE = "masoudnickparvar/brain-tumor-mri-dataset/versions/1"


class KaggleSource:
    """Takes the word `kaggle`; kagglehub keeps the download, so that it happens once."""

    def accepts(self, text: str) -> bool:
        """Whether `text` is `kaggle`."""
        return text == "kaggle"

    def load(self, text: str, *, size: int, channels: Channels, skip_unreadable: bool) -> Dataset:
        """Download the data set if need be and load it as a folder.

        Raises:
            UserError: kagglehub is not installed, or the download failed.
        """
        path = _download()
        loaded = folder.SOURCE.load(path, size=size, channels=channels, skip_unreadable=skip_unreadable)
        return dataclasses.replace(loaded, name="kaggle")


def _download() -> str:
    try:
        import kagglehub
    except ImportError as error:
        raise UserError("data 'kaggle' needs kagglehub: pip install 'mri-robust[kaggle]'") from error
    try:
        return str(kagglehub.dataset_download(HANDLE))
    except Exception as error:
        # No network, no such version, a refused login: kagglehub raises whatever its parts do, and the way out is one.
        raise UserError(
            f"cannot download '{HANDLE}' from Kaggle ({type(error).__name__}): download it by hand from "
            "https://www.kaggle.com/datasets/masoudnickparvar/brain-tumor-mri-dataset (version 1), unzip it, "
            "and give the folder: --data FOLDER"
        ) from error


SOURCE = KaggleSource()
