"""Sets in the shapes of other tools (chats, instruction rows, programs and tasks with their shots) as plain rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from textdistill.core.errors import DataError
from textdistill.core.yaml_text import parse_yaml
from textdistill.data.columns import Records
from textdistill.data.file_rows import rows_in
from textdistill.data.file_text import first_line, read_text
from textdistill.data.files import format_of
from textdistill.data.sets.set_files import PROMPTFOO, read_bounded
from textdistill.data.sets.worded import unworded

_ESCAPED = re.compile(r'\{\{ "(\{+|#)" \}\}')  # a piece of text that a template engine is to leave alone
_CHATS = ("messages", "conversations")
_ASK, _ANSWER = frozenset({"user", "human"}), frozenset({"assistant", "gpt", "model"})


def rows_of_set(path: Path) -> Records:
    """The columns of a set's file, whatever its shape; `DataError` as in reading a table."""
    if path.suffix.lower() in (".yaml", ".yml"):
        return _task(path)
    document = _document(path) if format_of(path) == "json" and path.is_file() else None
    if isinstance(document, dict):
        if document.get("_type") == "few_shot" and isinstance(document.get("examples"), list):
            shots = [{key: _unformatted(value) for key, value in shot.items()} for shot in document["examples"]]
            return rows_in(shots, str(path)) or read_bounded(path)
        states = [state for state in (document, *document.values()) if isinstance(state, dict)]
        demos = next((state["demos"] for state in states if isinstance(state.get("demos"), list)), None)
        if demos:
            return rows_in(demos, str(path)) or read_bounded(path)
    return read_bounded(path)


def reshaped(rows: Records) -> Records:
    """Rows that have no column of texts by itself, with one: chats and instruction rows; else the rows as they are."""
    chat = next((name for name in _CHATS if name in rows.names), None)
    turns: list[tuple[int, str, str]] | None = None
    if chat is not None:
        turns = [
            (number, *turn)
            for number, messages in zip(rows.numbers, rows.read(chat), strict=True)
            for turn in _turns(messages if isinstance(messages, list) else ())
        ]
    elif {"role", "content"} <= set(rows.names):  # the file is one chat
        messages = [
            {"role": role, "content": said} for role, said in zip(rows.read("role"), rows.read("content"), strict=True)
        ]
        if (Path(rows.source).parent / PROMPTFOO).is_file():
            messages = [{**message, "content": _ESCAPED.sub(r"\1", str(message["content"]))} for message in messages]
        turns = [(number, *turn) for number, turn in enumerate(_turns(messages), start=1)]
    elif {"instruction", "output"} <= set(rows.names):
        turns = _instructed(rows)
    if turns is None:
        return rows
    if not turns:
        raise DataError(f"{rows.source}: no question with its answer; a message of the user, then one of the assistant")
    texts, pairs = unworded([question for _, question, _ in turns])
    columns = {"text": texts, **({} if pairs is None else {"text_pair": pairs}), "label": [turn[2] for turn in turns]}
    return Records(
        rows.source, tuple(columns), lambda name: list(columns[name]), rows.unit, [turn[0] for turn in turns]
    )


def _task(path: Path) -> Records:
    """The shots of a task of lm-evaluation-harness: `fewshot_config.samples`, labels by `doc_to_choice`."""
    try:
        task = parse_yaml(read_text(path))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: not YAML: {first_line(error)}") from None
    shots = task.get("fewshot_config", {}) if isinstance(task, dict) else None
    samples = shots.get("samples") if isinstance(shots, dict) else None
    rows = rows_in(samples, str(path)) if isinstance(samples, list) else None
    if rows is None:
        raise DataError(f"{path}: no shots; a task that is read as a set has them as fewshot_config.samples")
    choices = task.get("doc_to_choice")
    if not (isinstance(choices, list) and all(isinstance(choice, str) for choice in choices)):
        return rows
    return Records(rows.source, rows.names, rows.read, rows.unit, rows.numbers, {"label": tuple(choices)})


def _document(path: Path) -> Any:
    """The file as one JSON document, `None` where it is none: the reader of tables says what is wrong with it."""
    try:
        return json.loads(read_text(path, document=True))
    except (DataError, ValueError, RecursionError):
        return None


def _turns(messages: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """Each question that is answered at once, and its answer."""
    asked: str | None = None
    for message in messages:
        if not isinstance(message, Mapping):
            continue
        role, said = message.get("role", message.get("from")), message.get("content", message.get("value"))
        if role in _ANSWER and asked is not None and isinstance(said, str):
            yield asked, said
        asked = said if role in _ASK and isinstance(said, str) else None


def _instructed(rows: Records) -> list[tuple[int, str, str]]:
    """Instruction, input and output: an instruction that all share is no part of the texts."""
    told = [value or "" for value in rows.read("instruction")]
    given = [value or "" for value in rows.read("input")] if "input" in rows.names else [""] * len(told)
    shared = len(set(told)) == 1 and all(given)
    asked = [
        (text if shared else f"{instruction}\n{text}") if text else instruction
        for instruction, text in zip(told, given, strict=True)
    ]
    return list(zip(rows.numbers, asked, rows.read("output"), strict=True))


def _unformatted(value: Any) -> Any:
    """The text of a piece of a format string."""
    return value.replace("{{", "{").replace("}}", "}") if isinstance(value, str) else value
