"""Rows out of a spreadsheet's .xlsx file, read through openpyxl, which the extra `spreadsheets` installs."""

from __future__ import annotations

import datetime
import importlib
import re
import warnings
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

from textdistill.core.errors import DataError
from textdistill.data.columns import Records
from textdistill.data.file_rows import named as named_columns
from textdistill.data.file_rows import unique
from textdistill.data.file_text import first_line

MOST_UNPACKED = 512 * 2**20  # bytes of all parts together; an .xlsx file is packed, and may claim anything
_AS_CSV = "save it as CSV (UTF-8) from the program that wrote it, and give that"
_DECLARED = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)  # no spreadsheet declares anything


def unpacked_size(path: Path) -> int:
    """Bytes of all parts of the file, unpacked, as its directory says (no part gives more). Raises `OSError`."""
    try:
        with zipfile.ZipFile(path) as packed:
            return sum(part.file_size for part in packed.infolist())
    except zipfile.BadZipFile as error:
        raise OSError(str(error)) from None


def read_spreadsheet(path: Path, sheet: str | None = None) -> Records:
    """The columns of the sheet called `sheet`, or of the first one; the first row that holds anything is the header.

    Cells are texts as a CSV file would have them, formulas what they were last computed to. Empty rows are passed over;
    rows are called by the sheet's own numbers. Raises `DataError` where openpyxl is not installed, for a file that is
    none, that is more than 512 MiB unpacked, or has no such sheet, and for a row with a value beyond the header.
    """
    try:
        openpyxl = importlib.import_module("openpyxl")
    except ImportError:
        raise DataError(
            f"{path}: a spreadsheet: pip install 'textdistill[spreadsheets]' reads it; or {_AS_CSV}"
        ) from None
    _refuse_bomb(path)
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles, and what else is no value
            book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
            try:
                return _read(book, path, sheet)
            finally:
                book.close()
    except DataError:
        raise
    except Exception as error:  # a stranger's file makes the library fail in any way
        raise DataError(f"{path}: not a readable spreadsheet: {first_line(error)}; {_AS_CSV}") from None


def _refuse_bomb(path: Path) -> None:
    try:
        size = unpacked_size(path)
        if size > MOST_UNPACKED:
            raise DataError(
                f"{path}: {size // 2**20:,} MiB unpacked, more than {MOST_UNPACKED // 2**20}; this is no table of texts"
            )
        with zipfile.ZipFile(path) as packed:
            for part in packed.namelist():
                with packed.open(part) as file:
                    if part.endswith((".xml", ".rels")) and _DECLARED.search(file.read(4096)):
                        raise DataError(f"{path}: {part} declares entities, as no spreadsheet does; {_AS_CSV}")
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:  # the latter two: encrypted
        raise DataError(
            f"{path}: not a readable spreadsheet ({first_line(error)}): encrypted, or of another kind; {_AS_CSV}"
        ) from None


def _read(book: Any, path: Path, sheet: str | None) -> Records:
    names = [page.title for page in book.worksheets]
    if not names:
        raise DataError(f"{path}: no sheet with cells; {_AS_CSV}")
    if sheet is not None and sheet not in names:
        raise DataError(f"{path}: no sheet {sheet!r} (data.sheet); sheets: {', '.join(map(repr, names[:20]))}")
    page = book[sheet or names[0]]
    page.reset_dimensions()  # what a file says of its size need not be so
    header, begin = _header(page, path)
    width = len(header)
    records: list[tuple[str | None, ...]] = []
    numbers: list[int] = []
    with closing(page.iter_rows(min_row=begin + 1, max_col=width + 1, values_only=True)) as rows:
        for number, cells in enumerate(rows, start=begin + 1):
            if all(cell is None for cell in cells):
                continue
            if len(cells) > width and cells[width] is not None:
                raise DataError(f"{path}, row {number}: a value beyond the header's {width} columns; name its column")
            values = tuple(map(_text, cells[:width]))
            records.append(values + (None,) * (width - len(values)))
            numbers.append(number)
    places = {name: place for place, name in enumerate(header)}
    others = [name for name in names if name != page.title]
    notes = (f"{path}: read sheet {page.title!r}; others: {', '.join(map(repr, others[:5]))} (data.sheet)",)
    return Records(
        str(path),
        header,
        lambda name: [record[places[name]] for record in records],
        "row",
        numbers,
        notes=notes if others and sheet is None else (),
    )


def _header(page: Any, path: Path) -> tuple[tuple[str, ...], int]:
    """The names of the columns, and the number of the row that has them."""
    with closing(page.iter_rows(values_only=True)) as rows:
        for number, cells in enumerate(rows, start=1):
            named = [None if cell is None else str(_text(cell)).strip() for cell in cells]
            while named and not named[-1]:
                named.pop()
            if named:
                return unique(named_columns([name or "" for name in named]), str(path)), number
    raise DataError(f"{path}: sheet {page.title!r} is empty")


def _text(cell: Any) -> str | None:
    """A value as a CSV file has it: whole numbers without a point."""
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if isinstance(cell, datetime.datetime) and cell.time() == datetime.time():
        return cell.date().isoformat()
    return cell.isoformat() if isinstance(cell, datetime.date | datetime.time) else str(cell)
