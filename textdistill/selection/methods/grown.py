"""A set found as a whole among what the matched generator wrote, and wrote on around what searches liked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textdistill.selection.methods.method import Source
from textdistill.selection.methods.ours import Ours


@dataclass(frozen=True)
class Grown(Ours):
    """The same search in a pool that has grown (`runs.readable.grow`)."""

    title: ClassVar[str] = "Ours, pool grown"
    source: ClassVar[Source] = "grown"
    stream: ClassVar[str] = "grown"
