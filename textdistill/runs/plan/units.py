"""Units of work: what one of each takes here, in seconds and floating-point operations, and how it is measured."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from textdistill.runs.progress import Reporter, Stage

# Seconds of a unit above which it is not taken a second time under the counter of operations.
LONG = 8.0
LEAST_STEPS, MOST_STEPS = 3, 200
# How many times its seconds a stage may take for the steps that it needs at least.
STRETCH = 4.0


class Operations(TorchDispatchMode):
    """Counts the floating-point operations of products and convolutions within the block, by torch's own formulas.

    torch's `FlopCounterMode` does, too, but follows modules as well, by hooks that `torch.autograd.grad` does not take.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count one operation."""
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.total += float(formula(*args, **kwargs, out_val=out))
        return out


@dataclass(frozen=True)
class Unit:
    """One piece of work of a stage: seconds and floating-point operations (matrix products and convolutions)."""

    stage: str
    seconds: float
    operations: float = 0.0


@dataclass
class Meter:
    """Measures units; `seconds` is about how long one of them may be looked at.

    `cpu` counts the seconds of the processor in place of those of the clock: what others do meanwhile is then nothing
    to them, and with one thread they are what an idle machine takes.
    """

    device: torch.device
    seconds: float = 3.0
    cpu: bool = False
    units: dict[str, Unit] = field(default_factory=dict)

    def once(self, stage: str, name: str, work: Callable[[], Any]) -> Any:
        """Take a piece of work that is done once in a run, and give what it gives."""
        began = self.now()
        outcome = work()
        self.units[name] = Unit(stage, self.now() - began)
        return outcome

    def of(self, work: Callable[[], Any]) -> tuple[float, float]:
        """The median seconds of a piece of work that can be repeated, its first time left out, and its operations."""
        first = self._timed(work)
        operations = 0.0
        if first < LONG:
            with Operations() as counter:
                work()
            operations = counter.total
        times: list[float] = []
        while first < self.seconds and sum(times) < self.seconds and len(times) < 20:
            times.append(self._timed(work))
        return (statistics.median(times) if times else first), operations

    def rows(self, work: Callable[[int], Any], small: int, large: int, total: int) -> tuple[float, float]:
        """Seconds and operations of work on `total` rows, from what it takes on `small` and on `large` many."""
        if total <= large:
            return self.of(lambda: work(total))
        (low, less), (high, more) = (self.of(lambda n=n: work(n)) for n in (small, large))  # type: ignore[misc]
        slope, steep = max(0.0, high - low) / (large - small), max(0.0, more - less) / (large - small)
        return high + slope * (total - large), more + steep * (total - large)

    def put(self, stage: str, name: str, measured: tuple[float, float], share: float = 1.0) -> None:
        """Enter a unit, of which several may be done at once (`share` of its seconds each)."""
        self.units[name] = Unit(stage, measured[0] * share, measured[1])

    def _timed(self, work: Callable[[], Any]) -> float:
        began = self.now()
        work()
        return self.now() - began

    def now(self) -> float:
        """The time, once all that was asked of the device is done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.process_time() if self.cpu else time.perf_counter()


class Enough(Exception):
    """A loop has taken as many steps as were wanted."""


class Clock(Reporter):
    """A reporter that ends the loop of a run after a few steps, and knows what a step took.

    `period` is after how many steps what a step costs begins again; at least that many and two are taken, where
    `STRETCH` times the seconds allow. The second step is taken under the counter of operations and is not timed.
    """

    def __init__(self, meter: Meter, period: int = 1):
        super().__init__(quiet=True)
        self._meter, self._period = meter, period
        self.begun, self.times, self.operations = 0.0, list[float](), 0.0
        self._counter: Operations | None = None

    @contextmanager
    def stage(self, name: str, total: int | None) -> Iterator[Stage]:
        """The stage of the run, whose steps are timed."""
        with super().stage(name, total) as stage:
            self.begun = self._meter.now()
            clock = self

            def record(step: int, values: Any, note: str = "") -> None:
                clock.step()

            stage.record = record  # type: ignore[method-assign]
            try:
                yield stage
            finally:
                self._close()

    def step(self, *_: object) -> None:
        """A step is over."""
        self.times.append(self._meter.now())
        if self._counter is not None:
            self._close()
            self.times[-1] = self._meter.now()
        elif len(self.times) == 1:
            self._counter = Operations()
            self._counter.__enter__()
        spent, steps = self.times[-1] - self.begun, len(self.times)
        wanted = max(LEAST_STEPS, 2 + self._period)
        if (spent > self._meter.seconds and steps >= wanted) or (
            steps >= LEAST_STEPS and (spent > STRETCH * self._meter.seconds or steps >= max(MOST_STEPS, wanted))
        ):
            raise Enough

    def _close(self) -> None:
        if self._counter is not None:
            self._counter.__exit__(None, None, None)
            self.operations, self._counter = self._counter.total, None

    def measured(self) -> tuple[float, float, float]:
        """Seconds before the first step, seconds of a step on average, and the operations of one.

        Of a loop that ends after one step, or two, that one's seconds are all there is.
        """
        if len(self.times) < LEAST_STEPS:
            count = max(1, len(self.times))
            return 0.0, (self.times[-1] - self.begun) / count if self.times else 0.0, self.operations
        took = [after - before for before, after in zip(self.times[1:], self.times[2:], strict=False)]
        # whole periods, from the back: what begins again is in the average as often as in the run
        whole = len(took) // self._period * self._period
        took = took[-whole:] if whole else took
        each = sum(took) / len(took)
        return max(0.0, self.times[0] - self.begun - each), each, self.operations
