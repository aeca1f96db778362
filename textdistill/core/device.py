"""Where to compute: the device asked for, else this process's own among its group, else the best one there is."""

from __future__ import annotations

import torch

from textdistill.core.errors import UserError
from textdistill.core.processes import own_device


def pick_device(name: str | None = None) -> torch.device:
    """`name` (cpu, cuda, cuda:1, mps) where it can be used, and by default an accelerator before the CPU."""
    if name is None or name == "auto":
        own = own_device()
        if own is not None:
            return own
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
