"""Under pytest, annotations are checked as they run: types by beartype, shapes by jaxtyping; figures are any machine's.

That takes a tenth of the time. `make test` leaves it to `make test-older`, which runs the numerical tests once more.

`precision: auto` means float32 here and in what tests start: figures must not follow from the processor's instructions.
"""

from __future__ import annotations

import os

import hypothesis
import pytest
from jaxtyping import install_import_hook

# Not the rooms whose functions tell a user about wrong shapes and types in their own words.
CHECKED = (
    "embeddings",
    *(f"textdistill.{room}" for room in ("core", "data", "objectives", "synthetic", "learners", "selection")),
)

if os.environ.get("TEXTDISTILL_CHECKED", "1") != "0":
    install_import_hook(CHECKED, "beartype.beartype")

os.environ["TEXTDISTILL_PRECISION"] = "float32"

# The same examples on every machine and every day; what a longer search by chance finds is kept as a test of its own.
hypothesis.settings.register_profile("same", derandomize=True, database=None, deadline=None)
hypothesis.settings.load_profile("same")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests come first, lest one worker be left with them at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
