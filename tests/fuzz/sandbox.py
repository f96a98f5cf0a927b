"""One hostile case: run it in a folder of its own, and look at all that it did.

A case is good when the input was taken, or refused in one line that any terminal can show; when it took no more than
`SECONDS` of the processor (five times as long by the clock, for other processes may take their share) and `ROOM` bytes,
and when nothing ran, nothing was called and nothing was written outside the output and the cache.
"""

import os
import resource
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from click.testing import CliRunner

from mri_robust.cli import main
from mri_robust.core.errors import UserError

SECONDS, ROOM = 20, 2 * 2**30
LONGEST = 2100

_QUIET = (DeprecationWarning, PendingDeprecationWarning, FutureWarning, ImportWarning, ResourceWarning)
_CALLS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "pty.spawn", "socket.connect")
_called: list[str] | None = None


class Hung(BaseException):
    """A case took too long; no `except Exception` on the way keeps it."""


class Sandbox:
    """A folder for one case: `work` is the current folder, `out` takes output, and `marker` is what payloads make."""

    def __init__(self, root: Path, cache: Path) -> None:
        self.work, self.out, self.home, self.cache = root / "work", root / "work" / "out", root / "home", cache
        self.root, self.marker = root, root / "EXECUTED"
        for folder in (self.work, self.home):
            folder.mkdir(parents=True)

    def judge(self, action: Callable[[], Any], *, calls: bool = False) -> Any:
        """Run `action`; what it gives, or None where it was refused. With `calls` it may start programs."""
        before = self._tree()
        with (
            self._entered(),
            deadline(6 * SECONDS if calls else SECONDS),
            little_memory(),
            warnings.catch_warnings(record=True) as warned,
            listening() as called,
        ):
            warnings.simplefilter("always")
            refusal, value = "", None
            try:
                value = action()
            except UserError as error:
                refusal = f"Error: {error}\n"
        if refusal:
            check_refusal(refusal)
            noise = [str(each.message) for each in warned if not issubclass(each.category, _QUIET)]
            assert not noise, f"warnings beside the refusal: {noise}"
        assert not self.marker.exists(), "code in the input was run"
        assert calls or not called, f"called the system: {called}"
        changed = self._tree() ^ before
        assert not changed, f"changed outside the output: {sorted(changed)}"
        return value

    def command(self, *arguments: object, verdicts: tuple[int, ...] = (0,)) -> Any:
        """Judge `mri-robust` with these arguments; `verdicts` are the exit codes of an answer."""

        def invoke() -> Any:
            result = CliRunner().invoke(main, [str(argument) for argument in arguments])
            if result.exception and not isinstance(result.exception, SystemExit):
                raise AssertionError("".join(traceback.format_exception(result.exception))) from result.exception
            if result.exit_code == 2:
                raise _Refused("\n".join(line for line in result.stderr.splitlines() if not line.startswith("done ")))
            assert result.exit_code in verdicts, f"exit code {result.exit_code}: {result.output}"
            return result

        return self.judge(invoke)

    def _tree(self) -> set[tuple[str, int, int, int]]:
        found = set()
        for folder, folders, files in os.walk(self.root):
            if Path(folder) == self.work and self.out.name in folders:
                folders.remove(self.out.name)
            for name in files + folders:
                path = os.path.join(folder, name)
                status = os.lstat(path)
                facts = (0, 0) if name in folders else (status.st_size, status.st_mtime_ns)
                found.add((path, status.st_mode, *facts))
        return found

    @contextmanager
    def _entered(self) -> Iterator[None]:
        environment = {"MRI_ROBUST_CACHE": str(self.cache), "HOME": str(self.home), "TORCH_HOME": str(self.home)}
        here, path, modules = os.getcwd(), list(sys.path), set(sys.modules)
        os.chdir(self.work)
        try:
            with mock.patch.dict(os.environ, environment):
                yield
        finally:
            os.chdir(here)
            sys.path[:] = path
            for name in set(sys.modules) - modules:
                if str(getattr(sys.modules[name], "__file__", "") or "").startswith(str(self.root)):
                    del sys.modules[name]


class _Refused(UserError):
    """What a command printed before it left with exit code 2."""

    def __init__(self, stderr: str) -> None:
        Exception.__init__(self, stderr.removeprefix("Error: ").removesuffix("\n"))
        check_refusal(stderr)


def check_refusal(stderr: str) -> None:
    """One line, no longer than a person reads, without a character that a terminal would obey."""
    assert stderr.startswith("Error: "), stderr
    line = stderr.removesuffix("\n")
    assert line.isprintable(), f"more than one line, or control characters: {line!r}"
    assert len("Error: ") + 10 < len(line) < LONGEST, f"too short or too long: {line[:200]!r}"


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raise `Hung` after so many seconds of computing or five times as many of waiting, and again each second after."""

    def ring(*_: object) -> None:
        raise Hung(f"no answer after {seconds} s of computing, or {5 * seconds} s of waiting")

    timers = {signal.SIGPROF: (signal.ITIMER_PROF, seconds), signal.SIGALRM: (signal.ITIMER_REAL, 5 * seconds)}
    before = {number: signal.signal(number, ring) for number in timers}
    for timer, limit in timers.values():
        signal.setitimer(timer, limit, 1)
    try:
        yield
    finally:
        for number, (timer, _) in timers.items():
            signal.setitimer(timer, 0)
            signal.signal(number, before[number])


@contextmanager
def little_memory() -> Iterator[None]:
    """Give the process `ROOM` bytes more than it has: who asks for more at once gets a MemoryError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + ROOM, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextmanager
def listening() -> Iterator[list[str]]:
    """Every process started and every connection opened by the interpreter meanwhile."""
    global _called
    _called = heard = []
    try:
        yield heard
    finally:
        _called = None


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if _called is not None and event in _CALLS:
        _called.append(f"{event}{arguments}"[:200])


sys.addaudithook(_hear)
