"""Stages of a run: each leaves a note of what it was made from, and is not done again while that is so."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

from textdistill.core.checkpoint import write_atomic
from textdistill.core.file_names import COST, STAGE


def fingerprint(*facts: Any) -> str:
    """SHA-256 (hex) of facts that JSON can tell, and of settings."""
    plain = [asdict(fact) if is_dataclass(fact) and not isinstance(fact, type) else fact for fact in facts]
    return hashlib.sha256(json.dumps(plain, sort_keys=True, default=str).encode()).hexdigest()


@dataclass(frozen=True)
class Stage:
    """One stage with its note: the `identity` of its inputs and, under the key `holds`, a record of the stage."""

    note: Path
    identity: str
    holds: str = "record"

    @classmethod
    def named(cls, folder: Path, name: str, *facts: Any) -> Stage:
        """The stage of a readable set with the note `stage-NAME.json`, made from these facts."""
        return cls(folder / STAGE.format(name=name), fingerprint(name, *facts))

    @classmethod
    def distillation(cls, folder: Path, identity: str = "") -> Stage:
        """The distillation into tensors, whose record is what it cost."""
        return cls(folder / COST, identity, "cost")

    def record(self) -> dict[str, Any] | None:
        """What the stage left, whatever it was made from; `None` where it is still to be done."""
        return self._read().get(self.holds)

    def found(self) -> dict[str, Any] | None:
        """What the stage left when it was done with these inputs; `None` where it is still to be done."""
        note = self._read()
        return note.get(self.holds) if note.get("identity") == self.identity else None

    def finish(self, record: dict[str, Any]) -> dict[str, Any]:
        """The stage is done: its files are written, and this is the last of them."""
        write_atomic(self.note, json.dumps({"identity": self.identity, self.holds: record}, indent=1) + "\n")
        return record

    def _read(self) -> dict[str, Any]:
        """The note; nothing where there is none, or none with a record."""
        try:
            note = json.loads(self.note.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return note if isinstance(note, dict) and isinstance(note.get(self.holds), dict) else {}
