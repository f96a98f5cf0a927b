"""The galleries: images under rising epsilon, as data that the page's script shows."""

from __future__ import annotations

import base64
import io
from typing import Any

from PIL import Image

from mri_robust.report.figures.images import pictured
from mri_robust.report.layout import in_255ths, title
from mri_robust.report.results import Results

LARGEST = 128
"""Pixels a side above which every second pixel is left out, and so on: a page of large ones would not open."""


def galleries(results: Results) -> list[dict[str, Any]]:
    """Plain data, an entry a gallery: `heading`, `model`, `images`, each with `label`, `name` and `pictures`.

    A picture has `epsilon` (in words), `predicted`, `probabilities` ([class, share] each; the predicted class alone in
    results from before galleries kept all), `change` in 255ths, and `image`, a base64 PNG.
    """
    found = []
    for experiment in results.experiments:
        for view in results.views(experiment):
            for cell in view.cells:
                if images := pictured(cell["result"]):
                    heading = f"{experiment.name.upper()}, {view.protocol}"
                    model = title(cell["about"]["model"])
                    found.append({"heading": heading, "model": model, "images": [_image(image) for image in images]})
    return found


def _image(image: dict[str, Any]) -> dict[str, Any]:
    return {
        "label": image["label"],
        "name": image["name"],
        "pictures": [_picture(picture) for picture in image["pictures"]],
    }


def _picture(picture: dict[str, Any]) -> dict[str, Any]:
    shares = picture.get("probabilities") or {picture["predicted"]: picture["probability"]}
    return {
        "epsilon": in_255ths(picture["epsilon"]) if picture["epsilon"] else "clean",
        "predicted": picture["predicted"],
        "probabilities": [[name, round(share, 4)] for name, share in shares.items()],
        "change": round(picture["change"] * 255, 2),
        "image": smaller(picture["image"]),
    }


def smaller(png: str) -> str:
    """A base64 PNG of at most 128 pixels a side: of a larger one whole pixels are left out, none is mixed.

    The pixels that stay keep their values, so that the change between two images stays what it is.
    """
    image = Image.open(io.BytesIO(base64.b64decode(png)))
    step = -(-max(image.size) // LARGEST)
    if step == 1:
        return png
    width, height = (-(-side // step) for side in image.size)
    centre = step // 2
    picked = image.transform(
        (width, height), Image.Transform.AFFINE, (step, 0, centre - step / 2, 0, step, centre - step / 2)
    )
    buffer = io.BytesIO()
    picked.save(buffer, format="PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
