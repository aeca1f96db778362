"""Plain text: the instruction and the demonstrations, to stand before the question asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textdistill.export.material import WORDING, Material
from textdistill.export.soft import Labels


@dataclass(frozen=True)
class PromptText:
    """`prompt.txt`: the prompt up to the question. It ends in the separator: the question follows at once."""

    folder: ClassVar[bool] = False
    names: ClassVar[tuple[str, ...]] = ("prompt.txt",)
    labels: ClassVar[tuple[Labels, ...]] = ("hard",)
    uses: ClassVar[frozenset[str]] = WORDING | {"separator", "token_budget"}
    asks: ClassVar[bool] = False

    def files(self, material: Material) -> dict[str, bytes]:
        """See the class."""
        return {"prompt.txt": material.wording.prefix(material.samples).encode()}
