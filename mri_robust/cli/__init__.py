"""The command line: one file a command; heavy imports happen inside the command that needs them."""

import errno
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import click

from mri_robust import __version__
from mri_robust.core.errors import UserError, one_line
from mri_robust.core.registry import did_you_mean

COMMANDS = {
    "bench": "Regenerate the study's tables and figures, and cross-check the attacks.",
    "audit": "Ask your own models: accuracy in the worst case, artefacts, and whether to believe it.",
    "crosscheck": "Certify that our attacks agree with ART's and torchattacks'.",
    "data": "Look at a data set: counts, statistics, copies and give-aways, a grid of images.",
    "report": "Write the reports of a finished bench again.",
    "results": "Look into the folder of a bench: what it stores, what can go, how two differ.",
    "snoop": "List images that carry a suspicious pattern.",
}
"""Command -> its line in `--help`; the command itself is in the file of its name, or in that of `_ELSEWHERE`."""
_ELSEWHERE = {"crosscheck": "bench", "report": "results"}
SPIN_COUNT = "30000"
"""How often an OpenMP thread of ours looks for work before it sleeps. libgomp's own number, billions, makes a training
up to 18 times slower beside busy processes; too small a one makes it slower on an idle machine; see
benchmarks/RESULTS.md."""
_NO_ARGUMENTS: Any = getattr(click.exceptions, "NoArgsIsHelpError", ())
"""How a group that is called without arguments asks for its help, from click 8.2 on; before, it shows it itself."""


class OneLineErrors(click.Group):
    """Prints what the user did wrong as one line and exits with code 2; commands are imported when they are run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now; UserError, with the nearest name offered, where there is none."""
        if cmd_name.startswith("-"):
            return None  # an option that is none, as click will say
        if cmd_name not in COMMANDS:
            raise UserError(f"unknown command '{cmd_name}'{did_you_mean(cmd_name, list(COMMANDS))}")
        module = importlib.import_module(f"mri_robust.cli.{_ELSEWHERE.get(cmd_name, cmd_name)}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(self, args: Sequence[str] | None = None, *, standalone_mode: bool = True, **extra: Any) -> Any:  # type: ignore[override]
        """Run; `Error: ...` and exit code 2 for anything the user can act on, 130 for Ctrl-C."""
        if not standalone_mode:
            return super().main(args, standalone_mode=False, **extra)
        if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
            os.environ["GOMP_SPINCOUNT"] = SPIN_COUNT  # read once, when torch is loaded
        for stream in (sys.stdout, sys.stderr):  # a file name may be no text, and a locale may lack letters
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        code = 2
        try:
            _check_arguments(sys.argv[1:] if args is None else args)
            ended = super().main(args, standalone_mode=False, **extra)
            raise SystemExit(ended if isinstance(ended, int) else 0)
        except UserError as error:
            said = str(error)
        except _NO_ARGUMENTS as error:
            click.echo(error.format_message())
            raise SystemExit(0) from None
        except click.ClickException as error:
            hint = f" (see '{error.ctx.command_path} --help')" if getattr(error, "ctx", None) else ""  # type: ignore[attr-defined]
            said = one_line(error.format_message()) + hint
        except (click.Abort, KeyboardInterrupt):
            code, said = 130, "interrupted; what was finished is kept, run the same command to go on"
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS)
            what, where = "write" if full else "use", f"'{error.filename}'" if error.filename else "a file"
            advice = "make room or choose another --out" if full else "see what lies there"
            said = one_line(f"cannot {what} {where}: {error.strerror or error}; {advice}, then run it again")
        except MemoryError:
            said = "not enough memory: take fewer or smaller images, or a machine with more"
        click.echo(f"Error: {said}", err=True)
        raise SystemExit(code)


def _check_arguments(arguments: Sequence[str]) -> None:
    """No argument can hold a NUL or half a character; the system's own calls would fail on one in ways of their own."""
    for argument in arguments:
        with suppress(UnicodeEncodeError):
            if b"\0" not in os.fsencode(argument):
                continue
        raise UserError(f"the argument '{argument}' holds a character that no name can hold: leave it out")


_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110, "show_default": True}


@click.group(cls=OneLineErrors, context_settings=_SETTINGS)
@click.version_option(__version__, prog_name="mri-robust")
def main() -> None:
    """Adversarial robustness of MRI classifiers: tables over epsilon, exact cross-checks, adapters for ART."""
