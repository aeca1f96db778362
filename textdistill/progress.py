"""Progress on the terminal: bars for a person, silence for a pipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from textdistill.trackers import Tracker, numbers


class Reporter:
    """What the pipeline tells of itself. On a terminal, stages are bars on stderr; elsewhere they are not shown.

    `trackers` are told the numbers of every step.
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
            yield Stage(bars, name, total, self)


class Stage:
    """One bar."""

    def __init__(self, bars: Progress, name: str, total: int | None, reporter: Reporter):
        self._bars, self._name, self._reporter = bars, name, reporter
        self._task = bars.add_task(name, total=total, note="")

    def advance(self, note: str = "", steps: int = 1) -> None:
        """Some steps further, with a word on where things stand."""
        self._bars.update(self._task, advance=steps, note=note)

    def record(self, step: int, values: Mapping[str, Any], note: str = "") -> None:
        """One step further, whose numbers the trackers are told."""
        self.advance(note)
        self._reporter.track(self._name, step, values)
