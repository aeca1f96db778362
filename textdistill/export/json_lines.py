"""JSON lines of labelled texts, for whatever trains on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textdistill.export.files import json_lines
from textdistill.export.material import Material
from textdistill.export.rows import KINDS, rows_of
from textdistill.export.soft import Labels


@dataclass(frozen=True)
class JsonLines:
    """`samples.jsonl`: one row of `rows_of` a line."""

    folder: ClassVar[bool] = False
    names: ClassVar[tuple[str, ...]] = ("samples.jsonl",)
    labels: ClassVar[tuple[Labels, ...]] = KINDS
    uses: ClassVar[frozenset[str]] = frozenset()
    asks: ClassVar[bool] = False

    def files(self, material: Material) -> dict[str, bytes]:
        """See the class."""
        return {"samples.jsonl": json_lines(rows_of(material))}
