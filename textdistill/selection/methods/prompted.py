"""A set found as a whole among what a language model wrote that was shown what searches liked, and learned nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textdistill.selection.methods.method import Source
from textdistill.selection.methods.ours import Ours


@dataclass(frozen=True)
class Prompted(Ours):
    """The same search in what was written behind prompts (`runs.readable.grow`)."""

    title: ClassVar[str] = "Ours, prompted"
    source: ClassVar[Source] = "prompted"
    stream: ClassVar[str] = "prompted"
