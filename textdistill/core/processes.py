"""The processes that work on one distillation together, when a process group is up; else just this one."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor


def start_processes() -> None:
    """Join the group that `torchrun` or `accelerate launch` started this process in; alone, nothing happens."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")


def end_processes() -> None:
    """Leave the group, if there is one."""
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    """This process's number; 0 is the one that writes files."""
    return dist.get_rank() if dist.is_initialized() else 0


def count() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def meet() -> None:
    """Wait until every process is here."""
    if dist.is_initialized():
        dist.barrier()


def own_share(total: int) -> range:
    """The indices below `total` that are this process's: contiguous, as even as can be, none twice."""
    return range(total * rank() // count(), total * (rank() + 1) // count())


def sum_over_processes(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Each tensor's sum over all processes, the same bits on each of them; all of one type, in one message."""
    if count() == 1 or not tensors:
        return list(tensors)
    message = torch.cat([tensor.detach().flatten() for tensor in tensors])
    dist.all_reduce(message)
    parts = message.split([tensor.numel() for tensor in tensors])
    return [part.view(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]


def rows_of_processes(rows: Tensor) -> Tensor:
    """The rows of all processes (each has as many), one below the other in the order of their ranks."""
    if count() == 1:
        return rows
    gathered = [torch.empty_like(rows) for _ in range(count())]
    dist.all_gather(gathered, rows.detach().contiguous())
    return torch.cat(gathered)
