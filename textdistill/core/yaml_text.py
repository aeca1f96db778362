"""YAML that anybody may have written: plain values alone, of a size, a depth and a number of values that settings have.

Aliases make a file of a few lines stand for billions of values (`&a [*b, *b]`): what counts is what they stand for.
It is read by the parser in C where PyYAML has it, which is ten times as fast.
"""

from __future__ import annotations

from typing import Any

import yaml

MOST_CHARACTERS = 2**20
MOST_DEPTH = 40
MOST_VALUES = 100_000
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse_yaml(text: str) -> Any:
    """The plain values in a YAML text.

    Errors: `yaml.YAMLError` or `ValueError`, for what is no YAML, and for more of it than settings are.
    """
    if len(text) > MOST_CHARACTERS:
        raise yaml.YAMLError(f"more than {MOST_CHARACTERS:,} characters")
    try:
        _check(text)
        return yaml.load(text, Loader=_LOADER)
    except (RecursionError, AttributeError, TypeError, KeyError, IndexError) as error:  # some merge keys, some tags
        raise yaml.YAMLError(str(error) or "no plain values") from None


def _check(text: str) -> None:
    """Refuse depth, and numbers of values that stand in the text or that its aliases stand for."""
    stand_for: dict[str | None, int] = {}  # by anchor
    open_nodes: list[tuple[str | None, int]] = []  # each one's anchor and the values so far

    def add(anchor: str | None, values: int) -> None:
        if anchor is not None:
            stand_for[anchor] = values
        if values > MOST_VALUES:
            raise yaml.YAMLError(f"more than {MOST_VALUES:,} values")
        if open_nodes:
            own, before = open_nodes[-1]
            open_nodes[-1] = own, before + values

    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, 1))
            if len(open_nodes) > MOST_DEPTH:
                raise yaml.YAMLError(f"nested more than {MOST_DEPTH} deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            add(*open_nodes.pop())
        elif isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in open_nodes):
                raise yaml.YAMLError("a value that holds itself")
            add(None, stand_for.get(event.anchor, 1))  # of one that nothing defines the loader will tell
        elif isinstance(event, yaml.ScalarEvent):
            add(event.anchor, 1)
