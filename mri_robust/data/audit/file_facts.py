"""What image files say of themselves before anything is resized."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from mri_robust.core.progress import OnImages
from mri_robust.data.formats.limits import Unreadable
from mri_robust.data.layout import arrange, shown
from mri_robust.data.pixels import open_image
from mri_robust.data.reading import Files, first_bytes
from mri_robust.data.sources import archive, folder, kaggle

_EVERY = 512


def file_facts(source: str | Path, on_images: OnImages | None = None) -> pd.DataFrame | None:
    """Size of every image file of a source that `load_dataset` has loaded.

    Args:
        source: as for `load_dataset`.
        on_images: called with files read and files in all.

    Returns:
        A row a file, by its name in the data set: `width` and `height` in pixels, `kilobytes` (of 1000 bytes); all
        three NaN where not even the header can be read. None for a source without files.

    Raises:
        UserError: the source cannot be read any more.
    """
    with _opened(str(source)) as files:
        if files is None:
            return None
        layout = arrange(files.listing, shown(files.path), lambda name: first_bytes(files, name))
        names = (*layout.train, *layout.test)
        rows = []
        # Pillow warns of oddities inside single files, which a reader of 7000 cannot act on.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for done, name in enumerate(names, start=1):
                rows.append(_facts(files, layout.root + name))
                if on_images and (done % _EVERY == 0 or done == len(names)):
                    on_images(done, len(names))
    return pd.DataFrame(rows, index=list(names), columns=["width", "height", "kilobytes"])


@contextmanager
def _opened(text: str) -> Iterator[Files | None]:
    if archive.SOURCE.accepts(text):
        with archive.ArchiveFiles(Path(text)) as files:
            yield files
    elif folder.SOURCE.accepts(text):
        yield folder.FolderFiles(Path(text))
    elif kaggle.SOURCE.accepts(text):
        import kagglehub

        # Loaded before, so that this finds the download instead of making it.
        yield folder.FolderFiles(Path(kagglehub.dataset_download(kaggle.HANDLE)))
    else:
        yield None


def _facts(files: Files, name: str) -> tuple[float, float, float]:
    try:
        data = files.read(name)
        with open_image(data, name) as image:
            return float(image.width), float(image.height), len(data) / 1000
    except Unreadable:
        return (float("nan"),) * 3
