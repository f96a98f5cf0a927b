"""Progress on the terminal: images per second and time left, or plain lines where there is no terminal."""

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


def make_console() -> Console:
    """The terminal, or 110 columns where output goes to a file."""
    console = Console(soft_wrap=True)
    return console if console.is_terminal else Console(soft_wrap=True, width=110)


class StepProgress:
    """Shows one line per piece of work; call it as (what, done, total)."""

    def __init__(self, console: Console) -> None:
        self.console = console
        columns = (BarColumn(bar_width=24), Rate(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
        what = TextColumn("{task.description:<34}", markup=False)
        self._bar = Progress(what, *columns, console=console, transient=True)
        self._what = ""
        self._task = self._bar.add_task("", total=1, visible=False)
        self._began = time.perf_counter()

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: Any) -> None:
        if kind is None:
            self.finish()
        if self.console.is_terminal:
            self._bar.stop()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Take in that `done` of `total` images of `what` are done."""
        what = one_line(what)
        if what != self._what:
            self.finish()
            self._what, self._began = what, time.perf_counter()
            self._bar.reset(self._task, description=what, total=total, visible=True)
        self._bar.update(self._task, completed=done, total=total)

    def finish(self) -> None:
        """Say that what was going on is done, and in how many seconds."""
        if self._what:
            seconds = time.perf_counter() - self._began
            words = (("done", "green"), f" {self._what:<34} ", (f"{seconds:6.1f} s", "dim"))
            self.console.print(Text.assemble(*words), highlight=False)
            self._what = ""
