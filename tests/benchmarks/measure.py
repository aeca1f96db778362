"""What one call costs beside another that does the same: CPU seconds, operations, memory, taken in one process.

The operations of both are counted while each is called for the first time; then they take turns with a plain product of
matrices, and medians are compared: whatever else the machine does slows all alike.
"""

from __future__ import annotations

import ctypes
import gc
import math
import signal
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils import flop_counter
from torch.utils._python_dispatch import TorchDispatchMode

from textdistill.core.distill import peak_rss_mib

SIZE = 1024  # of the matrices whose product is timed beside the calls
FEWEST, MOST = 3, 9
Call = Callable[[], float]


class OutOfTime(Exception):
    """A case has had all the time that there is for it."""


@dataclass(frozen=True)
class Costs:
    """Medians of `n` calls of either side; `value` is what both should have found.

    CPU seconds; 10⁹ multiplications and additions in matrix products, convolutions, factorisations and attention; peak
    memory beyond what was there before, in MiB (none where the system does not tell); `rate` is the machine's own, of a
    product of two matrices in 10⁹ operations a CPU second.
    """

    n: int
    ours: float
    oracle: float
    gflop: float
    oracle_gflop: float
    rate: float
    mib: float | None
    oracle_mib: float | None
    value: float
    oracle_value: float

    @property
    def ratio(self) -> float:
        """Ours to the oracle's CPU seconds."""
        return self.ours / max(self.oracle, 1e-9)

    @property
    def share(self) -> float:
        """How much of the measured rate of products our operations run at, 0 to 1 and a little more."""
        return self.gflop / max(self.ours, 1e-9) / self.rate


def compared(ours: Call, oracle: Call, dtype: torch.dtype, budget: float) -> Costs:
    """Both calls, taken in turn from `FEWEST` to `MOST` times, within about `budget` CPU seconds.

    Where so many do not fit into twice the budget they are fewer, and one at least. Errors: `OutOfTime` where not even
    that is done in three times the budget.
    """
    began, calls = time.process_time(), {"ours": ours, "oracle": oracle}
    multiply = product(SIZE, dtype)
    values, gflop, mib = {}, {}, {}
    taken: dict[str, list[float]] = {name: [] for name in (*calls, "multiply")}
    with suppress_after_a_round(taken), limit(3 * budget):
        for name, call in calls.items():
            values[name], gflop[name] = counted(call)
        multiply()
        while len(taken["multiply"]) < MOST:
            at = time.process_time()
            for name, call in calls.items():
                if name in mib:
                    taken[name].append(seconds(call))
                else:  # memory is taken once, and that call is timed as the others are
                    taken_now, mib[name] = with_memory(call)
                    taken[name].append(taken_now)
            taken["multiply"].append(seconds(multiply))
            done = len(taken["multiply"])
            expected = time.process_time() - began + (time.process_time() - at)
            if expected > (budget if done >= FEWEST else 2 * budget):
                break
    n = len(taken["multiply"])
    middle = {name: statistics.median(times[:n]) for name, times in taken.items()}
    return Costs(
        **{"n": n, "ours": middle["ours"], "oracle": middle["oracle"]},
        **{"gflop": gflop["ours"], "oracle_gflop": gflop["oracle"]},
        rate=2 * SIZE**3 / 1e9 / max(middle["multiply"], 1e-9),
        **{"mib": mib["ours"], "oracle_mib": mib["oracle"]},
        **{"value": values["ours"], "oracle_value": values["oracle"]},
    )


def seconds(call: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    begun = time.process_time()
    call()
    return time.process_time() - begun


def product(size: int, dtype: torch.dtype) -> Callable[[], object]:
    """A product of two square matrices, and so 2 · size³ operations."""
    rng = torch.Generator().manual_seed(0)
    left, right = (torch.randn(size, size, generator=rng).to(dtype) for _ in range(2))
    return lambda: left @ right


@contextmanager
def limit(seconds: float) -> Iterator[None]:
    """`OutOfTime` within the block after so many CPU seconds, as soon as torch's call of that moment ends."""

    def stop(*_: object) -> None:
        raise OutOfTime

    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield  # no such alarms here
        return
    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, max(seconds, 1e-3), 1.0)  # again, should a destructor swallow it
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        # an alarm that is still on its way would end the process, were nobody there to hear it
        signal.signal(signal.SIGPROF, signal.SIG_IGN if before is signal.SIG_DFL else before)


@contextmanager
def suppress_after_a_round(taken: dict[str, list[float]]) -> Iterator[None]:
    """Let `OutOfTime` pass silently where a whole round is there to tell of."""
    try:
        yield
    except OutOfTime:
        if not taken["multiply"]:
            raise


def with_memory(call: Callable[[], object]) -> tuple[float, float | None]:
    """CPU seconds of one call, and the most memory that it has had beyond what was there before, in MiB.

    Linux lets a process set its own peak back; before that, what is freed is given back to the system.
    """
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return seconds(call), None
    before = peak_rss_mib()
    taken = seconds(call)
    return taken, peak_rss_mib() - before


def counted(call: Call) -> tuple[float, float]:
    """What one call returns, and its operations in 10⁹."""
    with _Counter() as counter:
        value = float(call())
    return value, counter.total / 1e9


class _Counter(TorchDispatchMode):
    """Adds up what every call into torch costs, by torch's own formulas and those below.

    Torch's own counter asks of every module what belongs to it, which some derivatives of derivatives do not bear.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out, kind = func(*args, **(kwargs or {})), func._overloadpacket
        if kind in OPERATIONS:
            self.total += int(OPERATIONS[kind](*(one.shape for one in args if isinstance(one, torch.Tensor))))
        elif kind in flop_counter.flop_registry:
            self.total += int(flop_counter.flop_registry[kind](*args, **(kwargs or {}), out_val=out))
        return out


def _product(left: Any, right: Any) -> int:
    return 2 * math.prod(left) * (right[-1] if len(right) > 1 else 1)


_aten = torch.ops.aten
# What torch's own formulas leave out, from the shapes of the tensors that come in.
OPERATIONS: dict[Any, Callable[..., float]] = {
    **dict.fromkeys((_aten.mv, _aten.dot), _product),
    **dict.fromkeys((_aten.addmm_, _aten.baddbmm_, _aten.addmv, _aten.addmv_), lambda _, *both: _product(*both)),
    _aten.linalg_cholesky_ex: lambda matrix: math.prod(matrix) * matrix[-1] / 3,
    _aten.linalg_inv_ex: lambda matrix: 2 * math.prod(matrix) * matrix[-1],
    _aten._linalg_solve_ex: lambda matrix, right: (
        2 / 3 * math.prod(matrix) * matrix[-1] + 2 * matrix[-1] * math.prod(right)
    ),
    _aten.cholesky_solve: lambda right, factor: 2 * factor[-1] * math.prod(right),
    _aten._scaled_dot_product_flash_attention_for_cpu: lambda q, k, v, *_: flop_counter.sdpa_flop_count(q, k, v),
    _aten._scaled_dot_product_flash_attention_for_cpu_backward: (
        lambda slope, q, k, v, *_: flop_counter.sdpa_backward_flop_count(slope, q, k, v)
    ),
}
