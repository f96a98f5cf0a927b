"""`mri-robust audit`: your own models."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from mri_robust.cli import options as shared
from mri_robust.cli.options import AT_LEAST_1, FLOOR, NAMES, NUMBERS, OWN_MODEL, PATH
from mri_robust.core.errors import UserError
from mri_robust.core.packages import import_torchvision
from mri_robust.data import REGIONS

BELONGING = ("weights", "mean", "std", "size")  # options that belong to the model that they stand behind
CROSSCHECKED = 8  # images that the attacks are cross-checked on; each takes about 200 gradients by three libraries
HELP = {
    "--model": "A checkpoint, a function that gives a torch model, or a network of timm for the data's classes; give "
    "it twice to compare two models.  --weights, --mean, --std and --size belong to the --model before them.",
    "--weights": "A state dict for the factory's or timm's model.",
    "--mean": "Normalise before the model: one or three numbers.  [default: none; timm's: its own]",
    "--size": "Image size.  [default: the model's own, or 224]",
    "--classes": "Which class of the data a model's class is, where their names differ, such as glioma=Glioma. Outputs "
    "of a model that states no `classes` are read in the order of the data's, which the first line of a run says.",
    "--region": "Where attacks may change pixels: everywhere, in the head, in the background, or in a frame of a tenth "
    "of the side. The test `regions` asks about all four.",
    "--eps": "Radii in the norm, pixels in [0, 1].  [default: 1/255,2/255,4/255,8/255; with --norm l2 .125,.25,.5,1]",
    "--budget": "Of the worst case: PGD and FMN, in minutes; or PGD with restarts, FMN and AutoAttack's four, in "
    "hours.",
    "--fail-under": "Exit with code 1 when worst-case accuracy at an epsilon of --eps is under this, such as "
    "4/255=0.5; repeatable.",
}


class _Ordered(click.Command):
    """Notes in `context.meta["order"]` in which order the options were given, for some belong to the one before."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click's own."""
        *_, order = self.make_parser(ctx).parse_args(list(args))
        ctx.meta["order"] = [parameter.name for parameter in order]
        return super().parse_args(ctx, args)


@click.command(cls=_Ordered)
@click.argument("tests", nargs=-1, metavar="[TEST]...")
@click.option("--model", "sources", multiple=True, metavar=OWN_MODEL, help=HELP["--model"])
@click.option("--weights", multiple=True, type=PATH, metavar="FILE", help=HELP["--weights"])
@click.option("--mean", multiple=True, type=NUMBERS, help=HELP["--mean"])
@click.option("--std", multiple=True, type=NUMBERS, help="See --mean.")
@click.option("--size", multiple=True, type=click.IntRange(8, 1024), help=HELP["--size"])
@click.option("--classes", "renamed", type=NAMES, default=(), metavar="MODEL'S=DATA'S,...", help=HELP["--classes"])
@shared.data_options
@shared.tumour_classes_option
@click.option("--images", type=AT_LEAST_1, default=256, help="Most test images, drawn at random.")
@shared.norm_option
@shared.choice("--region", tuple(REGIONS), HELP["--region"])
@click.option("--eps", type=NUMBERS, help=HELP["--eps"])
@shared.choice("--budget", ("quick", "standard"), HELP["--budget"])
@click.option("--steps", type=AT_LEAST_1, help="PGD steps, of eps/4 each.  [default: the budget's]")
@click.option("--restarts", type=AT_LEAST_1, help="Of the worst case.  [default: the budget's, 1 or 5]")
@click.option("--seeds", type=click.IntRange(1, 1000), default=1, help="Repeats of every test.")
@click.option("--fail-under", "floors", type=FLOOR, multiple=True, metavar="EPS=ACCURACY", help=HELP["--fail-under"])
@shared.machine_options
@shared.executor_options
@shared.said_options
@shared.out_option("audit-results")
@click.option("--all", "everything", is_flag=True, help="Every test that asks a finished model.")
@click.option("--list", "list_only", is_flag=True, help="List the tests and stop.")
def audit(
    tests: tuple[str, ...], sources: tuple[str, ...], out: Path, everything: bool, list_only: bool, **options: Any
) -> None:
    """Ask your own models what the study's models are asked: worst-case and artefacts when no TEST is named.

    Prints each table when it is done, sanity checks that tripped, and the cross-check on your model. Writes one CSV per
    test, audit.json with every number printed, report.html, model-card.md and figures to --out. A run that was cut
    short goes on.
    """
    import_torchvision()
    from mri_robust.bench.audit import Asked, broken_floors, check_floors, open_models, tests_of, with_training
    from mri_robust.cli.run import config_of, execute, settle
    from mri_robust.evaluation.epsilon_curve import radii_in
    from mri_robust.study.scale import AUDITS

    if list_only:
        for each in tests_of((), everything=True):
            click.echo(f"{each.name:<12} {each.title}")
        return
    experiments, floors, norm = tests_of(tests, everything=everything), options["floors"], options["norm"]
    asked = _asked({"source": sources, **{name: options[name] for name in BELONGING}})
    chosen = {name: options[name] for name in ("steps", "restarts") if options[name]}
    try:
        radii = radii_in(norm, options["eps"], "--eps")
    except ValueError as error:
        raise UserError(str(error)) from error
    if not radii:
        raise UserError("--eps needs at least one radius over 0")
    scale = replace(AUDITS[options["budget"]].in_norm(norm, radii), region=options["region"], **chosen)
    check_floors(floors, experiments, scale.epsilons)
    config = config_of(options, scale=scale, images=options["images"])
    opened = open_models([Asked(**each) for each in asked], config, renamed=_pairs(options["renamed"]))
    asked_for, experiments = experiments, with_training(experiments, opened.dataset, everything=everything)
    left = [f"not asked without training images: {each.name}" for each in asked_for if each not in experiments]
    how: dict[str, Any] = {"opened": opened.modules, "images": CROSSCHECKED, "notes": [*opened.notes, *left]}
    run, certificate = execute(experiments, [opened.config], out, options, **how)
    missed = broken_floors(run.folder.table("worst-case"), floors) if floors else []
    summary = {**run.summary(), "floors": [list(each) for each in floors], "missed": missed}
    run.folder.write_json("audit", summary)
    shared.print_json(options, lambda: summary)
    settle(run, certificate)
    for line in missed:
        click.echo(f"FAILED {line}")
    raise SystemExit(1 if missed else 0)


def _asked(given: dict[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """What was asked for each model: `given` are the values of each option, in order."""
    found: list[dict[str, Any]] = []
    before: dict[str, Any] = {}
    values = {name: iter(each) for name, each in given.items()}
    for option in click.get_current_context().meta["order"]:
        if option == "sources":
            found.append({"source": next(values["source"])})
        elif option in values:
            last = found[-1] if found else before
            if option in last:
                raise UserError(f"--{option} is given twice for {last.get('source', 'one model')}")
            last[option] = next(values[option])
    if not found:
        raise UserError("name your model with --model FILE, --model package.module:factory or --model timm:NAME")
    if len(found) > 1 and (astray := before.keys() - {"size"}):
        raise UserError(f"--{min(astray)} stands before every --model: put it after the model that it is for")
    return [{**before, **each} for each in found]


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    """The names in texts such as `glioma=Glioma`."""
    pairs = [text.partition("=") for text in texts]
    if wrong := ["".join(pair) for pair in pairs if not all(pair)]:
        raise UserError(f"--classes takes pairs such as glioma=Glioma, got '{wrong[0]}'")
    return {own.strip(): other.strip() for own, _, other in pairs}
