"""CSV of labelled texts, for scikit-learn, SetFit, trainers, and, with care, spreadsheets."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any, ClassVar

from textdistill.core.errors import UserError
from textdistill.export.material import Material
from textdistill.export.rows import KINDS, rows_of
from textdistill.export.soft import Labels

# A spreadsheet computes a cell that begins with one of these; an apostrophe before it makes it text.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


@dataclass(frozen=True)
class Csv:
    """`samples.csv`: a row of `rows_of` each, probabilities in a column `p_CLASS` for every class.

    Every cell is quoted and holds the exact text, since classifiers read it; pandas reads it back exactly with
    `keep_default_na=False`. For spreadsheets `safe_cells` puts an apostrophe before every cell that one would compute
    (and before one that begins with an apostrophe: taking one away gives the text back); plain numbers stay.
    """

    safe_cells: bool = False
    folder: ClassVar[bool] = False
    names: ClassVar[tuple[str, ...]] = ("samples.csv",)
    labels: ClassVar[tuple[Labels, ...]] = KINDS
    uses: ClassVar[frozenset[str]] = frozenset()
    asks: ClassVar[bool] = False

    def files(self, material: Material) -> dict[str, bytes]:
        """See the class. `UserError` for a text with the character NUL, which CSV readers stop at."""
        rows = rows_of(material)
        flat = [
            {
                **{name: self._cell(value) for name, value in row.items() if name != "labels"},
                **{f"p_{name}": repr(share) for name, share in row.get("labels", {}).items()},
            }
            for row in rows
        ]
        for number, row in enumerate(flat, 1):
            for name, value in row.items():
                if "\0" in value:
                    raise UserError(f"csv: row {number}, column {name} holds NUL, where CSV readers stop; use jsonl")
        stream = io.StringIO(newline="")
        writer = csv.DictWriter(stream, list(flat[0]), quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writeheader()
        writer.writerows(flat)
        return {"samples.csv": stream.getvalue().encode()}

    def _cell(self, value: Any) -> str:
        text = value if isinstance(value, str) else repr(value)
        return "'" + text if self.safe_cells and text.startswith(FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip()
