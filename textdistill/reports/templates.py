"""Jinja templates beside this file, and numbers as people read them: what all pages of a report share."""

from __future__ import annotations

import base64
import hashlib
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from textdistill.reports.run_folder import Score

PLAIN = "readme.md.j2"  # the one template that is no HTML


@cache
def environment() -> Environment:
    """Everything is escaped, and a name that the view lacks is an error."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=lambda name: name != PLAIN,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"score": score, "number": number, "duration": duration, "markdown": markdown, "minus": minus}
    made.filters |= {"factor": factor, "without": without}
    return made


def render(template: str, view: dict[str, Any]) -> str:
    """The template with what the view holds."""
    return environment().get_template(template).render(view)


def write_page(path: Path, text: str) -> Path:
    """Write a page whole or not at all; anybody may read it."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="\n", dir=path.parent, delete=False) as file:
        file.write(text)
    temporary = Path(file.name)
    try:
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def script(name: str) -> tuple[Markup, str]:
    """A script beside this file and its hash for a Content-Security-Policy: a browser runs this one and no other."""
    text = (Path(__file__).parent / name).read_text(encoding="utf-8").replace("\r\n", "\n")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Markup(text), f"sha256-{digest}"


def minus(figure: str) -> str:
    """A number with the sign that people print."""
    return figure.replace("-", "−")


def score(value: Score | None, digits: int = 1) -> str:
    """`76.3 ± 1.2`, or only the mean of a single repetition."""
    if value is None:
        return "–"
    spread = "" if value.sd is None or value.n == 1 else f" ± {value.sd:.{digits}f}"
    return minus(f"{value.mean:.{digits}f}{spread}")


def number(value: Any) -> str:
    """A number as people read it: grouped thousands, four digits of a fraction; other things as they are."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–" if value is None else str(value)
    return f"{value:,}".replace(",", "\u202f") if isinstance(value, int) else f"{value:.4g}"


def factor(ratio: float) -> str:
    """How many times smaller: without a fraction from a hundred on."""
    return number(round(ratio) if ratio >= 100 else ratio)


def without(facts: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A mapping without one of its keys."""
    return {name: value for name, value in facts.items() if name != key}


def of_rows(protocol: Mapping[str, Any]) -> str:
    """Where a full-data score comes from some of the training rows alone: from how many, to stand after its name."""
    some, every = protocol.get("full_rows"), protocol.get("train_rows")
    fewer = isinstance(some, int) and isinstance(every, int) and some < every
    return f" ({number(some)} of {number(every)} rows)" if fewer else ""


def duration(seconds: float | None) -> str:
    """Seconds in the largest two units."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def markdown(value: Any) -> str:
    """Text that Markdown shows as it is, on one line: no markup, no HTML, no table cells."""
    text = " ".join(str(value).split())
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]<>()#|!~" else "&amp;" if sign == "&" else sign for sign in text)
