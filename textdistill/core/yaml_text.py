"""YAML that anybody may have written: plain values alone, of a size, a depth and a number of values that settings have.

Aliases make a file of a few lines stand for billions of values (`&a [*b, *b]`): what counts is what they stand for.
"""

from __future__ import annotations

from typing import Any

import yaml

MOST_CHARACTERS = 2**20
MOST_DEPTH = 40
MOST_VALUES = 100_000


class _Bounded(yaml.SafeLoader):
    """Plain values, no deeper than settings are, and no more of them."""

    def __init__(self, text: str):
        super().__init__(text)
        self._depth = 0
        self._stand_for: dict[int, int] = {}  # by the node's identity: how many values it stands for

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise yaml.YAMLError(f"nested more than {MOST_DEPTH} deep")
        alias = self.check_event(yaml.AliasEvent)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if alias and id(node) not in self._stand_for:  # it is not composed yet, as the alias stands within it
            raise yaml.YAMLError("a value that holds itself")
        count = self._stand_for.get(id(node)) or self._count(node)
        if count > MOST_VALUES:
            raise yaml.YAMLError(f"more than {MOST_VALUES:,} values")
        return node

    def _count(self, node: Any) -> int:
        """The values below a node whose members are composed, and counted, already."""
        inside = node.value if isinstance(node, yaml.CollectionNode) else ()
        members = [one for pair in inside for one in (pair if isinstance(pair, tuple) else (pair,))]
        count = 1 + sum(self._stand_for[id(one)] for one in members)
        self._stand_for[id(node)] = count
        return count


def parse_yaml(text: str) -> Any:
    """The plain values in a YAML text.

    Errors: `yaml.YAMLError` or `ValueError`, for what is no YAML, and for more of it than settings are.
    """
    if len(text) > MOST_CHARACTERS:
        raise yaml.YAMLError(f"more than {MOST_CHARACTERS:,} characters")
    loader = _Bounded(text)
    try:
        return loader.get_single_data()
    except (RecursionError, AttributeError, TypeError, KeyError, IndexError) as error:  # some merge keys, some tags
        raise yaml.YAMLError(str(error) or "no plain values") from None
    finally:
        loader.dispose()
