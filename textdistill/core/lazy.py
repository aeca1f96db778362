"""Tables of parts by name that are imported when they are first asked for: to list them costs nothing."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


class Lazy(Mapping[str, T], Generic[T]):
    """The parts of a package, from `{name: (module:attribute, what it is in a line)}`."""

    def __init__(self, package: str, table: Mapping[str, tuple[str, str]]):
        self._package, self._table = package, table

    def __getitem__(self, name: str) -> T:
        module, _, attribute = self._table[name][0].partition(":")
        part: T = getattr(importlib.import_module(f"{self._package}.{module}"), attribute)
        return part

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)

    def about(self, name: str) -> str:
        """What the part is, in a line for the help."""
        return self._table[name][1]
