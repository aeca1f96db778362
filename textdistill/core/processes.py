"""The processes that work on one thing together, through `accelerate`; without a launcher, just this one.

`accelerate` starts the group (gloo between processors, NCCL between GPUs, and what its own environment asks for), names
each process and its device, and gathers, adds and waits. Two things are done here: the shares, and one message for many
tensors, whose sum is then the same bits in every process.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather, gather_object, reduce
from torch import Tensor

Item = TypeVar("Item")

# How long a process waits for the others: where one dies, it is the launcher that ends them all, within seconds.
PATIENCE = timedelta(days=7)
_group: PartialState | None = None
_thread = threading.local()


def start_processes() -> None:
    """Join the group that `torchrun` or `accelerate launch` started this process in; alone, nothing happens."""
    global _group
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or _group is not None:
        return
    if torch.cuda.is_available():
        _group = PartialState(backend="cuda:nccl,cpu:gloo", timeout=PATIENCE)
    else:
        _group = PartialState(cpu=True, timeout=PATIENCE)


def end_processes() -> None:
    """Leave the group, if there is one."""
    global _group
    if _group is not None:
        _group.destroy_process_group()
        _group = None


def rank() -> int:
    """This process's number; 0 is the one that writes files."""
    return 0 if _group is None else int(_group.process_index)


def own_device() -> torch.device | None:
    """The device that is this process's among its group; `None` without one."""
    return None if _group is None else _group.device


def count() -> int:
    """How many processes share the work at hand: one within `by_itself`."""
    return 1 if _group is None or getattr(_thread, "by_itself", False) else int(_group.num_processes)


@contextmanager
def by_itself() -> Iterator[None]:
    """Within the block this thread of this process shares nothing: it has a piece of work that is its own."""
    before = getattr(_thread, "by_itself", False)
    _thread.by_itself = True
    try:
        yield
    finally:
        _thread.by_itself = before


def meet() -> None:
    """Wait until every process is here."""
    if _group is not None:
        _group.wait_for_everyone()


def own_share(total: int) -> range:
    """The indices below `total` that are this process's: contiguous, as even as can be, none twice."""
    processes = count()
    if processes == 1:
        return range(total)
    return range(total * rank() // processes, total * (rank() + 1) // processes)


def every_nth(items: list[Item]) -> list[Item]:
    """This process's share of a list whose neighbours cost alike: one in so many."""
    return items[rank() % count() :: count()]


def sum_over_processes(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Each tensor's sum over all processes, the same bits on each of them; all of one type, in one message."""
    if count() == 1 or not tensors:
        return list(tensors)
    message = reduce(torch.cat([tensor.detach().flatten() for tensor in tensors]), "sum")
    parts = message.split([tensor.numel() for tensor in tensors])
    return [part.view(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]


def rows_of_processes(rows: Tensor) -> Tensor:
    """The rows of all processes (each has as many), one below the other in the order of their ranks."""
    if count() == 1:
        return rows
    gathered: Tensor = gather(rows.detach().contiguous())
    return gathered


def lists_of_processes(own: Sequence[Item]) -> list[Item]:
    """The lists of all processes as one, in the order of their ranks; tensors in them should be the processor's."""
    if count() == 1:
        return list(own)
    joined: list[Item] = gather_object(list(own))
    return joined


def any_process(says: bool) -> bool:
    """Whether one process at least says so."""
    return says if count() == 1 else bool(sum_over_processes([torch.tensor(float(says))])[0])


def agreed(value: Any) -> Any:
    """What process 0 says: of things that processes may see at different times, such as what a cache holds."""
    return value if count() == 1 else broadcast_object_list([value])[0]
