"""Formats against files that Pillow writes and the project's reader reads, and against the formulas of DICOM."""

import sys
from functools import partial

import numpy as np
import pytest
import torch
from medical_files import picture
from PIL import Image
from toy_data import noise

from mri_robust.core.errors import UserError
from mri_robust.data.decode import decode
from mri_robust.data.storage import FORMATS, dicom, readable

SIDE = 24
SMOOTH = np.add.outer(np.arange(SIDE), 2 * np.arange(SIDE)) * 3 % 256
STORED = np.stack([SMOOTH[None], noise(0, 1, most=256, side=SIDE)[0], np.full((1, SIDE, SIDE), 255)]).astype(np.uint8)
IMAGES = torch.from_numpy(STORED).float() / 255
COLOUR = torch.from_numpy(noise(1, 2, most=256, side=SIDE, channels=3)).float() / 255
HALF = (torch.rand(IMAGES.shape, generator=torch.Generator().manual_seed(0)) - 0.5) * (0.98 / 255)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("images", [IMAGES, COLOUR], ids=["grey", "colour"])
def test_what_is_read_are_images_of_the_same_shape(name: str, images: torch.Tensor) -> None:
    kept = images.clone()
    read = FORMATS[name](images)
    assert torch.equal(images, kept)
    assert (read.shape, read.dtype) == (images.shape, torch.float32)
    assert 0 <= read.min() <= read.max() <= 1
    assert torch.equal(FORMATS[name](images[1:2]), read[1:2])  # no image depends on the others


@pytest.mark.parametrize("name", [name for name in FORMATS if not name.startswith("dicom")])
def test_of_a_change_under_half_a_grey_level_nothing_is_left_in_8_bits(name: str) -> None:
    changed = (IMAGES + HALF).clamp(0, 1)
    assert not torch.equal(changed, IMAGES)
    assert torch.equal(FORMATS[name](changed), FORMATS[name](IMAGES))
    assert name != "8-bit" or torch.equal(FORMATS[name](changed), IMAGES)


@pytest.mark.parametrize("images", [IMAGES, COLOUR], ids=["grey", "colour"])
def test_pictures_are_what_files_of_pillow_hold(images: torch.Tensor) -> None:
    pixels = np.moveaxis((images * 255).round().byte().numpy(), 1, -1)
    found = [each[..., 0] if each.shape[-1] == 1 else each for each in pixels]
    channels = "grey" if images.shape[1] == 1 else "rgb"

    def read(content: bytes) -> torch.Tensor:
        return torch.tensor(decode(content, SIDE, channels)[0]).float() / 255  # type: ignore[arg-type]

    for place, each in enumerate(found):
        for quality in (75, 95):
            assert torch.equal(FORMATS[f"jpeg-{quality}"](images)[place], read(picture(each, "JPEG", quality=quality)))
        large = Image.fromarray(np.ascontiguousarray(each)).resize((512, 512), Image.Resampling.BICUBIC)
        assert torch.equal(FORMATS["png-512"](images)[place], read(picture(large)))


def test_dicom_keeps_12_bits_and_a_window_stretches_the_middle_greys_to_8() -> None:
    fine = torch.rand(2, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    assert dicom(fine) == pytest.approx((fine * 4095).round() / 4095, abs=1e-6)
    assert torch.equal(dicom(IMAGES, window=1.0), IMAGES)
    shown = dicom(fine, window=0.8)
    assert torch.equal((shown * 255).round() / 255, shown)
    assert shown == pytest.approx(((fine - 0.5) / 0.8 + 0.5).clamp(0, 1), abs=0.51 / 255 + 1 / 4095)
    assert torch.equal(dicom(COLOUR, window=0.8)[:, 1:2], dicom(COLOUR[:, 1:2], window=0.8))


def test_without_pydicom_its_formats_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert readable() == tuple(FORMATS)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    assert readable() == ("8-bit", "jpeg-95", "jpeg-75", "png-512")
    for read in (dicom, partial(dicom, window=0.9)):
        with pytest.raises(UserError, match="medical"):
            read(IMAGES)
