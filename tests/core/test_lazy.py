"""A table of parts that are imported when they are asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests import tiny
from textdistill.analysis import ANALYSES
from textdistill.core.lazy import Lazy


def test_to_list_formats_and_analyses_imports_none_of_them() -> None:
    listing = "import sys; from textdistill import analysis, export; list(export.FORMATS), list(analysis.ANALYSES)"
    shown = subprocess.run(
        [sys.executable, "-c", f"{listing}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        cwd=tiny.ROOT,
        check=True,
    )
    assert not set(shown.stdout.split()) & {"numpy", "torch", "pyarrow", "jinja2", "textdistill.analysis.study"}


def test_a_part_is_what_its_line_names() -> None:
    table: Lazy[type] = Lazy("textdistill.core", {"lazy": ("lazy:Lazy", "this one")})
    assert table["lazy"] is Lazy
    assert table.about("lazy") == "this one"
    assert "eager" not in table
    with pytest.raises(KeyError):
        table["eager"]


@pytest.mark.parametrize("name", ANALYSES)
def test_every_analysis_is_there(name: str) -> None:
    assert ANALYSES[name].__name__ == name.replace("-", "_")
