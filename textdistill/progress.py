"""Progress on the terminal: bars for a person, silence for a pipe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class Reporter:
    """What the pipeline tells of itself. On a terminal, stages are bars on stderr; elsewhere they are not shown."""

    def __init__(self, quiet: bool = False):
        self.console = Console(stderr=True, quiet=quiet)
        self.visible = self.console.is_terminal and not quiet

    def say(self, line: str) -> None:
        """One line about what happens, on a terminal only."""
        if self.visible:
            self.console.print(line, highlight=False)

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
            yield Stage(bars, name, total)


class Stage:
    """One bar."""

    def __init__(self, bars: Progress, name: str, total: int | None):
        self._bars = bars
        self._task = bars.add_task(name, total=total, note="")

    def advance(self, note: str = "", steps: int = 1) -> None:
        """Some steps further, with a word on where things stand."""
        self._bars.update(self._task, advance=steps, note=note)
