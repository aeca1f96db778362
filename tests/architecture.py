"""The house as its imports show it: rooms, floors, arrows. `python -m tests.architecture` draws it.

python -m tests.architecture                 rooms by floor, each with what it uses, and the sums
python -m tests.architecture --of CHECKOUT   the same of another checkout, such as an older one
python -m tests.architecture --write         docs/architecture.md, the part between its marks, anew
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("textdistill", "embeddings")
BEGIN, END = "<!-- rooms: begin -->", "<!-- rooms: end -->"

# The eight floors, from the top: a room imports rooms of lower floors alone.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("commands",),
    ("analysis", "api"),
    ("runs",),
    ("recipe", "reports", "in_context"),
    ("evaluation",),
    ("representations", "synthetic", "selection", "export"),
    ("data", "learners", "objectives"),
    ("core",),
)
# Files at the top of the package that are the face of a room.
FACES = {"__init__": "api", "__main__": "commands"}


def sources(root: Path = ROOT) -> list[Path]:
    """Every Python file of the two packages."""
    return sorted(path for package in PACKAGES for path in (root / package).rglob("*.py"))


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


def module_name(path: Path, root: Path = ROOT) -> str:
    """The dotted name of the module at `path`."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports_of(path: Path, root: Path = ROOT) -> frozenset[str]:
    """What the file at `path` imports, as `modules_imported` tells it."""
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return frozenset(modules_imported(tree, module_name(path, root), path.name == "__init__.py"))


def room(module: str) -> str:
    """The room, or the file at the top, of a module of textdistill: `textdistill.core.batch` is core."""
    parts = module.split(".")
    own = parts[1] if len(parts) > 1 else "__init__"
    return FACES.get(own, own)


@cache
def _known(root: Path) -> frozenset[str]:
    return frozenset(room(module_name(path, root)) for path in sources(root) if path.is_relative_to(root / PACKAGES[0]))


def rooms_imported(path: Path, root: Path = ROOT) -> set[str]:
    """The other rooms of textdistill that the file at `path` imports."""
    names = {name for name in imports_of(path, root) if name.split(".")[0] == PACKAGES[0]}
    # `from textdistill import run` names a function of the package, not a module: it is an import of its face
    rooms = {room(name) if room(name) in _known(root) else FACES["__init__"] for name in names}
    return rooms - {room(module_name(path, root))}


def arrows(root: Path = ROOT) -> dict[str, set[str]]:
    """Room → the rooms it imports."""
    found: dict[str, set[str]] = {name: set() for name in _known(root)}
    for path in sources(root):
        if path.is_relative_to(root / PACKAGES[0]):
            found[room(module_name(path, root))] |= rooms_imported(path, root)
    return found


def heights(graph: Mapping[str, set[str]]) -> dict[str, int]:
    """The floor of each room, from 1: one above the highest that it imports. `ValueError` names a circle."""
    found: dict[str, int] = {}

    def height(name: str, above: tuple[str, ...] = ()) -> int:
        if name in above:
            raise ValueError("a circle: " + " → ".join([*above[above.index(name) :], name]))
        if name not in found:
            found[name] = 1 + max((height(one, (*above, name)) for one in graph[name]), default=0)
        return found[name]

    for name in graph:
        height(name)
    return found


def drawing(root: Path = ROOT) -> str:
    """Rooms by floor, each with the rooms it uses, and the sums."""
    graph = arrows(root)
    tall = heights(graph)
    lines = []
    for floor in range(max(tall.values()), 0, -1):
        for name in sorted(name for name in graph if tall[name] == floor):
            lines.append(f"{floor}  {name:<18} {', '.join(sorted(graph[name])) or '–'}")
    return "\n".join([*lines, "", sums(root)])


def sums(root: Path = ROOT) -> str:
    """How many boxes, floors and arrows there are, and lines of code."""
    graph = arrows(root)
    count = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in sources(root))
    total = sum(len(used) for used in graph.values())
    return f"{len(graph)} boxes, {max(heights(graph).values())} floors, {total} arrows, {count:,} lines"


def markdown() -> str:
    """The table of the architecture page: floors, rooms, what each is for and what it uses."""
    graph = arrows()
    lines = ["| floor | room | what it is for | uses |", "|---|---|---|---|"]
    for number, name in _by_floor():
        used = ", ".join(one for _, one in _by_floor() if one in graph[name]) or "–"
        lines.append(f"| {number} | `{name}` | {_purpose(name)} | {used} |")
    return "\n".join([*lines, "", sums() + "."])


def _by_floor() -> Iterator[tuple[int, str]]:
    for at, floor in enumerate(FLOORS):
        for name in floor:
            yield len(FLOORS) - at, name


def _purpose(name: str) -> str:
    """The first sentence of a room's docstring."""
    folder = ROOT / PACKAGES[0] / name
    file = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    told = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return " ".join(told.split("\n\n")[0].split())


def _write(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{markdown()}\n{END}{rest.split(END)[1]}", encoding="utf-8")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--of", type=Path, default=ROOT, metavar="CHECKOUT")
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    if asked.write:
        _write(ROOT / "docs" / "architecture.md")
    else:
        print(drawing(asked.of.resolve()))


if __name__ == "__main__":
    main()
