"""Imports point one way, down to the core; a file has one purpose, says it, and stays short."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.architecture import (
    BEGIN,
    END,
    FLOORS,
    ROOT,
    arrows,
    heights,
    imports_of,
    markdown,
    module_name,
    modules_imported,
    room,
    rooms_imported,
    sources,
)

LONGEST = 400  # lines
# libraries that would tie the core to one kind of data or to one family of learners
NOT_IN_CORE = frozenset({"embeddings", "transformers", "gensim", "datasets", "evaluate", "tokenizers", "pandas"})

SOURCES = sources()
OF_TEXTDISTILL = [path for path in SOURCES if path.is_relative_to(ROOT / "textdistill")]
OF_EMBEDDINGS = [path for path in SOURCES if path.is_relative_to(ROOT / "embeddings")]
# room -> the rooms of lower floors
BELOW = {
    name: {one for lower in FLOORS[at + 1 :] for one in lower} for at, floor in enumerate(FLOORS) for name in floor
}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_every_room_stands_on_a_floor() -> None:
    assert {room(module_name(path)) for path in OF_TEXTDISTILL} == BELOW.keys()


@pytest.mark.parametrize("path", OF_TEXTDISTILL, ids=name_of)
def test_a_room_imports_only_what_lies_below_it(path: Path) -> None:
    name = room(module_name(path))
    assert rooms_imported(path) <= BELOW[name], f"{name} may import {sorted(BELOW[name])}"


@pytest.mark.parametrize("path", [path for path in OF_TEXTDISTILL if room(module_name(path)) == "core"], ids=name_of)
def test_the_core_knows_no_kind_of_data(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports_of(path)} & NOT_IN_CORE


@pytest.mark.parametrize("path", OF_EMBEDDINGS, ids=name_of)
def test_embeddings_never_imports_textdistill(path: Path) -> None:
    assert "textdistill" not in {name.split(".")[0] for name in imports_of(path)}


def test_the_house_stays_one_that_can_be_drawn() -> None:
    graph = arrows()
    assert len(graph) <= 16
    assert max(heights(graph).values()) <= 8
    assert sum(len(used) for used in graph.values()) <= 70


def test_a_circle_is_found_and_named() -> None:
    with pytest.raises(ValueError, match="a circle: a → b → a"):
        heights({"a": {"b"}, "b": {"a"}})


def test_the_architecture_page_shows_the_house_as_it_is() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    shown = page.split(BEGIN)[1].split(END)[0].strip()
    assert shown.splitlines()[:-1] == markdown().splitlines()[:-1]  # but for the count of lines


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_file_says_its_purpose_and_stays_short(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(source)), "no module docstring"
    assert len(source.splitlines()) <= LONGEST


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import textdistill.commands.cli", {"textdistill.commands.cli"}),
        ("from textdistill import api", {"textdistill.api"}),
        ("def f():\n    from textdistill.api import run", {"textdistill.api.run"}),
        ("from ..data import load", {"textdistill.data.load"}),
        ("from . import batch", {"textdistill.core.batch"}),
        ("from .batch import Batch", {"textdistill.core.batch.Batch"}),
    ],
)
def test_the_reader_of_imports_sees_every_form(source: str, found: set[str]) -> None:
    assert modules_imported(ast.parse(source), "textdistill.core.streams", is_package=False) == found


def test_the_reader_of_imports_resolves_dots_from_a_package_file() -> None:
    tree = ast.parse("from .batch import Batch")
    assert modules_imported(tree, "textdistill.core", is_package=True) == {"textdistill.core.batch.Batch"}
