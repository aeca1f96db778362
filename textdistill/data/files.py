"""A user's own files: CSV, TSV, JSON lines and Parquet, read whole, with every fault told by line."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import threading
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from textdistill.core.errors import DataError
from textdistill.data.columns import Records
from textdistill.data.settings import FORMATS

MAX_LINE = 64 * 2**20  # bytes; a longer line is a broken or a hostile file
_SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}
_CSV_LIMIT = threading.Lock()  # the csv module has one field limit for the whole process


def suffixes() -> list[str]:
    """The file name endings that are read, Parquet first."""
    plain = sorted(_SUFFIXES, key=lambda suffix: (suffix != ".parquet", suffix))
    return plain + [suffix + ".gz" for suffix in plain if suffix != ".parquet"]


def format_of(path: Path) -> str | None:
    """The format that a file's name tells, `None` if it tells none."""
    name = path.name.lower().removesuffix(".gz")
    return _SUFFIXES.get(Path(name).suffix)


def read_file(path: str | Path, *, format: str | None = None, encoding: str = "utf-8") -> Records:
    """The columns of a file; `.gz` text is unpacked on the way.

    Raises `DataError` for a file that is missing, empty, of an unknown format, undecodable, ragged, or has a line of
    more than 64 MiB or a column name twice.
    """
    path = Path(path).expanduser()
    if not path.exists():
        near = [str(other) for other in sorted(path.parent.glob(f"{path.stem}.*"))[:3]]
        raise DataError(f"{path}: no such file" + (f"; there is {', '.join(near)}" if near else ""))
    if not path.is_file():
        raise DataError(f"{path}: not a file; give one of {', '.join(suffixes())}")
    format = format or format_of(path)
    if format not in FORMATS:
        raise DataError(f"{path}: unknown format; name it (format: {', '.join(FORMATS)}) or end it in a known suffix")
    if format == "parquet":
        return _read_parquet(path)
    text = _decode(_read_bytes(path), path, encoding)
    return read_json_lines(text, str(path)) if format == "jsonl" else read_csv(text, str(path), format)


def read_csv(text: str, source: str, format: str = "csv") -> Records:
    """The columns of comma (or tab) separated text with a header line and `"` quotes; a row is called by its line."""
    if not text.strip():
        raise DataError(f"{source}: empty file")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if format == "tsv" else ",", strict=True)
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
                    header = [name.strip() for name in record]
                elif len(record) != len(header):
                    raise DataError(
                        f"{source}, line {start}: {len(record)} fields, the header has {len(header)}; "
                        "quote a field that holds a separator, a quote or a line break"
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
    names = _unique(header or [], source)
    places = {name: place for place, name in enumerate(names)}
    return Records(source, names, lambda name: [record[places[name]] for record in records], "line", numbers)


def read_json_lines(text: str, source: str) -> Records:
    """The columns of one JSON object a line; a key that a line lacks is a missing value."""
    if not text.strip():
        raise DataError(f"{source}: empty file")
    records: list[dict[str, Any]] = []
    numbers: list[int] = []
    names: dict[str, None] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line, object_pairs_hook=_pairs)
        except DataError as error:
            raise DataError(f"{source}, line {number}: {error}") from None
        except (ValueError, RecursionError) as error:
            array = (
                " (a JSON array is not JSON lines: write one object a line)" if number == 1 and line[0] == "[" else ""
            )
            raise DataError(f"{source}, line {number}: not a JSON object: {error}{array}") from None
        if not isinstance(record, dict):
            raise DataError(
                f"{source}, line {number}: a {type(record).__name__}, not an object; write one {{...}} a line"
            )
        records.append(record)
        numbers.append(number)
        names.update(dict.fromkeys(record))
    return Records(source, tuple(names), lambda name: [record.get(name) for record in records], "line", numbers)


def _read_parquet(path: Path) -> Records:
    try:
        file = pq.ParquetFile(path)
        names = _unique(file.schema_arrow.names, str(path))
        count = file.metadata.num_rows
        classes = _class_names(file.schema_arrow.metadata or {})
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable Parquet file: {_first_line(error)}") from None

    def read(name: str) -> list[Any]:
        try:
            return list(pq.read_table(path, columns=[name], partitioning=None).column(0).to_pylist())
        except (pa.ArrowException, OSError, ValueError, IndexError) as error:
            raise DataError(f"{path}: column {name!r} cannot be read: {_first_line(error)}") from None

    return Records(str(path), names, read, "row", range(1, count + 1), classes)


def _class_names(metadata: dict[bytes, bytes]) -> dict[str, tuple[str, ...]]:
    """Class names by column, as `datasets` writes them into a Parquet schema; what is not understood is passed over."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        columns = {
            column: feature["names"]
            for column, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    return {
        column: tuple(names)
        for column, names in columns.items()
        if isinstance(names, list)
        and all(isinstance(name, str) for name in names)
        and len(set(names)) == len(names) > 0
    }


def _read_bytes(path: Path) -> bytes:
    """The whole file, unpacked, refused at the first line of more than `MAX_LINE` bytes."""
    parts: list[bytes] = []
    line, run = 1, 0
    try:
        with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
            while part := file.read(2**20):
                parts.append(part)
                last = max(part.rfind(b"\n"), part.rfind(b"\r"))
                run = run + len(part) if last < 0 else len(part) - last - 1
                line += part.count(b"\n")
                if run > MAX_LINE:
                    raise DataError(f"{path}, line {line}: longer than 64 MiB; this is no table of texts")
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {_first_line(error)}") from None
    return b"".join(parts)


def _decode(data: bytes, path: Path, encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
        return data.decode("utf-8-sig" if name == "utf-8" else name)
    except LookupError:
        raise DataError(f"{path}: unknown encoding {encoding!r}; for example utf-8, utf-16, cp1252, latin-1") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        likely = "utf-16" if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "cp1252"
        raise DataError(
            f"{path}, line {line}: byte 0x{data[error.start]:02x} at offset {error.start} is not {encoding}; "
            f"name the file's own encoding (encoding: {likely}?) or convert it to UTF-8"
        ) from None
    except ValueError as error:
        raise DataError(f"{path}: cannot be read as {encoding}: {_first_line(error)}") from None


def _unique(names: list[str], source: str) -> tuple[str, ...]:
    twice = [name for name, number in Counter(names).items() if number > 1]
    if twice:
        raise DataError(f"{source}: column {', '.join(map(repr, twice))} is there more than once; rename one")
    return tuple(names)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        _unique([key for key, _ in pairs], "one object")
    return record


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
