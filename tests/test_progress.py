"""Long work tells of itself: bars in a terminal, in a log a plain line after some seconds and then once a minute."""

from __future__ import annotations

import io
import threading
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from rich.console import Console

from textdistill.core import watch
from textdistill.runs import progress
from textdistill.runs.progress import Reporter


class Written(io.StringIO):
    """What was written; who waits for a text in it is woken by that text alone."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition()

    def write(self, text: str) -> int:
        with self._changed:
            count = super().write(text)
            self._changed.notify_all()
            return count

    def wait_for(self, text: str) -> None:
        """Until the text is there; the limit only keeps a fault from waiting for ever."""
        with self._changed:
            assert self._changed.wait_for(lambda: text in self.getvalue(), timeout=60)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands still unless a test sets it: what a line says does not follow from how busy a machine is."""
    now = [0.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def log_of(quiet: bool = False, terminal: bool = False) -> tuple[Reporter, Written]:
    reporter, written = Reporter(quiet=quiet), Written()
    reporter.console = Console(file=written, quiet=quiet, force_terminal=terminal, width=200)
    reporter.visible = terminal and not quiet
    return reporter, written


def test_a_log_is_told_what_is_done_how_far_it_is_and_the_last_word(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    monkeypatch.setattr(progress, "FIRST_LINE", 0.01)
    monkeypatch.setattr(progress, "NEXT_LINE", 0.01)
    reporter, written = log_of()
    with reporter.stage("distilling", 300) as stage:
        written.wait_for("distilling, 0 s")
        clock[0] = 61.0
        stage.advance("loss 0.43", steps=120)
        written.wait_for("120 of 300, 61 s, about 2 min to go, ")
    lines = written.getvalue().splitlines()
    assert lines[0] == "distilling, 0 s"
    assert lines[-1].startswith("distilling 120 of 300, ")
    assert lines[-1].endswith(" MiB: loss 0.43")


@pytest.mark.parametrize("quiet", [True, False])
def test_what_is_soon_over_is_silent_in_a_log(quiet: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "FIRST_LINE", 3600.0)
    reporter, written = log_of(quiet)
    with reporter.stage("reading imdb", None) as stage:
        stage.advance("rows")
    reporter.say("a word")
    assert written.getvalue() == ""


def test_silence_is_kept_however_long_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "FIRST_LINE", 0.0)
    reporter, written = log_of(quiet=True)
    threads = set(threading.enumerate())
    with reporter.stage("reading imdb", None):
        assert set(threading.enumerate()) == threads  # nobody who could say something
    assert written.getvalue() == ""


def test_a_stage_that_fails_tells_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "FIRST_LINE", 0.0)
    monkeypatch.setattr(progress, "NEXT_LINE", 0.0)
    reporter, written = log_of()
    threads = set(threading.enumerate())
    with pytest.raises(ValueError, match="a fault"), reporter.stage("distilling", 3):
        raise ValueError("a fault")
    length = len(written.getvalue())
    assert set(threading.enumerate()) == threads  # who said it is gone
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
        written.wait_for("13,000")
    line = next(line for line in written.getvalue().splitlines() if "13,000" in line)
    assert line.startswith("choosing, " if inside else "encoding 13,000 of 60,600, ")
    assert line.endswith(" texts/s")
    assert not inside or "encoding 13,000 of 60,600" in line
