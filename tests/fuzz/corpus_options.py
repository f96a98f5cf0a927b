"""Every option of every command, and what people and programs may give it."""

from collections.abc import Iterator

import click
from made_up import NUMBERS, TEXTS

from mri_robust.cli import main

Command = tuple[str, ...]
BASES: dict[Command, tuple[str, ...]] = {
    ("audit",): ("--model", "factory:make", "--data", "nowhere", "--out", "out"),
    ("bench",): ("fgsm", "--data", "nowhere"),
    ("crosscheck",): ("--data", "nowhere"),
    ("data", "audit"): ("--data", "nowhere"),
    ("data", "info"): ("--data", "nowhere"),
    ("data", "preview"): ("--data", "nowhere"),
    ("snoop",): ("scan.png", "--detector", "detector.safetensors", "--out", "out"),
}
"""Command -> arguments with which it ends at once; an option that stands in them is given anew behind them."""
SHORT = [
    *("", " ", "x", "-", "--", "nan", "inf", "-1", "0", "1e999999999", "9" * 5000, "٣", "0x10", "1/0", "auto", "é🧠"),
    *("a\0b", "\udcff", "\x1b[31m", "a\nb", "[/red]", "%s", "../../x", "/dev/null", "x" * 300),
]
"""Values for any option."""
SOURCES = [
    *("/dev/zero", "/dev/null", "/dev/stdin", "/proc", "/proc/self/mem", "/proc/kmsg", ".", "..", "x/" * 3000, "pipe"),
    *("phantom:x", "phantom:train", "phantom:train=-1", "phantom:train=1e9", "phantom:train=9999999999999999999"),
    *("phantom:x=1", "phantom:train=8,train=8", "phantom:seed=99999999999", "phantom:train=1000001", "Phantom"),
]
"""Values for `--data`."""
MODELS = [
    *("os:system", "os:getcwd", "os:nothing", "os:", ":", "::", "a:b:c", "..:x", ".:x", ".os:x", "json:loads", "x y:z"),
    *("builtins:exit", "builtins:int", "sys:exit", "torch.nn:Identity", "torch.nn:Module", "torch:nn", "é:é"),
    *("raises:make", "leaves:make", "prints:make", "unparsable:make", "bytes_only:make", "a\0:b", "-c:x"),
    *("[/red]:x", "\x1b[31m:x", "__main__:nothing", "/dev/zero", "pipe", "folder", "scan.png", "x:" + "y" * 5000),
    *("odd:raises", "odd:leaves", "odd:none", "odd:shapeless", "odd:many", "odd:few", "odd:words", "odd:leaves_later"),
    *("odd:broken", "a" * 5000 + ":x"),
]
"""Values for `--model` of `audit`."""
MODULES = {
    "raises": "raise ZeroDivisionError('at import\\nof it')",
    "leaves": "import sys; sys.exit('bye')",
    "prints": "print('hello'); import nowhere_at_all",
    "unparsable": "def (:",
    "bytes_only": b"\xff\xfe\x00",
    "odd": """
import sys
from torch import nn
class Odd(nn.Module):
    def __init__(self, give): super().__init__(); self.give = give
    def forward(self, images): return self.give(images)
def raises(): raise BaseExceptionGroup('x', [ValueError('y')])
def leaves(): sys.exit(0)
def none(): return None
def shapeless(): return Odd(lambda images: images)
def many(): return Odd(lambda images: images.new_zeros(len(images), 10**6))
def few(): return Odd(lambda images: images.new_zeros(len(images), 1))
def words(): return Odd(lambda images: 'cat')
def leaves_later(): return Odd(lambda images: sys.exit(0))
def broken(): return Odd(lambda images: images.new_full((len(images), 4), float('nan')))
""",
}
"""Modules in the current folder, for `--model`."""
OUTS = ["out/" + text.strip("/") for text in TEXTS if ".." not in text and len(text) < 300] + [
    *("scan.png", "scan.png/x", "pipe", "pipe/x.png", "out", "out/" + "x" * 300, "out/" + "x/" * 3000, "/proc/x/y"),
    *("/dev/null/x.png", "/proc/self/x.png"),
]
"""Values for `--out`: none of them may be written, but for those below `out`."""
LISTS = [
    *(
        "",
        ",",
        "1,,2",
        "1/255,",
        "a,b",
        "1/2/3",
        "1/",
        "/2",
        "1e400",
        "1/1e999999999",
        "nan,1",
        "-1",
        "2",
        "0,0",
        "0x1",
    ),
]
"""Values for options that take numbers."""


def leaves(command: click.Command = main, path: Command = ()) -> Iterator[tuple[Command, click.Command]]:
    """Every command that does something, with its words."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    for name in command.list_commands(click.Context(command)):
        found = command.get_command(click.Context(command), name)
        yield from leaves(found, (*path, name)) if found else ()


LEAVES = dict(leaves())
OPTIONS = [(path, each) for path in LEAVES for each in LEAVES[path].params if isinstance(each, click.Option)]
"""(command, option) of all there are."""


def base(path: Command) -> tuple[str, ...]:
    """Arguments with which a command ends at once; for commands not named above, folders that do not exist."""
    arguments = [each for each in LEAVES[path].params if isinstance(each, click.Argument)]
    return (*path, *BASES.get(path, ("nowhere",) * len(arguments)))


def given(path: Command, option: click.Parameter) -> list[tuple[str, ...]]:
    """What stands on the command line for an option, in turn."""
    name = option.opts[-1]
    if isinstance(option, click.Option) and option.is_flag:
        return [(f"{name}=x",), (f"{name}=",), (name,), (name, name)]
    return [(name, value) for value in (OUTS if name == "--out" else _values(path, name))]


def _values(path: Command, option: str) -> list[str]:
    special = {"--data": SOURCES, "--model": MODELS if path == ("audit",) else []}
    special |= dict.fromkeys(("--eps", "--mean", "--std"), LISTS)
    numbers = [str(number) for number in NUMBERS if not isinstance(number, int) or number < 10**300]
    return [*SHORT, *special.get(option, numbers)]
