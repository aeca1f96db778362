"""Where to compute: the device asked for, else the best one there is."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Literal

import torch

from textdistill.errors import UserError

Precision = Literal["float32", "bfloat16"]


def products_in(device: torch.device, precision: Precision) -> AbstractContextManager[None]:
    """Within the block matrices are multiplied in bfloat16 where that is asked for; weights stay what they are."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def pick_device(name: str | None = None) -> torch.device:
    """`name` (cpu, cuda, cuda:1, mps) where it can be used, and by default an accelerator before the CPU."""
    if name is None or name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0][:120]
        raise UserError(
            f"--device: {name!r} cannot be used here ({reason}); allowed: auto, cpu, cuda, cuda:N, mps"
        ) from None
    return device
