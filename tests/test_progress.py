"""Progress of what is counted: a bar with a rate at a terminal, a line a minute in a log, nothing when quiet."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from textdistill import progress
from textdistill.core import watch
from textdistill.progress import Reporter


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def written(reporter: Reporter, *, terminal: bool) -> io.StringIO:
    out = io.StringIO()
    reporter.console = Console(file=out, force_terminal=terminal, width=120)
    reporter.visible = terminal
    return out


def test_a_log_has_a_line_a_minute_with_the_rate(clock: list[float]) -> None:
    out = written(Reporter(), terminal=False)
    with watch.counting("encoding (minilm)", "texts") as tell:
        for seconds in range(0, 151, 10):
            clock[0] = float(seconds)
            tell(1000 + 200 * seconds, 60_600)
    assert out.getvalue().splitlines() == [
        "encoding (minilm): 13,000 of 60,600 texts, 200 texts/s",
        "encoding (minilm): 25,000 of 60,600 texts, 200 texts/s",
    ]


def test_what_is_done_within_a_minute_and_quiet_runs_leave_no_line(clock: list[float]) -> None:
    out = written(Reporter(), terminal=False)
    with watch.counting("encoding (minilm)", "texts") as tell:
        tell(0, 2)
        clock[0] = 59.0
        tell(2, 2)
    assert out.getvalue() == ""
    assert Reporter(quiet=True).console.quiet


@pytest.mark.parametrize("inside", [False, True])
def test_a_terminal_has_a_bar_with_the_rate_below_an_open_stage(inside: bool) -> None:
    reporter = Reporter()
    out = written(reporter, terminal=True)

    def count() -> None:
        with watch.counting("encoding (minilm)", "texts") as tell:
            tell(3, 10)
            tell(10, 10)

    if inside:
        with reporter.stage("choosing", None):
            count()
        assert "choosing" in out.getvalue()
    else:
        count()
        assert "10/10" in out.getvalue()
        assert "texts/s" in out.getvalue()
