"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from mri_robust.data.sources import SOURCES

Command = Callable[..., Any]


class Names(click.ParamType):
    """Names separated by commas: `glioma,meningioma`."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """The names, without the blanks around them."""
        if isinstance(value, tuple):
            return value
        names = tuple(dict.fromkeys(part.strip() for part in str(value).split(",") if part.strip()))
        if not names:
            self.fail(f"'{value}' is no list of names such as glioma,meningioma", param, ctx)
        return names


skip_unreadable_option = click.option(
    "--skip-unreadable", is_flag=True, help="Go on without image files that cannot be read."
)
source_option = click.option(
    "--data",
    default="phantom",
    show_default=True,
    metavar="SOURCE",
    help="phantom, kaggle, or a folder or .zip with Training/<class>/ and Testing/<class>/"
    + "".join(f"; or what '{name}' takes" for name in SOURCES.added())
    + ".",
)
tumour_classes_option = click.option(
    "--tumour-classes",
    type=Names(),
    default=(),
    metavar="NAME,NAME",
    help="Classes that show a tumour; the others are those without one, which missed tumours are called.  "
    "[default: all but notumor, healthy or normal]",
)
device_option = click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True, help="Processor."
)


def data_options(command: Command) -> Command:
    """`--data`, `--channels` (None when not given) and `--skip-unreadable`."""
    for option in (
        skip_unreadable_option,
        click.option(
            "--channels",
            type=click.Choice(["grey", "rgb"]),
            help="Read images as grey or RGB.  [default: grey; rgb under --protocol paper]",
        ),
        source_option,
    ):
        command = option(command)
    return command


def machine_options(command: Command) -> Command:
    """`--device` and `--precision`."""
    for option in (
        click.option(
            "--precision",
            type=click.Choice(["auto", "fp32", "bf16"]),
            default="auto",
            show_default=True,
            help="Number format of training; attacks are always measured in fp32.",
        ),
        device_option,
    ):
        command = option(command)
    return command
