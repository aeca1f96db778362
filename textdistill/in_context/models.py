"""The language model that judges prompts: where it computes, and in which precision."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import torch

from textdistill.errors import UserError, did_you_mean
from textdistill.language_models import LanguageModel, load_causal

Precision = Literal["auto", "float32", "bfloat16"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
# Instructions that multiply bfloat16 natively; without them it is slower than float32.
FAST_BF16 = ("avx512_bf16", "amx_bf16", "bf16")


def load_scorer(
    name: str, *, precision: Precision = "auto", device: torch.device | str = "cpu", cache: Path | None = None
) -> LanguageModel:
    """The causal language model called `name` (see `load_causal`) on `device`, in the `precision` of `weights_in`."""
    where = torch.device(device)
    return load_causal(name, device=where, dtype=weights_in(precision, where), cache=cache)


def weights_in(precision: Precision, device: torch.device) -> torch.dtype:
    """The type of the weights: `auto` is bfloat16 where the device multiplies it fast, else float32."""
    if precision not in PRECISIONS:
        allowed = ", ".join(PRECISIONS)
        raise UserError(f"precision: {precision!r}; allowed: {allowed}{did_you_mean(precision, PRECISIONS)}")
    if precision != "auto":
        return torch.bfloat16 if precision == "bfloat16" else torch.float32
    return torch.bfloat16 if _fast(device) else torch.float32


def _fast(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    told: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # older versions of torch do not tell
    return any(told.get(one) for one in FAST_BF16)
