"""The log of a run's steps: one JSON object a line, never ahead of a checkpoint by more than is done again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textdistill.core.checkpoint import write_atomic


def note(log: Path, record: Mapping[str, Any], lasting: bool) -> None:
    """A line more in the log; before a checkpoint it is brought to the disk, lest that know more steps than the log."""
    try:
        with log.open("a") as file:
            file.write(json.dumps(record) + "\n")
            if lasting:
                file.flush()
                os.fsync(file.fileno())
    except OSError as error:  # of a write the system names no file
        raise type(error)(error.errno, error.strerror or str(error), str(log)) from None


def rewind(log: Path, step: int) -> None:
    """Drop the lines of steps that will be taken again, and any line that a kill cut short or the disk spoilt."""
    kept = []
    if step and log.exists():
        last = -1
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                continue
            at = record.get("step") if isinstance(record, dict) else None
            if isinstance(at, int) and last < at < step:
                kept.append(line)
                last = at
    write_atomic(log, "".join(line + "\n" for line in kept))
