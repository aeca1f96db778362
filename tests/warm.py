"""Processes that begin with everything imported: forked from a server that has done so once and has computed nothing.

For tests that start and kill processes: importing costs a fresh one eight seconds, a forked one nothing.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

# What a run imports only once it comes to it.
LATE = (
    "datasets", "matplotlib.pyplot", "pandas", "pyarrow.parquet", "scipy.stats", "sklearn.cluster",
    "sklearn.feature_extraction.text", "sklearn.linear_model", "tokenizers", "transformers",
    "transformers.models.bert.modeling_bert", "transformers.models.gpt2.modeling_gpt2", "textdistill.api",
    "textdistill.commands.cli", "textdistill.commands.make", "textdistill.runs.readable.again",
    "textdistill.runs.readable.outside",
)  # fmt: skip


def start(work: Callable[..., None], *args: Any, told: Path | None = None, **environment: str) -> BaseProcess:
    """A process that does `work(*args)` with one thread; what it prints goes to the file `told`, or nowhere."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.warm_server"])
    process = context.Process(target=_begin, args=(work, args, str(told or os.devnull), environment))
    # The server is started at the first call and begins with this process's environment.
    process.start()
    return process


def import_late() -> None:
    """Import everything that runs import."""
    for name in LATE:
        importlib.import_module(name)


def _begin(work: Callable[..., None], args: tuple[Any, ...], told: str, environment: dict[str, str]) -> None:
    import torch

    signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell's background jobs start is deaf to it
    os.environ.update(environment)
    torch.set_num_threads(1)
    with Path(told).open("a") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    # never closed: what goes wrong at the very end is told there, too
    sys.stdout, sys.stderr = open(1, "w", buffering=1), open(2, "w", buffering=1)  # noqa: SIM115
    work(*args)
