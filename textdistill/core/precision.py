"""In which type matrices are multiplied: what was asked for, and what `auto` means on this machine."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from textdistill.core.checkpoint import write_atomic
from textdistill.core.errors import UserError, did_you_mean
from textdistill.core.machine import cpu_model

Product = Literal["float32", "bfloat16"]
Precision = Literal["auto", "float32", "bfloat16"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
# What `auto` means, whatever the machine: for whoever wants the same arithmetic everywhere, such as a test.
VARIABLE = "TEXTDISTILL_PRECISION"
# bfloat16 is worth its 8 bits where a product takes at most this share of float32's time: casts cost something, too.
WORTH = 0.8
# Sizes of the square products that are timed. The small one tells emulation, which is dozens of times slower, before a
# large one is tried.
SMALL, LARGE = 128, {"cpu": 256, "cuda": 2048}
EMULATED, ROUNDS = 8.0, 5
# By these a processor can be made to do without instructions that it has.
LIMITS = ("ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS")


def product_type(precision: str, device: torch.device) -> Product:
    """The type that `precision` stands for on `device`: `auto` is bfloat16 where it multiplies faster, else float32.

    Measured once per machine in a few milliseconds and kept in the cache folder; the environment variable
    TEXTDISTILL_PRECISION takes the measurement's place. A word other than `auto` is taken as it is.
    Errors: `UserError` for a word that is none of `auto`, `float32`, `bfloat16`.
    """
    asked = _known(precision, "precision")
    if asked == "auto":
        asked = _known(os.environ.get(VARIABLE, "auto"), VARIABLE)
    if asked == "auto":
        asked = _fastest(device.type)
    return "bfloat16" if asked == "bfloat16" else "float32"


def products_in(device: torch.device, precision: str) -> AbstractContextManager[None]:
    """Within the block matrices are multiplied in the type `precision` stands for; weights stay what they are."""
    return torch.autocast(device.type, torch.bfloat16, enabled=product_type(precision, device) == "bfloat16")


def weights_in(precision: str, device: torch.device) -> torch.dtype:
    """The type that a frozen model's weights are held in, by `product_type`."""
    return torch.bfloat16 if product_type(precision, device) == "bfloat16" else torch.float32


def said(used: Mapping[str, str]) -> str:
    """The types that the sections of a recipe used, in a word where they agree: `float32`, or `bfloat16 (pool), …`."""
    kinds = sorted(set(used.values()))
    if len(kinds) == 1:
        return kinds[0]
    return ", ".join(f"{kind} ({', '.join(key for key, one in used.items() if one == kind)})" for kind in kinds)


def _known(word: str, key: str) -> str:
    if word not in PRECISIONS:
        raise UserError(f"{key}: {word!r}; allowed: {', '.join(PRECISIONS)}{did_you_mean(word, PRECISIONS)}")
    return word


@cache
def _fastest(kind: str) -> Product:
    """The type that multiplies faster on a device of this kind, from the cache folder where it was measured before."""
    if kind not in LARGE:
        return "float32"
    file, key = _kept_in(), _machine(kind)
    kept = _read(file)
    if isinstance(kept.get(key), int | float):
        share = float(kept[key])
    else:
        share = measured(kind)
        with suppress(OSError):  # a home that cannot be written to: it is measured again next time
            write_atomic(file, json.dumps({**kept, key: round(share, 3)}, indent=1) + "\n")
    return "bfloat16" if share <= WORTH else "float32"


def measured(kind: str) -> float:
    """The time of a product in bfloat16 as a share of its time in float32, median of several taken in turn."""
    small = _ratio(kind, SMALL, 2)
    return small if small > EMULATED else _ratio(kind, LARGE[kind], ROUNDS)


def _ratio(kind: str, size: int, rounds: int) -> float:
    of_kind = {one: torch.ones(size, size, device=kind, dtype=one) for one in (torch.float32, torch.bfloat16)}
    times: dict[torch.dtype, list[float]] = {one: [] for one in of_kind}
    for turn in range(rounds + 1):
        for one, matrix in of_kind.items():
            began = time.perf_counter()
            matrix @ matrix
            if kind == "cuda":
                torch.cuda.synchronize()
            if turn:  # the first finds its kernel
                times[one].append(time.perf_counter() - began)
    return statistics.median(times[torch.bfloat16]) / max(1e-9, statistics.median(times[torch.float32]))


def _machine(kind: str) -> str:
    """What the measurement depends on: the processor, the instructions that torch may use, and torch itself."""
    if kind == "cuda":
        return f"{torch.cuda.get_device_name()}; torch {torch.__version__}"
    limits = [f"{name}={os.environ[name]}" for name in LIMITS if name in os.environ]
    instructions = torch.backends.cpu.get_cpu_capability()
    return "; ".join([cpu_model(), platform.machine(), instructions, *limits, f"torch {torch.__version__}"])


def _kept_in() -> Path:
    """A file of the cache folder, which is that of all of textdistill and of `embeddings`, which the core knows not."""
    named = os.environ.get("TEXTDISTILL_CACHE")
    return (Path(named).expanduser() if named else Path.home() / ".cache" / "textdistill") / "machine.json"


def _read(file: Path) -> dict[str, Any]:
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return kept if isinstance(kept, dict) else {}
