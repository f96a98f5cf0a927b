"""Options that several commands share."""

import math
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress
from functools import reduce
from pathlib import Path
from typing import Any, TextIO

import click

from mri_robust.core.hashing import canonical_json
from mri_robust.data import SOURCES
from mri_robust.study.epsilon import EPSILONS

Command = Callable[..., Any]
PATH, FILE = click.Path(path_type=Path), click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)
AT_LEAST_1, OWN_MODEL = click.IntRange(min=1), "FILE|package.module:factory|timm:NAME"
CHECKS: dict[str, tuple[str, ...]] = {"all": (), "quick": ("cross-check",), "none": ("sanity checks", "cross-check")}
"""A choice of `--checks` -> what it leaves out."""


class Parsed(click.ParamType):
    """What `parse` makes of a text; where it raises, or that does not `fit`, the text is called no `what`."""

    def __init__(self, name: str, parse: Callable[[str], Any], fit: Callable[[Any], bool], what: str) -> None:
        self.name, self.parse, self.fit, self.what = name, parse, fit, what

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The parsed value; a default is one already."""
        if not isinstance(value, str):
            return value
        with suppress(ValueError, ZeroDivisionError):
            if self.fit(found := self.parse(value)):
                return found
        self.fail(f"'{value}' is no {self.what}", param, ctx)


def _number(text: str) -> float:
    """A number or fraction; in floats, for a Fraction of 1e999999999 would be written out digit by digit."""
    above, slash, below = text.partition("/")
    return float(above) / float(below) if slash else float(above)


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _numbers(text: str, separator: str = ",") -> tuple[float, ...]:
    return tuple(map(_number, text.split(separator)))


NAMES = Parsed("names", _names, bool, "list of names such as glioma,meningioma")
"""Names separated by commas, without the blanks around them."""
NUMBERS = Parsed("numbers", _numbers, lambda found: all(map(math.isfinite, found)), "list of numbers such as 1/255,.05")
"""Numbers separated by commas, each plain or a fraction, as finite floats."""
FLOOR = Parsed(
    "floor",
    lambda text: _numbers(text, "="),
    lambda found: len(found) == 2 and 0 <= found[0] < math.inf and 0 <= found[1] <= 1,
    "floor such as 4/255=0.5",
)
"""(epsilon, least accuracy in [0, 1])."""
SHARE = Parsed("share", _number, lambda found: 0 < found < 1, "share between 0 and 1 such as 0.2")


def combined(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator, in their order."""
    return lambda command: reduce(lambda decorated, option: option(decorated), reversed(options), command)


def choice(name: str, values: Sequence[str], said: str) -> Callable[[Command], Command]:
    """An option that takes one of a few values, the first by default."""
    return click.option(name, type=click.Choice(values), default=values[0], help=said)


HELP = {
    "--norm": "What epsilon is, pixels in [0, 1]: the greatest change of a pixel, or the L2 norm of the change of an "
    "image.",
    "--data": "phantom, kaggle, a folder or .zip with Training/<class>/ and Testing/<class>/ (or train and test; class "
    "folders alone need --split), csv:FILE with columns path, label, split, patient, or npz:FILE with images and labels"
    + "".join(f"; or what '{name}' takes" for name in SOURCES.added())
    + ".",
    "--split": "Share of the images for testing, where the data are not divided: by patient where known, else by file.",
    "--groups": "Whose the images are: a table with the columns file and patient, or dicom for the PatientID of DICOM "
    "files. Intervals are then over patients.  [default: what a table of --data says in its column patient]",
    "--channels": "Read images as grey or RGB.  [default: grey; rgb under --protocol paper; what an own model states]",
    "--skip-unreadable": "Go on without image files that cannot be read.",
    "--tumour-classes": "Classes that show a tumour; the others are those without one, which missed tumours are "
    "called.  [default: all but those called notumor, no, normal, healthy, negative and the like]",
    "--precision": "Number format of training; who is fooled is always decided in fp32.",
    "--threads": "CPU threads; they decide the last digits of what is computed.  [default: torch's own number]",
    "--executor": "One task after the other here, or as tasks of Ray, on as many CPUs each as --threads.",
    "--ray-address": "Join this Ray cluster.  [default: a local one, bound to loopback]",
    "--gpu-share": "Share of a GPU that a Ray task takes.",
    "--checks": "What follows the tables: sanity checks and cross-check; sanity checks alone; nothing, and nothing is "
    "claimed.",
    "--json": "Print the summary as one line of JSON and nothing else; tables, and what models print, go to stderr.",
    "--out": "Folder for everything made; a run that was cut short goes on there.",
}
norm_option = choice("--norm", tuple(EPSILONS), HELP["--norm"])
source_option = click.option("--data", default="phantom", metavar="SOURCE", help=HELP["--data"])
split_option = click.option("--split", type=SHARE, metavar="SHARE", help=HELP["--split"])
skip_unreadable_option = click.option("--skip-unreadable", is_flag=True, help=HELP["--skip-unreadable"])
channels_option = click.option("--channels", type=click.Choice(["grey", "rgb"]), help=HELP["--channels"])
groups_option = click.option("--groups", metavar="FILE.csv|dicom", help=HELP["--groups"])
data_options = combined(source_option, split_option, groups_option, channels_option, skip_unreadable_option)
tumour_classes_option = click.option(
    "--tumour-classes", type=NAMES, default=(), metavar="NAME,NAME", help=HELP["--tumour-classes"]
)
device_option = choice("--device", ("auto", "cpu", "cuda"), "Processor.")
precision_option = choice("--precision", ("auto", "fp32", "bf16"), HELP["--precision"])
threads_option = click.option("--threads", type=click.IntRange(1, 1024), metavar="N", help=HELP["--threads"])
machine_options = combined(device_option, precision_option, threads_option)
executor_options = combined(
    choice("--executor", ("local", "ray"), HELP["--executor"]),
    click.option("--ray-address", metavar="HOST:PORT", help=HELP["--ray-address"]),
    click.option("--gpu-share", type=click.FloatRange(0, 1, min_open=True), default=1.0, help=HELP["--gpu-share"]),
)


def _only_json(ctx: click.Context, param: click.Parameter, wanted: bool) -> TextIO | None:
    """Standard output as it was, for the summary; until the command ends all else that is printed goes to errors."""
    output = sys.stdout
    if wanted:
        ctx.with_resource(redirect_stdout(sys.stderr))
    return output if wanted else None


def print_json(options: dict[str, Any], summary: Callable[[], dict[str, Any]]) -> None:
    """Print what `summary` gives as one line of JSON, where `--json` asks for it."""
    if options["json"]:
        print(canonical_json(summary()), file=options["json"])


said_options = combined(
    choice("--checks", tuple(CHECKS), HELP["--checks"]),
    click.option("--json", is_flag=True, is_eager=True, callback=_only_json, help=HELP["--json"]),
    click.option("--quiet", is_flag=True, help="Print no progress, only tables and verdicts."),
)


def out_option(default: str) -> Callable[[Command], Command]:
    """`--out`, the folder for everything made."""
    return click.option("--out", default=default, type=PATH, help=HELP["--out"])
