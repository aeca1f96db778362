"""The text of a file: its bytes, unpacked and bounded, by the mark at their begin or the encoding that was told."""

from __future__ import annotations

import codecs
import gzip
import zlib
from pathlib import Path

from textdistill.core.errors import DataError

MAX_LINE = 64 * 2**20  # bytes; a longer line is a broken or a hostile file
MOST_PACKED, BOMB = 256 * 2**20, 100  # bytes from which a file may not unpack to more than so many times its size
MAX_DOCUMENT = 2**30  # bytes of one JSON document, which may be a single line
# The longer mark of UTF-32 begins with that of UTF-16.
_MARKS = (
    *((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32")),
    *((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")),
)
_LOOKED_AT = 4096  # bytes that are looked at for the zeros of UTF-16


def read_text(path: Path, encoding: str = "utf-8", document: bool = False) -> str:
    """The text of a file; `.gz` is unpacked on the way.

    A byte order mark of UTF-8, UTF-16 or UTF-32 counts where `encoding` is the usual one. A `document` may be one long
    line, up to 1 GiB. Raises `DataError` for a file that cannot be read or decoded, or has a line of more than 64 MiB.
    """
    data = _read_bytes(path, document)
    _refuse_other(data[:_LOOKED_AT], path)
    text = _decode(data, path, encoding)
    if (at := text.find("\0")) >= 0:
        line = text.count("\n", 0, at) + 1
        raise DataError(
            f"{path}, line {line}: a NUL character: the file is damaged, or no text; write it again as UTF-8"
        )
    return text


# What files begin with that are called as if they were tables of text.
_OTHERS = (
    (b"\x1f\x8b", "packed by gzip; end its name in .gz"),
    (b"PK\x03\x04", "a zip archive; unpack it and give the table in it, or, of a spreadsheet, end its name in .xlsx"),
    (b"PAR1", "a Parquet file; end its name in .parquet, or say data.format=parquet"),
    (b"SQLite format 3", "a data base; write the table out as CSV"),
    (b"version https://git-lfs", "a pointer of Git LFS and not the file; fetch that (git lfs pull)"),
    (b"<!doctype html", "a web page; fetch the file itself (of GitHub and the hub: the raw file)"),
    (b"<html", "a web page; fetch the file itself (of GitHub and the hub: the raw file)"),
)


def _refuse_other(begin: bytes, path: Path) -> None:
    """`DataError` for what is no text of a table, by what it begins with."""
    start = begin.removeprefix(codecs.BOM_UTF8).lstrip()
    for mark, what in _OTHERS:
        if begin.startswith(mark) or (mark[:1] == b"<" and start[: len(mark)].lower() == mark):
            raise DataError(f"{path}: {what}")


def first_line(error: BaseException) -> str:
    """What an error says, on one line."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _read_bytes(path: Path, document: bool) -> bytes:
    parts: list[bytes] = []
    total = 0
    line, run, most = 1, 0, MAX_DOCUMENT if document else MAX_LINE
    try:
        with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
            while part := file.read(2**20):
                parts.append(part)
                total += len(part)
                if total > MOST_PACKED and total > BOMB * path.stat().st_size:
                    raise DataError(
                        f"{path}: {total >> 20} MiB and more out of {path.stat().st_size:,} bytes; no table"
                    )
                last = -1 if document else max(part.rfind(b"\n"), part.rfind(b"\r"))
                run = run + len(part) if last < 0 else len(part) - last - 1
                line += part.count(b"\n")
                if run > most:
                    where = f"{path}" if document else f"{path}, line {line}"
                    raise DataError(f"{where}: longer than {most // 2**20} MiB; this is no table of texts")
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {first_line(error)}") from None
    return b"".join(parts)


def _decode(data: bytes, path: Path, encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
        if name == "utf-8":
            marked = next((other for mark, other in _MARKS if data.startswith(mark)), None)
            name = marked or "utf-8-sig"
            if marked is None and (likely := _unmarked(data)):
                raise DataError(
                    f"{path}, line 1: a zero beside every letter is not {encoding}; {_remedy(likely)} or convert it "
                    "to UTF-8"
                )
        return data.decode(name).removeprefix("\ufeff")
    except LookupError:
        raise DataError(
            f"{path}: unknown encoding {encoding!r} (data.encoding); for example utf-8, utf-16, cp1252, latin-1"
        ) from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}, line {line}: byte 0x{data[error.start]:02x} at offset {error.start} is not {error.encoding}; "
            f"{_remedy('cp1252')} or convert it to UTF-8"
        ) from None
    except ValueError as error:
        raise DataError(f"{path}: cannot be read as {encoding}: {first_line(error)}") from None


def _unmarked(data: bytes) -> str | None:
    """UTF-16 without its mark, by the zeros that it has beside plain letters."""
    begin = data[:_LOOKED_AT]
    most = 0.4 * len(begin) / 2
    for name, at in (("utf-16-le", 1), ("utf-16-be", 0)):
        if len(begin) >= 8 and begin[at::2].count(0) > most and begin[1 - at :: 2].count(0) == 0:
            return name
    return None


def _remedy(likely: str) -> str:
    return f"name the file's own encoding (data.encoding={likely}, or --encoding {likely}?)"
