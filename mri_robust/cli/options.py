"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

Command = Callable[..., Any]

skip_unreadable_option = click.option(
    "--skip-unreadable", is_flag=True, help="Go on without image files that cannot be read."
)
source_option = click.option(
    "--data",
    default="phantom",
    show_default=True,
    metavar="SOURCE",
    help="phantom, kaggle, or a folder or .zip with Training/<class>/ and Testing/<class>/.",
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
