"""Progress on standard error: images per second and time left, or plain lines where there is no terminal."""

import time
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from mri_robust.core.errors import one_line


class Rate(ProgressColumn):
    """Images per second."""

    def render(self, task: Task) -> Text:
        """The column's text."""
        return Text(f"{task.speed:,.0f} img/s" if task.speed else "", style="cyan")


def make_console(**how: bool) -> Console:
    """Standard output, or as `how`, rich's `stderr` and `quiet`, says; 110 columns where it is no terminal."""
    console = Console(soft_wrap=True, emoji=False, **how)  # type: ignore[arg-type]
    return console if console.is_terminal else Console(soft_wrap=True, emoji=False, width=110, **how)  # type: ignore[arg-type]


class StepProgress:
    """Shows one line per piece of work, or nothing if `quiet`; call it as (what, done, total)."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.console = console = make_console(stderr=True, quiet=quiet)
        self._live = console.is_terminal and not quiet
        columns = (BarColumn(bar_width=24), Rate(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
        what = TextColumn("{task.description:<34}", markup=False)
        self._bar = Progress(what, *columns, console=console, transient=True)
        self._what = ""
        self._task = self._bar.add_task("", total=1, visible=False)
        self._began = time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: Any) -> None:
        if kind is None:
            self.finish()
        self._hide()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Take in that `done` of `total` images of `what` are done."""
        what = one_line(what)
        if what != self._what:
            self.finish()
            self._what, self._began = what, time.perf_counter()
            self._bar.reset(self._task, description=what, total=total, visible=True)
            if self._live:
                self._bar.start()
        self._bar.update(self._task, completed=done, total=total)

    def finish(self) -> None:
        """Say that what was going on is done, and in how many seconds; the bar goes, so that a table can be printed."""
        if self._what:
            seconds = time.perf_counter() - self._began
            words = (("done", "green"), f" {self._what:<34} ", (f"{seconds:6.1f} s", "dim"))
            self.console.print(Text.assemble(*words), highlight=False)
            self._what = ""
            self._hide()

    def _hide(self) -> None:
        if self._live:  # rich ends with an empty line where there is no terminal
            self._bar.stop()
