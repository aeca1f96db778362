"""What long work tells of itself: bars in a terminal, in a log a plain line a minute."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from textdistill.core import stopping, watch
from textdistill.core.distill import peak_rss_mib
from textdistill.runs.trackers import Tracker, numbers

# Steps of which it is told how long the others will take.
FORETOLD = 2
# Seconds after which a log is told what is being done, and how often it is told again.
FIRST_LINE, NEXT_LINE = 5.0, 60.0


class Reporter:
    """What the pipeline tells of itself, on stderr.

    On a terminal, stages are bars. Elsewhere (a log, a pipe) a stage that lasts longer than five seconds says so in a
    line, and once a minute how far it is. `trackers` are told the numbers of every step. What `core.watch` counts
    anywhere is shown by the newest reporter.
    """

    def __init__(self, quiet: bool = False, trackers: Sequence[Tracker] = ()):
        self.trackers = trackers
        self.console = Console(stderr=True, quiet=quiet)
        self.visible = self.console.is_terminal and not quiet
        self._open: list[Stage] = []
        watch.show_by(self.counting, self.tell)

    def say(self, line: str) -> None:
        """One line about what happens, on a terminal only."""
        if self.visible:
            self.console.print(line, highlight=False)

    def tell(self, line: str) -> None:
        """One line that a log should have, too."""
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def track(self, stage: str, step: int, values: Mapping[str, Any]) -> None:
        """Tell the trackers the numbers among some values."""
        for tracker in self.trackers:
            tracker.log(stage, step, numbers(values))

    @contextmanager
    def stage(self, name: str, total: int | None) -> Iterator[Stage]:
        """A bar, or lines in a log, for the length of the block; none is begun where the run was asked to stop."""
        stopping.end_if_asked()
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
            self._open.append(stage)
            over = threading.Event()
            clock = threading.Thread(target=_lines, args=(stage, self.console, over), daemon=True)
            if not self.visible and not self.console.quiet:
                clock.start()
            try:
                yield stage
            finally:
                self._open.pop()
                over.set()
                if clock.ident is not None:
                    clock.join()

    @contextmanager
    def counting(self, name: str, unit: str) -> Iterator[watch.Told]:
        """Show how many are done and how many a second, for the length of the block.

        On a terminal it is a bar, below that of the stage which is open; in a log the word on where that stage stands.
        """
        if self._open:
            with self._open[-1].part(name) as tell:
                yield _Rate(unit, tell)
        else:
            with self.stage(name, None) as stage:
                yield _Rate(unit, stage.reach)


class _Rate:
    """Hears how many are done, and tells with it how many a second, or how many seconds each takes."""

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
        speed = f"{1 / rate:.0f} s each" if 0 < rate < 1 else f"{rate:.{0 if rate >= 10 else 1}f} {self._unit}/s"
        self._tell(done, total, speed if done > self._first else "")


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

    def reach(self, done: int, total: int, note: str = "") -> None:
        """So many of so many are done."""
        self._done, self._total, self._note = done, total, note
        self._bars.update(self._task, completed=done, total=total, note=note)

    @contextmanager
    def part(self, name: str) -> Iterator[Callable[[int, int, str], None]]:
        """A bar below this one for the length of the block, told how many of how many are done and a note."""
        before, task = self._note, self._bars.add_task(name, total=None, note="")

        def reach(done: int, total: int, note: str) -> None:
            self._note = f"{name} {done:,} of {total:,}" + (f", {note}" if note else "")
            self._bars.update(task, completed=done, total=total, note=note)

        try:
            yield reach
        finally:
            self._note = before
            self._bars.remove_task(task)  # the stage's own bar stays

    def record(self, step: int, values: Mapping[str, Any], note: str = "") -> None:
        """One step further, whose numbers the trackers are told."""
        self.advance(note)
        self._reporter.track(self._name, step, values)

    def line(self) -> str:
        """Where things stand, for a log: `distilling 120 of 300, 61 s, about 2 min to go, 420 MiB: loss 0.43`."""
        done = f" {self._done:,}" if self._done else ""
        done += f" of {self._total:,}" if self._done and self._total is not None else ""
        spent = time.monotonic() - self._began
        return f"{self._name}{done}, {spent:.0f} s{self._ahead(spent)}" + (f": {self._note}" if self._note else "")

    def _ahead(self, spent: float) -> str:
        """From the steps so far, how long the others take, and the most memory that was needed."""
        if self._total is None or self._done < FORETOLD or self._done >= self._total:
            return ""
        left = spent / self._done * (self._total - self._done)
        return f", about {f'{left:.0f} s' if left < 90 else f'{left / 60:.0f} min'} to go, {peak_rss_mib():,.0f} MiB"


def _lines(stage: Stage, console: Console, over: threading.Event) -> None:
    """A line about the stage after a few seconds and then once a minute, until it is over."""
    wait = FIRST_LINE
    while not over.wait(wait):
        console.print(stage.line(), highlight=False, markup=False, soft_wrap=True)
        wait = NEXT_LINE
