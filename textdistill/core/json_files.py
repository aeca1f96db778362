"""JSON files of a run's folder, whoever wrote them: read whole, checked against a model, faults told in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from textdistill.core.errors import ArtifactError

T = TypeVar("T")
MOST_BYTES = 2**26


class Part(BaseModel):
    """Something that a file tells; what it tells beyond what is asked for is kept."""

    model_config = ConfigDict(frozen=True, extra="allow")


def existing(folder: str | Path) -> Path:
    """The folder's path. Errors: `ArtifactError` where there is no such folder."""
    if not Path(folder).is_dir():
        raise ArtifactError(f"{folder}: no such folder; give the folder of a finished run")
    return Path(folder)


def facts_in(folder: Path, name: str) -> dict[str, Any]:
    """The JSON object that anybody's folder has under a name; empty where there is none, or where `folder` is a file.

    Errors: `ArtifactError` for a file that leads outside the folder, is larger than 64 MiB, or holds no object.
    """
    path = Path(folder) / name
    if not Path(folder).is_dir() or not path.exists():
        return {}
    if not path.resolve().is_relative_to(Path(folder).resolve()):
        raise ArtifactError(f"{path}: leads outside the folder; copy the real file there")
    if path.stat().st_size > MOST_BYTES:
        raise ArtifactError(f"{path}: more than {MOST_BYTES >> 20} MiB; that is no file of a run")
    return parse(text_of(path, "give another folder") or "{}", str(path), "give another folder", dict)


def required(path: Path, remedy: str, kind: type[T]) -> T:
    """A file's JSON as `kind`; a file that is not there is an `ArtifactError` too."""
    content = optional(path, remedy, kind)
    if content is None:
        raise ArtifactError(f"{path}: missing, so the run is not finished; {remedy}")
    return content


def optional(path: Path, remedy: str, kind: type[T]) -> T | None:
    """A file's JSON as `kind`, or `None` when there is no such file; `ArtifactError` for anything else in it."""
    text = text_of(path, remedy)
    return None if text is None else parse(text, str(path), remedy, kind)


def text_of(path: Path, remedy: str) -> str | None:
    """The text of a file, or `None` when there is no such file."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path}: cannot be read as UTF-8 text ({error}); {remedy}") from None


def parse(text: str, source: str, remedy: str, kind: type[T]) -> T:
    """JSON as `kind`. Errors: `ArtifactError`, which names `source`, the entry at fault and the remedy."""
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise ArtifactError(f"{source}: not JSON at line {error.lineno}, {error.msg.lower()}; {remedy}") from None
    except RecursionError:
        raise ArtifactError(f"{source}: nested too deeply to be a run's file; {remedy}") from None
    except ValueError as error:  # a number of thousands of digits
        raise ArtifactError(f"{source}: not JSON ({str(error)[:80]}); {remedy}") from None
    return checked(values, source, remedy, kind)


def checked(values: Any, source: str, remedy: str, kind: type[T]) -> T:
    """Values that were read from JSON, as `kind`; errors as of `parse`, at most four entries told."""
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, fault['loc'])) or 'whole file'}: {fault['msg']}, found {fault['input']!r:.60}"
            for fault in error.errors()[:4]
        ]
        raise ArtifactError(f"{source}: {'; '.join(faults)}; {remedy}") from None
