"""How exports word a sample for a language model unless told otherwise, and the way back to its texts."""

from __future__ import annotations

import re

# Templates of Jinja that end in the label.
SINGLE = "Text: {{ text }}\nLabel: {{ label }}"
PAIR = "Text 1: {{ text }}\nText 2: {{ text_pair }}\nLabel: {{ label }}"
_SLOT = re.compile(r"\{\{ \w+ \}\}")


def unworded(questions: list[str]) -> tuple[list[str], list[str] | None]:
    """The texts, and second texts, in questions that are all worded by these templates; else the questions as texts."""
    for template in (PAIR, SINGLE):
        begin, *between, end = _SLOT.split(template.removesuffix("{{ label }}").rstrip())
        if not all(question.startswith(begin) and question.endswith(end) for question in questions):
            continue
        inner = [question[len(begin) : len(question) - len(end)] for question in questions]
        if not between:
            return inner, None
        if all(text.count(between[0]) == 1 for text in inner):
            halves = [text.split(between[0]) for text in inner]
            return [first for first, _ in halves], [second for _, second in halves]
    return questions, None
