"""`mri-robust curve`: accuracy over epsilon of anybody's model."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from mri_robust.attacks.registry import EVASION
from mri_robust.cli.options import data_options, device_option, tumour_classes_option
from mri_robust.core.errors import UserError


class Numbers(click.ParamType):
    """Numbers separated by commas, each plain or a fraction: `1/255,2/255,.05`."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """The numbers as finite floats."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(_number(part) for part in str(value).split(","))
        except (ValueError, ZeroDivisionError):
            numbers = (math.nan,)
        if not all(map(math.isfinite, numbers)):
            self.fail(f"'{value}' is no list of numbers such as 1/255,2/255,.05", param, ctx)
        return numbers


def _number(text: str) -> float:
    """A number or fraction; in floats, for a Fraction of 1e999999999 would be written out digit by digit."""
    above, slash, below = text.partition("/")
    return float(above) / float(below) if slash else float(above)


@click.command()
@click.option(
    "--model",
    "sources",
    multiple=True,
    required=True,
    metavar="FILE|package.module:factory|timm:NAME",
    help="A checkpoint, a function that gives a torch model, or a network of timm for the data's classes; give it "
    "twice to compare two models.",
)
@click.option(
    "--weights", type=click.Path(path_type=Path), metavar="FILE", help="A state dict for the factory's or timm's model."
)
@click.option(
    "--mean",
    type=Numbers(),
    default=(),
    help="Normalise before the model: one or three numbers.  [timm's default: its own]",
)
@click.option("--std", type=Numbers(), default=(), help="See --mean.")
@data_options
@tumour_classes_option
@click.option("--size", type=click.IntRange(8, 1024), help="Image size.  [default: the model's own, or 224]")
@click.option("--images", type=click.IntRange(min=1), help="Test images, drawn at random.  [default: all]")
@click.option(
    "--attack",
    type=click.Choice([*EVASION.names(), "worst-case"]),
    default="pgd",
    show_default=True,
    help="One step, PGD from the image, PGD with restarts followed by APGD-CE, targeted APGD and Square, or any other "
    "registered attack, called with epsilon alone.",
)
@click.option("--eps", type=Numbers(), default="1/255,2/255,4/255,8/255", show_default=True, help="Radii in pixels.")
@click.option("--steps", type=click.IntRange(min=1), default=40, show_default=True, help="PGD steps, of eps/4 each.")
@click.option("--restarts", type=click.IntRange(min=1), default=5, show_default=True, help="Of the worst case.")
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="Repeats of the worst case.")
@click.option(
    "--precision",
    type=click.Choice(["fp32", "bf16"]),
    default="fp32",
    show_default=True,
    help="What PGD crafts in; every success is confirmed in fp32.",
)
@device_option
@click.option("--out", type=click.Path(path_type=Path), default="curve", show_default=True, help="Folder to write to.")
def curve(sources: tuple[str, ...], out: Path, device: str, **options: Any) -> None:
    """Accuracy over epsilon, exact and with intervals, and whether to believe it.

    Writes curve.csv, images.csv (each image's smallest fooling epsilon), curve.png and curve.json to --out. Sanity
    checks that trip are printed as warnings with the figure behind them.
    """
    from rich.markup import escape

    from mri_robust.bench.curves import CurvePlan, run_curves
    from mri_robust.cli.progress import StepProgress, make_console
    from mri_robust.core.machine import resolve_device
    from mri_robust.core.files import writable_folder
    from mri_robust.core.machine import keep_freed_memory
    from mri_robust.data.layout import shown
    from mri_robust.report.curve import print_curves, write_curves

    for eps in options["eps"]:
        if not 0 <= eps <= 1:
            raise UserError(f"--eps must lie in [0, 1], in pixels of [0, 1], got {eps:g}; 4/255 is a usual one")
    if not any(options["eps"]):
        raise UserError("--eps needs at least one radius over 0")
    writable_folder(out)
    keep_freed_memory()
    console = make_console()
    with StepProgress(console) as progress:

        def on_step(what: str, done: int, total: int) -> None:
            progress(escape(what), done, total)  # it names a file, and files may be called [/b]

        results = run_curves(CurvePlan(sources=sources, **options), resolve_device(device), on_step)
    write_curves(results, out)
    print_curves(results, console)
    click.echo(f"written to {shown(out)}: curve.csv, images.csv, curve.png, curve.json")
