"""Rows out of text: separated by a sign, one JSON object a line, or one JSON document."""

from __future__ import annotations

import csv
import io
import json
import re
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

from textdistill.core.errors import DataError
from textdistill.data.columns import Records
from textdistill.data.file_text import MAX_LINE
from textdistill.data.label_names import trimmed
from textdistill.data.settings import DELIMITERS

_CSV_LIMIT = threading.Lock()  # the csv module has one field limit for the whole process
_SIGNS = {name: "\t" if name == "tab" else name for name in DELIMITERS}
_TOLD = re.compile(r'"?sep=([,;|\t])"?(?=[\r\n])')  # a spreadsheet's own first line
_LONGEST_HEADER = 2**16  # characters that are looked at
_OWN = {"csv": ",", "tsv": "\t"}


def read_csv(text: str, source: str, format: str = "csv", delimiter: str | None = None) -> Records:
    """The columns of text with a header line, a sign between fields and `"` quotes; a row is called by its line.

    The sign is `delimiter`, else that of the format where the header has it, else what `csv.Sniffer` finds in the
    header (one of `,;|` and the tab), or a first line `sep=;` says. A sign that was found, and is not the format's own,
    is told in a note.
    """
    if not text.strip():
        raise DataError(f"{source}: empty file")
    told = _TOLD.match(text)
    if told:  # an empty line in its place: lines keep their numbers
        text = text[told.end() :]
    sign, notes = (told[1], ()) if told and delimiter is None else _sign(text, source, format, delimiter)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=sign, strict=True)
    records: list[list[str]] = []
    numbers: list[int] = []
    header: list[str] | None = None
    line = 1
    with _CSV_LIMIT:
        before = csv.field_size_limit(MAX_LINE)
        try:
            for record in reader:
                start, line = line, reader.line_num + 1
                if not record:
                    continue
                if header is None:
                    header = named([trimmed(name) for name in record])
                elif len(record) != len(header):
                    raise DataError(
                        f"{source}, line {start}: {len(record)} fields, the header has {len(header)} (separated by "
                        f"{_called(sign)}); quote a field that holds a separator, a quote or a line break, or name the "
                        "separator (--delimiter)" + ("; line 1 is a comment: delete it" if header[0][:1] == "#" else "")
                    )
                else:
                    records.append(record)
                    numbers.append(start)
        except csv.Error as error:
            raise DataError(
                f"{source}, line {line}: {error}; put a field that has quotes into quotes and double those inside"
            ) from None
        finally:
            csv.field_size_limit(before)
    names = unique(header or [], source)
    places = {name: place for place, name in enumerate(names)}
    return Records(
        source, names, lambda name: [record[places[name]] for record in records], "line", numbers, notes=notes
    )


def read_json_lines(text: str, source: str) -> Records:
    """The columns of one JSON object a line; a key that a line lacks is a missing value."""
    if not text.strip():
        raise DataError(f"{source}: empty file")
    records: list[dict[str, Any]] = []
    numbers: list[int] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line, object_pairs_hook=_pairs)
        except DataError as error:
            raise DataError(f"{source}, line {number}: {error}") from None
        except (ValueError, RecursionError) as error:
            whole = number == 1 and line[0] == "["
            array = " (a JSON array is not JSON lines: name it .json, or say format: json)" if whole else ""
            raise DataError(f"{source}, line {number}: not a JSON object: {error}{array}") from None
        if not isinstance(record, dict):
            raise DataError(
                f"{source}, line {number}: a {type(record).__name__}, not an object; write one {{...}} a line"
            )
        records.append(record)
        numbers.append(number)
    return _of_objects(records, source, "line", numbers)


def read_json(text: str, source: str) -> Records:
    """The columns of one JSON document: an array of objects, alone or as the one such member of an object, or an object
    of columns (arrays, or objects by row as pandas writes them). What is neither is read as JSON lines.
    """
    try:
        document = json.loads(text, object_pairs_hook=_pairs)
    except DataError as error:
        raise DataError(f"{source}: {error}") from None
    except (ValueError, RecursionError) as error:
        if text.lstrip()[:1] == "[":
            raise DataError(f"{source}: not a JSON array of objects: {str(error)[:200]}; mend it there") from None
        return read_json_lines(text, source)
    return rows_in(document, source) or read_json_lines(text, source)


def rows_in(document: Any, source: str) -> Records | None:
    """The rows of a JSON document, see `read_json`; `None` where it is a single row."""
    if isinstance(document, list):
        for place, record in enumerate(document, start=1):
            if not isinstance(record, dict):
                raise DataError(
                    f"{source}, row {place}: a {type(record).__name__}, not an object; an array of {{...}} is read"
                )
        if not document:
            raise DataError(f"{source}: no rows")
        return _of_objects(document, source, "row", range(1, len(document) + 1))
    if not isinstance(document, dict) or not document:
        return None
    tables = [value for value in document.values() if _is_rows(value)]
    if len(tables) == 1:
        return rows_in(tables[0], source)
    values = list(document.values())
    if all(isinstance(value, dict) for value in values) and all(value.keys() == values[0].keys() for value in values):
        values = [list(value.values()) for value in values]
    if not all(isinstance(value, list) for value in values):
        return None
    lengths = {name: len(value) for name, value in zip(document, values, strict=True)}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise DataError(f"{source}: columns of unlike lengths ({said}); write as many values in each")
    columns = dict(zip(document, values, strict=True))
    count = next(iter(lengths.values()))
    return Records(source, tuple(columns), lambda name: list(columns[name]), "row", range(1, count + 1))


def named(header: list[str]) -> list[str]:
    """The names of columns, those that have none numbered as pandas numbers them where there are several."""
    if header.count("") < 2:
        return header
    return [name or f"Unnamed: {place}" for place, name in enumerate(header)]


def unique(names: list[str], source: str) -> tuple[str, ...]:
    """The names of columns; `DataError` for one that is there twice."""
    twice = [name for name, number in Counter(names).items() if number > 1]
    if twice:
        raise DataError(f"{source}: column {', '.join(map(repr, twice))} is there more than once; rename one")
    return tuple(names)


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(record, dict) for record in value)


def _of_objects(records: list[dict[str, Any]], source: str, unit: str, numbers: Sequence[int]) -> Records:
    names = tuple(dict.fromkeys(name for record in records for name in record))
    return Records(source, names, lambda name: [record.get(name) for record in records], unit, numbers)


def _sign(text: str, source: str, format: str, delimiter: str | None) -> tuple[str, tuple[str, ...]]:
    """What separates fields, and the note that says so where it is not the format's own."""
    if delimiter is not None:
        return _SIGNS[delimiter], ()
    own = _OWN[format]
    begin = len(text) - len(text.lstrip("\r\n"))
    header = re.split(r"[\r\n]", text[begin : begin + _LONGEST_HEADER], maxsplit=1)[0]
    if (format == "tsv" and own in header) or len(header) == _LONGEST_HEADER:
        return own, ()
    try:
        sign = csv.Sniffer().sniff(header, delimiters="".join(_SIGNS.values())).delimiter
    except csv.Error:  # a single column
        return own, ()
    if sign == own:
        return sign, ()
    return sign, (f"{source}: separated by {_called(sign)}, as its header is (data.delimiter says otherwise)",)


def _called(sign: str) -> str:
    return "tabs" if sign == "\t" else repr(sign)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        unique([key for key, _ in pairs], "one object")
    return record
