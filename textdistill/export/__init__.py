"""A readable set in other people's formats, one file for each: which samples, in which words."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from textdistill.export.formats import FORMATS

if TYPE_CHECKING:
    from textdistill.export.files import write
    from textdistill.export.material import Format, Material
    from textdistill.export.shots import Scorer, Shots, arrange
    from textdistill.export.wording import Wording

__all__ = ["FORMATS", "Format", "Material", "Scorer", "Shots", "Wording", "arrange", "write"]

# Imported when asked for: the command line lists formats without what makes them.
_FILES = {
    **{"Format": "material", "Material": "material", "Wording": "wording", "write": "files"},
    **{"Scorer": "shots", "Shots": "shots", "arrange": "shots"},
}


def __getattr__(name: str) -> Any:
    if name in _FILES:
        return getattr(importlib.import_module(f"{__name__}.{_FILES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
