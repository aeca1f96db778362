"""Text that template engines leave alone: for Jinja and Nunjucks, and for Python's format strings."""

from __future__ import annotations

import re

# What opens a tag, an opening brace at the end, which would open one together with what follows, and what closes a
# comment, which Nunjucks will not have outside of one.
TAGS = re.compile(r"\{\{+|\{+(?=[%#]|\Z)|#(?=\})")
# Values that promptfoo takes for the name of something to read.
READS = re.compile(r"\A(?:file://|package:)")


def for_jinja(text: str) -> str:
    """The text as a piece of a Jinja or Nunjucks template that renders to it."""
    return TAGS.sub(lambda match: '{{ "' + match.group() + '" }}', text)


def for_promptfoo(text: str) -> str:
    """The text as a value in promptfoo's files: rendered, it is itself, and it never names a file to read or run."""
    return READS.sub(lambda match: '{{ "' + match.group() + '" }}', for_jinja(text))


def for_format(text: str) -> str:
    """The text as a piece of a format string (`"…".format(…)`)."""
    return text.replace("{", "{{").replace("}", "}}")
