"""What a person reads first in the folder of a text-level run: the table of figures and the distilled samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from textdistill.core.checkpoint import write_atomic
from textdistill.text_sets import read_text_set


def write_text_report(folder: Path) -> Path:
    """Write `README.md` from the files in `folder`."""
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    headline = read_text_set(folder, manifest["data"]["classes"])
    lines = [f"# {manifest['title']}", ""]
    for name, block in metrics["variants"].items():
        lines += [f"## {name}", "", "| method | accuracy | sets |", "|---|---|---|"]
        every = {block["headline"]: block["distilled"], **block["baselines"]}
        for method, scores in sorted(every.items(), key=lambda item: -item[1]["accuracy"]["mean"]):
            lines.append(f"| {method} | {_told(scores['accuracy'])} | {scores['accuracy']['n']} |")
        lines.append("")
    told = manifest["headline"]
    lines += [f"## The first set of {told['method']}, {told['size']} samples a class", ""]
    for row, text in enumerate(headline.texts):
        pair = "" if headline.pairs is None else f" / {headline.pairs[row]}"
        lines.append(f"- {headline.classes[int(headline.labels[row])]}: {_plain(text + pair)}")
    file = folder / "README.md"
    write_atomic(file, "\n".join(lines) + "\n")
    return file


def _told(score: dict[str, Any]) -> str:
    return f"{score['mean']:.1f}" + (f" ± {score['sd']:.1f}" if score["n"] > 1 else "")


def _plain(text: str) -> str:
    """Text that no Markdown means anything in."""
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]<>()#+-.!|&" else sign for sign in " ".join(text.split()))
