"""Images as text, for results that are kept as JSON."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def png(image: Tensor) -> str:
    """An image [C, H, W] in [0, 1], C 1 or 3, as base64 of a PNG."""
    pixels = (image.detach().cpu().clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    picture = Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(np.moveaxis(pixels, 0, -1)))
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def cell(image: Tensor, caption: str = "", **facts: Any) -> dict[str, Any]:
    """A picture of a sheet: the image [C, H, W] in [0, 1], what stands under it, and further facts."""
    return {"image": png(image), "caption": caption, **facts}


def strip(name: str, cells: list[dict[str, Any]]) -> dict[str, Any]:
    """A row of a sheet: what stands before it, and its pictures. A sheet is a list of these."""
    return {"name": name, "cells": cells}
