"""Distil a data set of texts or images into a handful of synthetic samples, and judge them honestly.

    import textdistill

    result = textdistill.run("quickstart", out="runs/q", overrides=["outer.steps=30"])
    print(result.metrics["distilled"]["accuracy"])

`import textdistill` is quick: what computes is imported by the first call.
"""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textdistill.api import decode, distill, evaluate, load, load_recipe, run

__all__ = ["__version__", "decode", "distill", "evaluate", "load", "load_recipe", "run"]

try:
    __version__ = version("textdistill")
except PackageNotFoundError:  # a checkout on the path, not installed: the version stands in pyproject.toml alone
    __version__ = "0+unknown"


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("textdistill.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
