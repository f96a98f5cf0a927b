"""Options that several commands share."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from mri_robust.data import SOURCES

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


class Numbers(click.ParamType):
    """Numbers separated by commas, each plain or a fraction: `1/255,2/255,.05`."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """The numbers as finite floats."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(number(part) for part in str(value).split(","))
        except (ValueError, ZeroDivisionError):
            numbers = (math.nan,)
        if not all(map(math.isfinite, numbers)):
            self.fail(f"'{value}' is no list of numbers such as 1/255,2/255,.05", param, ctx)
        return numbers


class Floor(click.ParamType):
    """A least accuracy at an epsilon: `4/255=0.5`."""

    name = "floor"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        """(epsilon in pixels, least accuracy in [0, 1])."""
        if isinstance(value, tuple):
            return value
        eps, _, least = str(value).partition("=")
        try:
            floor = (number(eps), number(least))
        except (ValueError, ZeroDivisionError):
            floor = (math.nan, math.nan)
        if not all(0 <= part <= 1 for part in floor):
            self.fail(f"'{value}' is no floor such as 4/255=0.5", param, ctx)
        return floor


def number(text: str) -> float:
    """A number or fraction; in floats, for a Fraction of 1e999999999 would be written out digit by digit."""
    above, slash, below = text.partition("/")
    return float(above) / float(below) if slash else float(above)


def combined(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator, in their order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


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
channels_option = click.option(
    "--channels",
    type=click.Choice(["grey", "rgb"]),
    help="Read images as grey or RGB.  [default: grey; rgb under --protocol paper; what an own model states]",
)
data_options = combined(source_option, channels_option, skip_unreadable_option)
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
threads_option = click.option(
    "--threads",
    type=click.IntRange(min=1, max=1024),
    metavar="N",
    help="CPU threads; they decide the rounding of trained models.  [default: torch's own number]",
)
machine_options = combined(
    device_option,
    click.option(
        "--precision",
        type=click.Choice(["auto", "fp32", "bf16"]),
        default="auto",
        show_default=True,
        help="Number format of training; who is fooled is always decided in fp32.",
    ),
    threads_option,
)
executor_options = combined(
    click.option(
        "--executor",
        type=click.Choice(["local", "ray"]),
        default="local",
        show_default=True,
        help="One task after the other here, or as tasks of Ray, on as many CPUs each as --threads.",
    ),
    click.option(
        "--ray-address", metavar="HOST:PORT", help="Join this Ray cluster.  [default: a local one, bound to loopback]"
    ),
    click.option(
        "--gpu-share",
        type=click.FloatRange(min=0, max=1, min_open=True),
        default=1.0,
        show_default=True,
        help="Share of a GPU that a Ray task takes.",
    ),
)


def out_option(default: str) -> Callable[[Command], Command]:
    """`--out`, the folder for everything made."""
    return click.option(
        "--out",
        default=default,
        show_default=True,
        type=click.Path(path_type=Path),
        help="Folder for everything made; a run that was cut short goes on there.",
    )
