"""The study's data set, downloaded from Kaggle.

Source: https://www.kaggle.com/datasets/masoudnickparvar/brain-tumor-mri-dataset, version 1. Without a version the
handle serves a later one with other images, so the version is part of it.
"""

from pathlib import Path

from mri_robust.core.errors import UserError
from mri_robust.core.packages import import_extra
from mri_robust.data.loader import file_source
from mri_robust.data.sources.folder import FolderFiles

HANDLE = "masoudnickparvar/brain-tumor-mri-dataset/versions/1"


def _download(text: str, whole: bool) -> FolderFiles:
    """The files of the data set; kagglehub keeps the download, so that it happens once."""
    kagglehub = import_extra("kagglehub", "kaggle", "data 'kaggle'")
    try:
        folder = Path(kagglehub.dataset_download(HANDLE))
    except Exception as error:
        # No network, no such version, a refused login: kagglehub raises whatever its parts do, and the way out is one.
        raise UserError(
            f"cannot download '{HANDLE}' from Kaggle ({type(error).__name__}): download it by hand from "
            "https://www.kaggle.com/datasets/masoudnickparvar/brain-tumor-mri-dataset (version 1), unzip it, "
            "and give the folder: --data FOLDER"
        ) from error
    return FolderFiles(folder)


SOURCE = file_source(lambda text: text == "kaggle", _download, name="kaggle")
