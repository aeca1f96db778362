"""README, CONTRIBUTING and the pages of docs/ as tests see them: their links, headings, blocks of code and commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "recipes/README.md",
)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Command:
    """One command of a page: the program, its words, and, after `$`, the output that the page shows."""

    page: str
    program: str  # textdistill or make
    words: tuple[str, ...]
    shown: str | None = None

    def __str__(self) -> str:
        return " ".join((self.program, *self.words))


def name_of(page: Path) -> str:
    """A page as it is called in the checkout."""
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[tuple[str, str]]:
    """The fenced blocks: language (or nothing) and text."""
    return _FENCE.findall(page.read_text(encoding="utf-8"))


def links(page: Path) -> list[str]:
    """The targets of links and pictures, outside of code."""
    text = re.sub(r"`[^`\n]*`", "", _FENCE.sub("", page.read_text(encoding="utf-8")))
    return re.findall(r"\]\(([^)\s]+)\)", text)


def anchors(page: Path) -> set[str]:
    """What `#…` can lead to: headings as GitHub names them."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", _FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE):
        name = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        number = sum(1 for one in found if one == name or re.fullmatch(rf"{re.escape(name)}-\d+", one))
        found.add(f"{name}-{number}" if number else name)
    return found


def commands(page: Path) -> Iterator[Command]:
    """Every command of textdistill and make: in fenced blocks without a programming language, and in `code`."""
    for language, text in blocks(page):
        if language not in ("", "bash"):
            continue
        lines = text.replace("\\\n", " ").splitlines()
        for number, line in enumerate(lines):
            asked = line.startswith("$ ")
            shown = "\n".join(lines[number + 1 :]) if asked else None
            yield from _parsed(page, line.removeprefix("$ "), shown)
    inline = _FENCE.sub("", page.read_text(encoding="utf-8"))
    for code in re.findall(r"`((?:textdistill|make) [^`\n]+)`", inline):
        if not re.search(r"…|\b[A-Z]{3,}\b(?!=)", code):  # a pattern of commands, not one of them
            yield from _parsed(page, code, None)


def _parsed(page: Path, line: str, shown: str | None) -> Iterator[Command]:
    launched = re.match(r"(?:torchrun|accelerate launch) .*?-m textdistill\.cli (.*)", line)
    line = f"textdistill {launched[1]}" if launched else line
    program, _, rest = line.partition(" ")
    if program in ("textdistill", "make"):
        yield Command(name_of(page), program, tuple(shlex.split(rest, comments=True)), shown)
