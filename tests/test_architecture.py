"""Imports point one way, down to the core; a file has one purpose, says it, and stays short."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("textdistill", "embeddings")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
LONGEST = 400  # lines

# room -> what of textdistill it may import, beside itself and errors
MAY_IMPORT: dict[str, frozenset[str]] = {
    "core": frozenset(),
    **{room: frozenset({"core"}) for room in ("objectives", "synthetic", "data", "learners", "selection")},
    "evaluation": frozenset({"core", "objectives", "synthetic", "data", "learners", "selection", "artifact"}),
    "export": frozenset({"core", "artifact", "text_set"}),
}
# files of pre-trained models are found in one place, for encoders and for language models
MAY_IMPORT["learners"] |= {"hub_models"}
MAY_IMPORT["synthetic"] |= {"hub_models", "language_models"}
MAY_IMPORT["evaluation"] |= {"text_set", "text_sets"}
# analyses look at finished runs and distil again: they stand above all but the commands
MAY_IMPORT["analysis"] = MAY_IMPORT["evaluation"] | {
    *("evaluation", "initial_rows", "pipeline", "pixels_task", "progress", "readable", "recipe", "task", "words_task"),
}
# text-level runs have rooms of their own above the evaluation, as the pipeline has a file
MAY_IMPORT["text_level"] = MAY_IMPORT["evaluation"] | {
    *(
        "describe",
        "evaluation",
        "language_models",
        "progress",
        "recipe",
        "references",
        "text_set",
        "text_sets",
        "text_settings",
        "texts_task",
    ),
}
# a language model judges prompts as exports word them, by the statistics of the evaluation
MAY_IMPORT["in_context"] = frozenset(
    {"core", "data", "evaluation", "export", "language_models", "text_set", "text_sets"},
)
# the command line stands above every room and file
MAY_IMPORT["commands"] = frozenset(MAY_IMPORT) | {path.stem for path in (ROOT / "textdistill").glob("*.py")} - {"cli"}
# libraries that would tie the core to one kind of data or to one family of learners
NOT_IN_CORE = frozenset({"embeddings", "transformers", "gensim", "datasets", "evaluate", "tokenizers", "pandas"})
TOP_LEVEL_OF_ALL = frozenset({"__init__", "__main__"})  # these stand above every room


def modules_imported(tree: ast.AST, module: str, is_package: bool) -> set[str]:
    """Dotted names that `module` imports anywhere, in functions and `TYPE_CHECKING` too; `from a import b` is a.b."""
    package = module if is_package else module.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parent, *([base] if base else [])])
            found.update(f"{base}.{alias.name}" for alias in node.names)
    return found


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def unit(module: str) -> str:
    """The room, or the top-level file, of a module of textdistill: `textdistill.core.batch` is core."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return modules_imported(tree, module_name(path), path.name == "__init__.py")


def units_imported(path: Path) -> set[str]:
    """Rooms and top-level files of textdistill that the file at `path` imports, itself and errors left out."""
    modules = {name for name in imports_of(path) if name.split(".")[0] == "textdistill"}
    known = {unit(module_name(source)) for source in SOURCES if source.is_relative_to(ROOT / "textdistill")}
    # `from textdistill import run` names a function of the package, not a module: it is an import of the package
    units = {unit(name) if unit(name) in known else "__init__" for name in modules}
    return units - {unit(module_name(path)), "errors"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


OF_TEXTDISTILL = [path for path in SOURCES if path.is_relative_to(ROOT / "textdistill")]
OF_EMBEDDINGS = [path for path in SOURCES if path.is_relative_to(ROOT / "embeddings")]
IN_ROOMS = [path for path in OF_TEXTDISTILL if path.parent != ROOT / "textdistill"]


def test_every_folder_of_textdistill_is_a_room_of_the_table() -> None:
    assert {unit(module_name(path)) for path in IN_ROOMS} <= MAY_IMPORT.keys()


@pytest.mark.parametrize("path", IN_ROOMS, ids=name_of)
def test_a_room_imports_only_what_lies_below_it(path: Path) -> None:
    room = unit(module_name(path))
    assert units_imported(path) <= MAY_IMPORT[room], f"{room} may import {sorted(MAY_IMPORT[room])} and errors"


@pytest.mark.parametrize("path", [path for path in OF_TEXTDISTILL if unit(module_name(path)) == "core"], ids=name_of)
def test_the_core_knows_no_kind_of_data(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports_of(path)} & NOT_IN_CORE


@pytest.mark.parametrize("path", OF_EMBEDDINGS, ids=name_of)
def test_embeddings_never_imports_textdistill(path: Path) -> None:
    assert "textdistill" not in {name.split(".")[0] for name in imports_of(path)}


@pytest.mark.parametrize("path", [path for path in OF_TEXTDISTILL if path.stem not in {"cli", "__main__"}], ids=name_of)
def test_nobody_imports_the_command_line(path: Path) -> None:
    assert "cli" not in units_imported(path)


def test_errors_imports_nothing_of_the_project() -> None:
    assert not {name.split(".")[0] for name in imports_of(ROOT / "textdistill" / "errors.py")} & set(PACKAGES)


def test_rooms_and_top_level_files_import_in_no_circle() -> None:
    graph: dict[str, set[str]] = {}
    for path in OF_TEXTDISTILL:
        if path.stem not in TOP_LEVEL_OF_ALL or path in IN_ROOMS:
            graph.setdefault(unit(module_name(path)), set()).update(units_imported(path))
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError with the circle
    assert set(graph) <= set(order)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_file_says_its_purpose_and_stays_short(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(source)), "no module docstring"
    assert len(source.splitlines()) <= LONGEST


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import textdistill.cli", {"textdistill.cli"}),
        ("from textdistill import cli", {"textdistill.cli"}),
        ("def f():\n    from textdistill.cli import main", {"textdistill.cli.main"}),
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
