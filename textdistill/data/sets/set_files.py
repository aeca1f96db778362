"""Where the files of readable sets lie in a folder of any make, and reading one of them with a bound on its size."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from textdistill.core.errors import DataError
from textdistill.core.file_names import CARD, SAMPLES, TENSORS
from textdistill.core.yaml_text import parse_yaml
from textdistill.data.columns import Records
from textdistill.data.files import format_of, read_file, refuse_address, suffixes
from textdistill.data.spreadsheet import unpacked_size

MOST_BYTES = 256 * 2**20  # unpacked; a set for people to read is a thousandth of that
MOST_CARD_BYTES = 2**20
TASK, PROMPTFOO, LLAMA_FACTORY = "task.yaml", "promptfooconfig.yaml", "dataset_info.json"  # name a tool's folder


def set_files(path: Path) -> list[Path]:
    """The files that hold one set each: a file itself, or what lies in a folder, 2 before 10.

    A folder holds `samples.jsonl`, or what names it the folder of another tool (`task.yaml`, `promptfooconfig.yaml`,
    `dataset_info.json`), or a data card whose configurations name files (of the split `train`, else of every
    split), or files of tables (`train` alone where there is one), or folders with one of these. Raises `DataError` for
    a folder with nothing of the kind, and for a file that lies outside the folder that was asked for.
    """
    refuse_address(path)
    if not path.exists():
        near = [str(other) for other in sorted(path.parent.glob(f"{path.stem}*"))[:3]] if path.stem else []
        raise DataError(f"{path}: no such file or folder" + (f"; there is {', '.join(near)}" if near else ""))
    if not path.is_dir():
        return [path]
    files = _in_folder(path)
    if not files:
        files = [file for folder in sorted(_folders(path), key=_natural) for file in _in_folder(folder)]
    if not files:
        if (path / TENSORS).is_file():
            raise DataError(f"{path}: a run whose samples are no texts ({TENSORS}, no {SAMPLES}): it cannot be read")
        has = ", ".join(sorted(entry.name for entry in path.iterdir())[:10]) or "nothing"
        raise DataError(f"{path}: no {SAMPLES} and no table ({', '.join(suffixes()[:5])}); it has {has}")
    for file in files:
        _inside(path, file)
    return files


def read_bounded(path: Path) -> Records:
    """The columns of a file of at most 256 MiB, unpacked; `DataError` for a larger one and for all of `read_file`'s."""
    if path.suffix.lower() == ".txt":
        raise DataError(
            f"{path}: unknown format for a set: a prompt is running text and cannot be read back; give the set's own "
            "file, and of a table end its name in .csv or .tsv"
        )
    if path.is_file():
        size = _size(path)
        if size > MOST_BYTES:
            raise DataError(
                f"{path}: more than {MOST_BYTES // 2**20} MiB; a distilled set is small: give one set's file"
            )
    return read_file(path)


def _in_folder(folder: Path) -> list[Path]:
    """The sets of one folder, without those of the folders in it (but for `data`, where the hub's files lie)."""
    if (folder / SAMPLES).is_file():
        return [folder / SAMPLES]
    tool = list(_of_tool(folder))
    if tool:
        return tool
    named = list(_by_card(folder))
    if named:
        return named
    for place in (folder, folder / "data"):
        tables = [file for file in place.iterdir() if _is_table(file)] if place.is_dir() else []
        train = [file for file in tables if re.fullmatch(r"train(-\d+-of-\d+)?", file.name.split(".")[0])]
        if tables:
            return sorted(train or tables, key=_natural)
    return []


def _of_tool(folder: Path) -> Iterator[Path]:
    """The file with the shots in a folder that another tool reads; its tables are rows to ask about."""
    if (folder / TASK).is_file():
        yield folder / TASK
    elif (folder / PROMPTFOO).is_file() and (folder / "chat.json").is_file():
        yield folder / "chat.json"
    elif (card := folder / LLAMA_FACTORY).is_file():
        try:
            entries = json.loads(card.read_bytes()[:MOST_CARD_BYTES])
        except (ValueError, RecursionError) as error:
            raise DataError(f"{card}: not JSON: {str(error)[:200]}") from None
        for entry in entries.values() if isinstance(entries, dict) else ():
            if isinstance(entry, dict) and isinstance(entry.get("file_name"), str):
                yield _resolved(folder, card, entry["file_name"])


def _is_table(path: Path) -> bool:
    # `.json` in a folder is somebody's settings and `.txt` a prompt, though such a file is read if it is asked for
    known = format_of(path) is not None and not path.name.startswith(".")
    known = known and path.suffix.lower() not in (".json", ".txt")
    return known and path.is_file()


def _folders(path: Path) -> Iterator[Path]:
    for entry in path.iterdir():
        if entry.is_dir() and not entry.name.startswith("."):
            yield entry


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """A key that orders set2 before set10."""
    parts = re.split(r"(\d+)", path.name)
    return [(0, int(part[:18]), part) if part.isdecimal() else (1, 0, part) for part in parts if part]


def _by_card(folder: Path) -> Iterator[Path]:
    """The files that the `configs` of a README's YAML header name."""
    card = folder / CARD
    for number, config in enumerate(_configs(card)):
        if not isinstance(config, Mapping):
            raise DataError(f"{card}: configs[{number}] is {_kind(config)}; write config_name and data_files")
        name = config.get("config_name", number)
        files = _split_files(config.get("data_files"))
        if files is None:
            raise DataError(
                f"{card}: data_files of config {name!r} must be a path, or a list of {{split, path}} with one path each"
            )
        for path in [files["train"]] if "train" in files else files.values():
            yield _resolved(folder, card, path)


def _configs(card: Path) -> list[Any]:
    if not card.is_file():
        return []
    with card.open("rb") as file:
        text = file.read(MOST_CARD_BYTES).decode("utf-8", "replace").replace("\r\n", "\n")
    header = re.match(r"---\n(.*?)\n---\s*(\n|$)", text, re.DOTALL)
    if header is None:
        return []
    try:
        facts = parse_yaml(header[1])
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = "" if mark is None else f", line {mark.line + 2}"
        raise DataError(f"{card}{line}: the header is not YAML: {str(error).splitlines()[0][:200]}") from None
    configs = facts.get("configs") if isinstance(facts, dict) else None
    if configs is not None and not isinstance(configs, list):
        raise DataError(f"{card}: configs is {_kind(configs)}; a list of config_name and data_files is needed")
    return configs or []


def _split_files(data_files: Any) -> dict[str, str] | None:
    """One path for each split; `None` where it is told in another way."""
    if isinstance(data_files, str):
        return {"train": data_files}
    if not isinstance(data_files, list) or not data_files:
        return None
    files: dict[str, str] = {}
    for entry in data_files:
        if isinstance(entry, str) and len(data_files) == 1:
            return {"train": entry}
        path = entry.get("path") if isinstance(entry, dict) else None
        path = path[0] if isinstance(path, list) and len(path) == 1 else path
        if not isinstance(path, str):
            return None
        files[str(entry.get("split", "train"))] = path
    return files


def _resolved(folder: Path, card: Path, path: str) -> Path:
    """The one file of the folder that a card's path or pattern means."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\\" in path or "\0" in path or not pure.parts:
        raise DataError(f"{card}: {path!r} leads outside the folder; copy the file there and name it as it lies there")
    try:
        matches = sorted(file for file in folder.glob(path) if file.is_file())
    except (ValueError, NotImplementedError, OSError) as error:
        raise DataError(f"{card}: {path!r} is no pattern of files: {error}") from None
    if len(matches) != 1:
        what = "no such file" if not matches else f"{len(matches)} files, and a set is one"
        raise DataError(f"{card}: {path!r}: {what}; name one file for each split")
    return matches[0]


def _inside(folder: Path, file: Path) -> None:
    """Refuse a link to somewhere else; the hub's cache is made of links to its `blobs`, next to `snapshots`."""
    real, base = file.resolve(), folder.resolve()
    blobs = base.parent.parent / "blobs" if base.parent.name == "snapshots" else base
    if not (real.is_relative_to(base) or real.is_relative_to(blobs)):
        raise DataError(f"{file}: leads outside the folder; copy the real file there")


def _size(path: Path) -> int:
    """Bytes of the file's content, unpacked; of packed text no more is read than shows that it is too much."""
    try:
        if format_of(path) == "parquet":
            return _parquet_size(path)
        if format_of(path) == "xlsx":
            return unpacked_size(path)
        if not path.name.lower().endswith(".gz"):
            return path.stat().st_size
        total = 0
        with gzip.open(path) as file:
            while total <= MOST_BYTES and (part := file.read(2**20)):
                total += len(part)
        return total
    except (pa.ArrowException, OSError, EOFError, ValueError, zlib.error):
        return 0  # the reader says what is wrong with it


def _parquet_size(path: Path) -> int:
    """Bytes of the texts of all rows: a file may hold one long text once and point to it from a million rows."""
    meta = pq.read_metadata(path)
    size: int = max(sum(meta.row_group(k).total_byte_size for k in range(meta.num_row_groups)), 8 * meta.num_rows)
    if size > MOST_BYTES:
        return size
    schema = pq.read_schema(path)
    names = [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]
    for column in pq.read_table(path, columns=names, read_dictionary=names, partitioning=None).columns:
        for chunk in column.chunks:
            if isinstance(chunk, pa.DictionaryArray):
                lengths = pc.binary_length(chunk.dictionary).cast(pa.int64())
                size += pc.sum(lengths.take(chunk.indices)).as_py() or 0
            else:
                size += chunk.nbytes
    return size


def _kind(value: Any) -> str:
    return f"{value!r}"[:60]
