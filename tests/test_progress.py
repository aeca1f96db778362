"""Long work tells of itself: bars in a terminal, in a log a plain line after some seconds and then once a minute."""

from __future__ import annotations

import io
import time
from contextlib import nullcontext
from typing import Any

import pytest
from rich.console import Console

from textdistill.core import watch
from textdistill.runs import progress
from textdistill.runs.progress import Reporter


def log_of(quiet: bool = False, terminal: bool = False) -> tuple[Reporter, io.StringIO]:
    reporter, written = Reporter(quiet=quiet), io.StringIO()
    reporter.console = Console(file=written, quiet=quiet, force_terminal=terminal, width=200)
    reporter.visible = terminal and not quiet
    return reporter, written


def until(condition: Any) -> None:
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)


def test_a_log_is_told_what_is_done_how_far_it_is_and_the_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "FIRST_LINE", 0.01)
    monkeypatch.setattr(progress, "NEXT_LINE", 0.01)
    reporter, written = log_of()
    with reporter.stage("distilling", 300) as stage:
        until(lambda: "distilling, 0 s" in written.getvalue())
        stage.advance("loss 0.43", steps=120)
        until(lambda: "120 of 300" in written.getvalue())
    lines = written.getvalue().splitlines()
    assert lines[0] == "distilling, 0 s"
    assert lines[-1].startswith("distilling 120 of 300, ")
    assert lines[-1].endswith(" s: loss 0.43")


@pytest.mark.parametrize("quiet", [True, False])
def test_what_is_soon_over_is_silent_in_a_log(quiet: bool) -> None:
    reporter, written = log_of(quiet)
    with reporter.stage("reading imdb", None) as stage:
        stage.advance("rows")
    reporter.say("a word")
    assert written.getvalue() == ""


def test_silence_is_kept_however_long_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "FIRST_LINE", 0.0)
    reporter, written = log_of(quiet=True)
    with reporter.stage("reading imdb", None):
        time.sleep(0.05)
    assert written.getvalue() == ""


def test_a_stage_that_fails_tells_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "FIRST_LINE", 0.0)
    monkeypatch.setattr(progress, "NEXT_LINE", 0.0)
    reporter, written = log_of()
    with pytest.raises(ValueError, match="a fault"), reporter.stage("distilling", 3):
        raise ValueError("a fault")
    length = len(written.getvalue())
    time.sleep(0.02)
    assert len(written.getvalue()) == length


def test_a_terminal_sees_a_bar() -> None:
    reporter, written = log_of(terminal=True)
    with reporter.stage("distilling", 2) as stage:
        stage.advance("loss 0.43", steps=2)
    assert "distilling" in written.getvalue()
    assert "2/2" in written.getvalue()
    assert "loss 0.43" in written.getvalue()


@pytest.mark.parametrize("inside", [False, True])
def test_what_is_counted_deep_below_is_a_bar_with_a_rate(inside: bool) -> None:
    reporter, written = log_of(terminal=True)

    def count() -> None:
        with watch.counting("encoding (minilm)", "texts") as tell:
            tell(3, 10)
            tell(10, 10)

    if inside:
        with reporter.stage("choosing", None):
            count()
        assert "choosing" in written.getvalue()
    else:
        count()
        assert "10/10" in written.getvalue()
        assert "texts/s" in written.getvalue()


@pytest.mark.parametrize("inside", [False, True])
def test_a_log_is_told_the_rate_of_what_is_counted(inside: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "FIRST_LINE", 0.01)
    monkeypatch.setattr(progress, "NEXT_LINE", 0.01)
    reporter, written = log_of()
    with reporter.stage("choosing", None) if inside else nullcontext(), watch.counting("encoding", "texts") as tell:
        tell(1000, 60_600)
        tell(13_000, 60_600)
        until(lambda: "13,000" in written.getvalue())
    line = next(line for line in written.getvalue().splitlines() if "13,000" in line)
    assert line.startswith("choosing, " if inside else "encoding 13,000 of 60,600, ")
    assert line.endswith(" texts/s")
    assert not inside or "encoding 13,000 of 60,600" in line
