"""Progress: bars for a person at a terminal; in a log, a line a minute of what takes that long to count."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from textdistill.core import watch
from textdistill.trackers import Tracker, numbers

EVERY = 60.0  # seconds between two lines in a log


class Reporter:
    """What the pipeline tells of itself. On a terminal, stages are bars on stderr; elsewhere they are not shown.

    `trackers` are told the numbers of every step. What `core.watch` counts anywhere is shown by the newest reporter.
    """

    def __init__(self, quiet: bool = False, trackers: Sequence[Tracker] = ()):
        self.trackers = trackers
        self.console = Console(stderr=True, quiet=quiet)
        self.visible = self.console.is_terminal and not quiet
        self._open: list[Progress] = []
        watch.show_by(self.counting)

    def say(self, line: str) -> None:
        """One line about what happens, on a terminal only."""
        if self.visible:
            self.console.print(line, highlight=False)

    def track(self, stage: str, step: int, values: Mapping[str, Any]) -> None:
        """Tell the trackers the numbers among some values."""
        for tracker in self.trackers:
            tracker.log(stage, step, numbers(values))

    @contextmanager
    def stage(self, name: str, total: int | None) -> Iterator[Stage]:
        """A bar for the length of the block."""
        columns = (
            TextColumn("{task.description:24}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=self.console, disable=not self.visible) as bars:
            self._open.append(bars)
            try:
                yield Stage(bars, name, total, self)
            finally:
                self._open.pop()

    @contextmanager
    def counting(self, name: str, unit: str) -> Iterator[watch.Told]:
        """Show how many are done and how many a second, for the length of the block.

        On a terminal it is a bar, below that of the stage which is open; elsewhere a line a minute, from the first on.
        """
        if not self.visible:
            yield _Rate(unit, _Lines(self.console, name, unit))
        elif self._open:
            bars = self._open[-1]
            task = bars.add_task(name, total=None, note="")
            try:
                yield _Rate(unit, lambda done, total, note: bars.update(task, completed=done, total=total, note=note))
            finally:
                bars.remove_task(task)  # the stage's own bar stays
        else:
            with self.stage(name, None) as stage:
                yield _Rate(unit, stage.reach)


class _Rate:
    """Hears how many are done, and tells with it how many a second."""

    def __init__(self, unit: str, tell: Callable[[int, int, str], None]):
        self._unit, self._tell = unit, tell
        self._began = time.monotonic()
        self._first: int | None = None

    def __call__(self, done: int, total: int) -> None:
        """The first call says what was there before: it is not counted."""
        if self._first is None:
            self._began, self._first = time.monotonic(), done
        spent = time.monotonic() - self._began
        rate = (done - self._first) / spent if spent > 0 else 0.0
        self._tell(done, total, f"{rate:.{0 if rate >= 10 else 1}f} {self._unit}/s" if done > self._first else "")


class _Lines:
    """Lines in a log, none in the first minute."""

    def __init__(self, console: Console, name: str, unit: str):
        self._console, self._name, self._unit, self._last = console, name, unit, time.monotonic()

    def __call__(self, done: int, total: int, note: str) -> None:
        """A line, if the last one is a minute old."""
        now = time.monotonic()
        if now - self._last >= EVERY:
            self._last = now
            line = f"{self._name}: {done:,} of {total:,} {self._unit}, {note}"
            self._console.print(line, highlight=False, soft_wrap=True)


class Stage:
    """One bar."""

    def __init__(self, bars: Progress, name: str, total: int | None, reporter: Reporter):
        self._bars, self._name, self._reporter = bars, name, reporter
        self._task = bars.add_task(name, total=total, note="")

    def advance(self, note: str = "", steps: int = 1) -> None:
        """Some steps further, with a word on where things stand."""
        self._bars.update(self._task, advance=steps, note=note)

    def reach(self, done: int, total: int, note: str = "") -> None:
        """So many of so many are done."""
        self._bars.update(self._task, completed=done, total=total, note=note)

    def record(self, step: int, values: Mapping[str, Any], note: str = "") -> None:
        """One step further, whose numbers the trackers are told."""
        self.advance(note)
        self._reporter.track(self._name, step, values)
