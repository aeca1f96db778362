"""A user's own files: CSV, TSV, JSON lines, JSON, Parquet and .xlsx, read whole, with every fault told by line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from textdistill.core.errors import DataError
from textdistill.data.columns import Records
from textdistill.data.file_rows import read_csv, read_json, read_json_lines, unique
from textdistill.data.file_text import first_line, read_text
from textdistill.data.settings import FORMATS
from textdistill.data.spreadsheet import read_spreadsheet

MOST_UNPACKED = 8 << 30  # bytes of one column
MOST_ROWS = 100_000_000
_SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
}
_PACKED = frozenset({".parquet", ".xlsx", ".xlsm"})  # by themselves
_SPREADSHEETS = frozenset({".xlsb", ".xls", ".ods", ".numbers"})  # that are not read
_ARCHIVES = frozenset({".zip", ".tar", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar"})
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):/(?=/?[^/\\])", re.IGNORECASE)
_STREAMED_ROWS = 64  # are in memory at once where a column is read value by value
_SPLIT = re.compile(r"(train|validation|valid|dev|test)\b")  # begins the name of a split's file or folder


def suffixes() -> list[str]:
    """The file name endings that are read, Parquet first."""
    plain = sorted(_SUFFIXES, key=lambda suffix: (suffix != ".parquet", suffix))
    return plain + [suffix + ".gz" for suffix in plain if suffix not in _PACKED]


def format_of(path: Path) -> str | None:
    """The format that a file's name tells, `None` if it tells none."""
    name = path.name.lower().removesuffix(".gz")
    return _SUFFIXES.get(Path(name).suffix)


def refuse_address(name: str | Path) -> None:
    """`DataError` for an address: nothing is fetched here."""
    found = _ADDRESS.match(str(name))
    if found and not Path(name).exists():
        raise DataError(
            f"{name}: an address, and nothing is fetched from there; fetch the file first (curl -LO ADDRESS, or a "
            "browser) and give its path"
        )


def parts_of(folder: Path) -> list[Path]:
    """The Parquet files that are the parts of one table, in their order; none where the folder holds splits."""
    parts = sorted(path for path in folder.glob("*.parquet") if path.is_file() and path.name[0] not in "._")
    return [] if parts and any(_SPLIT.match(path.name) for path in folder.iterdir()) else parts


def read_file(
    path: str | Path,
    *,
    format: str | None = None,
    encoding: str = "utf-8",
    delimiter: str | None = None,
    sheet: str | None = None,
) -> Records:
    """The columns of a file, or of a folder of Parquet parts; `.gz` text is unpacked on the way; of a spreadsheet the
    columns of one `sheet`, see `read_spreadsheet`.

    Raises `DataError` for a file that is missing, empty, of an unknown format, undecodable, ragged, or has a line of
    more than 64 MiB or a column name twice.
    """
    refuse_address(path)
    path = Path(path).expanduser()
    if not path.exists():
        near = [str(other) for other in sorted(path.parent.glob(f"{path.stem}.*"))[:3]]
        raise DataError(f"{path}: no such file" + (f"; there is {', '.join(near)}" if near else ""))
    if path.is_dir() and (parts := parts_of(path)):
        return read_parts(parts, str(path))
    if not path.is_file():
        raise DataError(f"{path}: not a file; give one of {', '.join(suffixes())}")
    if format is None and path.suffix.lower() in _SPREADSHEETS:
        raise DataError(f"{path}: a spreadsheet; save it as CSV (UTF-8) from the program that wrote it, and give that")
    if format is None and path.suffix.lower() in _ARCHIVES:
        raise DataError(f"{path}: an archive; unpack it and give the table in it")
    format = format or format_of(path)
    if format not in FORMATS:
        raise DataError(f"{path}: unknown format; name it (format: {', '.join(FORMATS)}) or end it in a known suffix")
    if delimiter is not None and format not in ("csv", "tsv"):
        raise DataError(f"{path}: delimiter {delimiter!r}: a {format} file has none; leave it out, or say format: csv")
    if sheet is not None and format != "xlsx":
        raise DataError(f"{path}: sheet {sheet!r}: a {format} file has none; leave it out")
    if format == "xlsx":
        return read_spreadsheet(path, sheet)
    if format == "parquet":
        return _read_parquet(path)
    text = read_text(path, encoding, document=format == "json")
    if format == "json":
        return read_json(text, str(path))
    return read_json_lines(text, str(path)) if format == "jsonl" else read_csv(text, str(path), format, delimiter)


def read_parts(parts: Sequence[Path], source: str) -> Records:
    """Several Parquet files with the same columns as one table, which messages call `source`."""
    tables = [_read_parquet(part) for part in parts]
    first = tables[0]
    for part, table in zip(parts, tables, strict=True):
        if set(table.names) != set(first.names):
            raise DataError(
                f"{part}: columns {table.told}; {parts[0].name} has {first.told}; parts of one table have the same"
            )
        if table.class_names != first.class_names:
            raise DataError(f"{part}: names its classes otherwise than {parts[0].name}; write the parts alike")
    count = sum(len(table.numbers) for table in tables)
    return Records(
        source if len(parts) > 1 else str(parts[0]),
        first.names,
        lambda name: [value for table in tables for value in table.read(name)],
        "row",
        range(1, count + 1),
        first.class_names,
        (f"{source}: {len(parts)} Parquet parts read as one table",) if len(parts) > 1 else (),
        lambda name: chain.from_iterable(table.values(name) for table in tables),
        tuple(tables) if len(parts) > 1 else (),
    )


def _read_parquet(path: Path) -> Records:
    try:
        file = pq.ParquetFile(path)
        names = unique(file.schema_arrow.names, str(path))
        count = file.metadata.num_rows
        if count > MOST_ROWS:
            raise DataError(f"{path}: {count:,} rows; at most {MOST_ROWS:,} are read")
        classes = _class_names(file.schema_arrow.metadata or {})
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable Parquet file: {first_line(error)}") from None

    def read(name: str) -> list[Any]:
        try:
            column = _bounded_column(path, file.schema_arrow, name)
            values = [] if column is None else list(column.to_pylist())
        except (pa.ArrowException, OSError, ValueError, IndexError) as error:
            raise DataError(f"{path}: column {name!r} cannot be read: {first_line(error)}") from None
        if column is None:
            raise DataError(
                f"{path}: column {name!r} unpacks to more than {MOST_UNPACKED >> 30} GiB; no table of texts"
            )
        if len(values) != count:  # what a flipped bit leaves
            raise DataError(f"{path}: column {name!r} has {len(values):,} values, the table {count:,} rows; damaged")
        return values

    def stream(name: str) -> Iterator[Any]:
        try:
            with pq.ParquetFile(path, pre_buffer=False, buffer_size=2**16) as opened:
                for batch in opened.iter_batches(_STREAMED_ROWS, columns=[name]):
                    yield from batch.column(0).to_pylist()
        except (pa.ArrowException, OSError, ValueError, IndexError) as error:
            raise DataError(f"{path}: column {name!r} cannot be read: {first_line(error)}") from None

    return Records(str(path), names, read, "row", range(1, count + 1), classes, stream=stream)


def _bounded_column(path: Path, schema: pa.Schema, name: str) -> pa.ChunkedArray | None:
    """A column; `None` where a small file stands for more than memory holds: one long text, pointed to by many rows."""
    kind = schema.field(name).type if schema.names.count(name) == 1 else pa.null()
    texts = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    read = [name] if texts else None
    column = pq.read_table(path, columns=[name], partitioning=None, read_dictionary=read).column(0)
    size = 0
    for chunk in column.chunks:
        if texts and isinstance(chunk, pa.DictionaryArray):
            lengths = pc.binary_length(chunk.dictionary).cast(pa.int64())
            size += pc.sum(lengths.take(chunk.indices)).as_py() or 0
        else:
            size += chunk.nbytes
    return column if size <= MOST_UNPACKED else None


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
