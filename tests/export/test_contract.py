"""What every format promises: any text comes back exactly, files are whole or absent, and nobody else's are touched."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pyarrow.parquet
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.export.samples import HOSTILE, hostile, material, plain
from textdistill.core.errors import DataError, UserError
from textdistill.data.sets.text_set import TextSet
from textdistill.export import FORMATS, Material, write
from textdistill.export import files as files_room

CLASSES = ("so, so", "{{ good }}")
TOLD = "Classify the text as one of: so, so, {{ good }}."
Read = list[tuple[str, str]]  # text or question, and its class or label word, which are the same here
WORDED = frozenset({"prompt", "openai", "langchain", "promptfoo", "llama-factory"})


def read_openai(path: Path) -> Read:
    (line,) = path.read_bytes().decode().splitlines()
    told = json.loads(line)
    assert set(told) == {"messages"}
    system, *turns = told["messages"]
    assert system == {"role": "system", "content": TOLD}
    assert [turn["role"] for turn in turns] == ["user", "assistant"] * (len(turns) // 2)
    return [(asked["content"], word["content"]) for asked, word in zip(turns[::2], turns[1::2], strict=True)]


def read_lm_eval(path: Path) -> Read:
    task = yaml.safe_load((path / "task.yaml").read_bytes())
    engine = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)  # the harness's own
    assert engine.from_string(task["description"]).render() == TOLD + "\n\n"
    assert "fewshot_split" not in task
    assert task["fewshot_config"]["sampler"] == "first_n"
    assert task["num_fewshot"] == len(task["fewshot_config"]["samples"])
    asked = pyarrow.parquet.read_table(path / task["dataset_kwargs"]["data_files"][task["test_split"]]).to_pylist()
    assert asked == task["fewshot_config"]["samples"]
    shown = engine.from_string(task["doc_to_text"])
    assert [shown.render(**doc) for doc in asked] == [f"Text: {doc['text']}\nLabel:" for doc in asked]
    return [(doc["text"], task["doc_to_choice"][doc["label"]]) for doc in task["fewshot_config"]["samples"]]


def read_dspy(path: Path) -> Read:
    state = json.loads(path.read_bytes())
    assert state["signature"]["instructions"] == TOLD
    assert set(state["metadata"]["dependency_versions"]) == {"python", "dspy", "cloudpickle"}
    return [(demo["text"], demo["label"]) for demo in state["demos"]]


def read_langchain(path: Path) -> Read:
    told = json.loads(path.read_bytes().decode("ascii"))
    example = told["example_prompt"]["template"]
    assert told["suffix"].format(text="{ask}") == "Text: {ask}\nLabel:"
    # the examples are filled in, and all of it is formatted once more
    shots = [example.format(**one).format() for one in told["examples"]]
    words = [one["label"].format() for one in told["examples"]]
    return [(shot.removesuffix(f" {word}"), word) for shot, word in zip(shots, words, strict=True)]


def nunjucks(source: str, values: dict[str, Any]) -> str:
    """Nunjucks by Jinja, which is its model but makes every carriage return of a template a new line."""
    assert "#}" not in source  # Nunjucks takes it for the end of a comment wherever it stands
    engine = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    return engine.from_string(source.replace("\r", "\ufdd0")).render(values).replace("\ufdd0", "\r")


def read_promptfoo(path: Path) -> Read:
    config = yaml.safe_load((path / "promptfooconfig.yaml").read_bytes())
    assert config["prompts"] == ["file://chat.json"]
    assert config["tests"] == "file://tests.jsonl"
    tests = [json.loads(line) for line in (path / "tests.jsonl").read_bytes().decode().splitlines()]
    chat = json.loads((path / "chat.json").read_bytes())
    shown = [[nunjucks(turn["content"], test["vars"]) for turn in chat] for test in tests]
    values = [one["assert"][0]["value"] for one in tests]
    assert not [value for value in values if value.startswith(("file://", "package:"))]
    assert all(isinstance(value, dict) for one in tests for value in one["vars"].values())  # never opened nor rendered
    words = [nunjucks(value, {}) for value in values]
    assert all(one[:-1] == shown[0][:-1] for one in shown)
    shots = list(zip(shown[0][1:-1:2], shown[0][2:-1:2], strict=True))
    assert [(one[-1], word) for one, word in zip(shown, words, strict=True)] == shots  # the rows asked are the samples
    return shots


def read_llama_factory(path: Path) -> Read:
    (entry,) = json.loads((path / "dataset_info.json").read_bytes()).values()
    columns = entry["columns"]
    rows = json.loads((path / entry["file_name"]).read_bytes())
    assert {row[columns["prompt"]] for row in rows} == {TOLD}
    return [(row[columns["query"]], row[columns["response"]]) for row in rows]


def read_huggingface(path: Path) -> Read:
    _, front, _ = (path / "README.md").read_bytes().decode().split("---\n", 2)
    (config,) = yaml.safe_load(front)["configs"]
    (files,) = config["data_files"]
    table = pyarrow.parquet.read_table(path / files["path"])
    names = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]["label"]["names"]
    assert [names[row["label"]] for row in table.to_pylist()] == table["label_text"].to_pylist()
    return [(row["text"], row["label_text"]) for row in table.to_pylist()]


def read_csv(path: Path) -> Read:
    with path.open(newline="", encoding="utf-8") as file:
        return [(row["text"], row["label"]) for row in csv.DictReader(file)]


def read_jsonl(path: Path) -> Read:
    rows = [json.loads(line) for line in path.read_bytes().decode().splitlines()]
    return [(row["text"], row["label"]) for row in rows]


READERS: dict[str, Callable[[Path], Read]] = {
    "openai": read_openai,
    "lm-eval": read_lm_eval,
    "dspy": read_dspy,
    "langchain": read_langchain,
    "promptfoo": read_promptfoo,
    "llama-factory": read_llama_factory,
    "huggingface": read_huggingface,
    "csv": read_csv,
    "jsonl": read_jsonl,
}
# Plain text has no reader: its whole content is compared.
UNREAD = frozenset({"prompt"})
PIECES = [
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "{",
    "}",
    '"',
    "'",
    ",",
    "\\",
    "\r",
    "\n",
    "\t",
    "\u2028",
    "\x85",
    "\u202e",
]
TEXTS = st.lists(st.sampled_from([*PIECES, " ", "=", "---", "a", "😀", "raw", "text", "\ue000aB0\ue001"]), max_size=8)
ANY = st.one_of(
    TEXTS.map("".join),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
    st.sampled_from(HOSTILE),
)


def target_of(name: str, folder: Path) -> Path:
    """Where an export goes; a format of one file keeps its usual name, whose ending readers may heed."""
    return folder / "out" if FORMATS[name].folder else folder / FORMATS[name].names[0]


def expected(name: str, samples: TextSet) -> Read:
    told = [f"Text: {text}\nLabel:" for text in samples.texts] if name in WORDED else samples.texts
    return list(zip(told, (CLASSES[label] for label in samples.labels), strict=True))


def test_every_format_is_in_the_suite() -> None:
    assert READERS.keys() | UNREAD == FORMATS.keys()


@pytest.mark.parametrize("name", sorted(READERS))
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
@given(texts=st.lists(ANY, min_size=1, max_size=6))
def test_any_text_comes_back_exactly(name: str, texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    samples = TextSet(texts, np.arange(len(texts)) % 2, CLASSES)
    target = target_of(name, tmp_path_factory.mktemp("any"))
    write(target, FORMATS[name](), material(samples))
    assert READERS[name](target) == expected(name, samples)


@settings(max_examples=15, deadline=None, derandomize=True, database=None)
@given(texts=st.lists(ANY, min_size=1, max_size=6))
def test_plain_text_holds_every_sample_exactly(texts: list[str]) -> None:
    samples = TextSet(texts, np.arange(len(texts)) % 2, CLASSES)
    (content,) = FORMATS["prompt"]().files(material(samples)).values()
    shots = [f"Text: {text}\nLabel: {CLASSES[place % 2]}\n\n" for place, text in enumerate(texts)]
    assert content.decode() == TOLD + "\n\n" + "".join(shots)


@pytest.mark.parametrize("name", sorted(FORMATS))
@pytest.mark.parametrize("pairs", [False, True], ids=["single", "pairs"])
@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
def test_every_kind_of_set_makes_the_files_it_names_and_no_others(
    name: str, pairs: bool, soft: bool, tmp_path: Path
) -> None:
    chosen, target = FORMATS[name](), target_of(name, tmp_path)
    told = material(hostile(pairs, soft), labels=chosen.labels[0])
    write(target, chosen, told)
    found = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    where = tmp_path / "out" if chosen.folder else tmp_path
    assert found == sorted(where / one for one in chosen.names)
    again = chosen.files(told)
    assert [path.read_bytes() for path in found] == [again[path.relative_to(where).as_posix()] for path in found]


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_an_export_that_is_there_stays_unless_force_is_used(name: str, tmp_path: Path) -> None:
    chosen, target = FORMATS[name](), target_of(name, tmp_path)
    write(target, chosen, material(plain(4)))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match="--force"):
        write(target, chosen, material(plain(8)))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    write(target, chosen, material(plain(8)), force=True)
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert after.keys() == before.keys()
    assert after != before


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_other_people_s_files_are_never_touched(name: str, tmp_path: Path) -> None:
    chosen, target = FORMATS[name](), target_of(name, tmp_path)
    stranger = target / "thesis.txt"
    target.mkdir()
    stranger.write_text("years of work", encoding="utf-8")
    for force in (False, True):
        with pytest.raises(UserError, match=r"other files, such as thesis\.txt|a folder; this format is one"):
            write(target, chosen, material(plain(4)), force=force)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [stranger]


@pytest.mark.parametrize("name", sorted(name for name, chosen in FORMATS.items() if chosen.folder))
def test_a_link_inside_a_folder_is_not_an_export_s_file(name: str, tmp_path: Path) -> None:
    target, outside = tmp_path / "out", tmp_path / "outside.txt"
    outside.write_text("keep", encoding="utf-8")
    write(target, FORMATS[name](), material(plain(4)))
    (target / "link").symlink_to(outside)
    with pytest.raises(UserError, match="other files, such as link"):
        write(target, FORMATS[name](), material(plain(4)), force=True)
    assert outside.read_text(encoding="utf-8") == "keep"


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_write_that_fails_leaves_what_was_there(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen, target = FORMATS[name](), target_of(name, tmp_path)
    write(target, chosen, material(plain(4)))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    real, calls = files_room.write_atomic, 0

    def full_disk(path: Path, content: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == len(chosen.names):
            raise OSError(28, "No space left on device", str(path))
        real(path, content)

    monkeypatch.setattr(files_room, "write_atomic", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write(target, chosen, material(plain(8)), force=True)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", sorted(name for name, chosen in FORMATS.items() if chosen.folder))
def test_a_folder_is_not_written_over_a_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match="a file; this format is a folder"):
        write(tmp_path / "out", FORMATS[name](), material(plain(4)), force=True)
    assert (tmp_path / "out").read_text(encoding="utf-8") == "mine"


def test_half_a_character_is_refused_with_its_place() -> None:
    samples = TextSet(["fine", "broken \ud83d"], np.array([0, 1]), ("a", "b"))
    with pytest.raises(DataError, match=r"sample 2: '\\ud83d' is half a character"):
        material(samples)


@pytest.mark.parametrize("name", ["", "../up", "a b", "x/y", "ü"])
def test_a_name_that_could_be_more_than_a_name_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="name: .* allowed: letters, digits"):
        material(plain(2), name=name)


@pytest.mark.parametrize("name", ["lm-eval", "promptfoo"])
def test_formats_that_ask_about_rows_say_so_without_any(name: str) -> None:
    told = material(plain(2))
    with pytest.raises(UserError, match="--test FILE"):
        FORMATS[name]().files(Material(told.samples, told.wording))
