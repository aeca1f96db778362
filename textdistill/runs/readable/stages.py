"""Stages of a text-level run: each leaves a note of what it was made from, and is not done again while that is so."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from textdistill.core.checkpoint import write_atomic
from textdistill.core.file_names import STAGE


def fingerprint(*facts: Any) -> str:
    """SHA-256 (hex) of facts that JSON can tell, and of settings."""
    told = [asdict(fact) if is_dataclass(fact) and not isinstance(fact, type) else fact for fact in facts]
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


class Stage:
    """One stage with the note `stage-NAME.json` in `folder`: the identity of its inputs, and what it found."""

    def __init__(self, folder: Path, name: str, *facts: Any):
        self.name, self.identity = name, fingerprint(name, *facts)
        self.note = folder / STAGE.format(name=name)

    def found(self) -> dict[str, Any] | None:
        """What the stage found when it was done with these inputs; `None` where it is still to be done."""
        try:
            told = json.loads(self.note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(told, dict) or told.get("identity") != self.identity:
            return None
        record = told.get("record")
        return record if isinstance(record, dict) else None

    def finish(self, record: dict[str, Any]) -> dict[str, Any]:
        """The stage is done: its files are written, and this is the last of them."""
        write_atomic(self.note, json.dumps({"identity": self.identity, "record": record}, indent=1) + "\n")
        return record
