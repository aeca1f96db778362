"""What long work tells of itself: bars in a terminal, in a log a plain line a minute."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from textdistill.trackers import Tracker, numbers

# Seconds after which a log is told what is being done, and how often it is told again.
FIRST_LINE, NEXT_LINE = 5.0, 60.0


class Reporter:
    """What the pipeline tells of itself, on stderr.

    On a terminal, stages are bars. Elsewhere (a log, a pipe) a stage that lasts longer than five seconds says so in a
    line, and once a minute how far it is. `trackers` are told the numbers of every step.
    """

    def __init__(self, quiet: bool = False, trackers: Sequence[Tracker] = ()):
        self.trackers = trackers
        self.console = Console(stderr=True, quiet=quiet)
        self.visible = self.console.is_terminal and not quiet

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
        """A bar, or lines in a log, for the length of the block."""
        columns = (
            TextColumn("{task.description:24}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=self.console, disable=not self.visible) as bars:
            stage = Stage(bars, name, total, self)
            if self.visible or self.console.quiet:
                yield stage
                return
            over = threading.Event()
            clock = threading.Thread(target=_lines, args=(stage, self.console, over), daemon=True)
            clock.start()
            try:
                yield stage
            finally:
                over.set()
                clock.join()


class Stage:
    """One bar."""

    def __init__(self, bars: Progress, name: str, total: int | None, reporter: Reporter):
        self._bars, self._name, self._total, self._reporter = bars, name, total, reporter
        self._task = bars.add_task(name, total=total, note="")
        self._done, self._note, self._began = 0, "", time.monotonic()

    def advance(self, note: str = "", steps: int = 1) -> None:
        """Some steps further, with a word on where things stand."""
        self._done, self._note = self._done + steps, note
        self._bars.update(self._task, advance=steps, note=note)

    def record(self, step: int, values: Mapping[str, Any], note: str = "") -> None:
        """One step further, whose numbers the trackers are told."""
        self.advance(note)
        self._reporter.track(self._name, step, values)

    def line(self) -> str:
        """Where things stand, for a log: `distilling 120 of 300, 61 s: loss 0.43`."""
        done = f" {self._done}" if self._done else ""
        done += f" of {self._total}" if self._done and self._total is not None else ""
        seconds = f"{time.monotonic() - self._began:.0f} s"
        return f"{self._name}{done}, {seconds}" + (f": {self._note}" if self._note else "")


def _lines(stage: Stage, console: Console, over: threading.Event) -> None:
    """A line about the stage after a few seconds and then once a minute, until it is over."""
    wait = FIRST_LINE
    while not over.wait(wait):
        console.print(stage.line(), highlight=False, markup=False, soft_wrap=True)
        wait = NEXT_LINE
