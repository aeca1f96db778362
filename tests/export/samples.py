"""Sets of texts that try every format: quotes, template syntax, formulas, other scripts, HTML, file names."""

from __future__ import annotations

import numpy as np

from textdistill.data.sets.text_set import TextSet
from textdistill.export import Material, Shots

HOSTILE = [
    "{{ 7 * 7 }} {% raw %} {# no comment #} {x} {{{y}}} ${z} %s",
    "say \"hi\"\n'two' \\n back\\slash\r\nend",
    "שלום עולם 😀 العربية \u202eabc",
    "<script>alert(1)</script> & <b>bold</b>",
    "=cmd|' /C calc'!A1",
    "file:///etc/hostname",
    "package:evil:run",
    "{{env.HOME}}",
    "{% endraw %}{{ text }} {{ sample.text }} {",
    "NA",
    "- yaml: [x]\n!function os.system",
    "tab\tand\rreturn\u2028line\x85next",
    '{{"{{"}} #}',
    "# head\n---\nlicense: mit",
    "  spaces around  ",
    "null",
    "2020-01-01",
    "the end\n",
]


def hostile(pairs: bool = False, soft: bool = False) -> TextSet:
    """The texts above in two classes whose names need care themselves."""
    labels = np.arange(len(HOSTILE)) % 2
    values = np.where(np.arange(2) == labels[:, None], 0.7, 0.3)
    other = [f"{text} / {place}" for place, text in enumerate(reversed(HOSTILE))]
    classes = ("so, so", "{{ good }}")
    return TextSet(list(HOSTILE), labels, classes, other if pairs else None, values if soft else None)


def plain(n: int = 12, classes: tuple[str, ...] = ("negative", "positive")) -> TextSet:
    """Easy sentences, the classes in turn."""
    labels = np.arange(n) % len(classes)
    return TextSet([f"sentence {place} is {classes[label]}" for place, label in enumerate(labels)], labels, classes)


def material(samples: TextSet, shots: Shots | None = None, test: TextSet | None = None, **more: object) -> Material:
    """The samples as they are, worded by the shots' choices; the rows to ask are the samples unless told."""
    chosen = shots or Shots()
    return Material(samples, chosen.wording(samples), test=samples if test is None else test, **more)  # type: ignore[arg-type]
