"""Under pytest, annotations are checked as they run: types by beartype, shapes by jaxtyping."""

from __future__ import annotations

from jaxtyping import install_import_hook

# Not the rooms whose functions tell a user about wrong shapes and types in their own words.
CHECKED = (
    "embeddings",
    *(f"textdistill.{room}" for room in ("core", "data", "objectives", "synthetic", "learners", "selection")),
)

install_import_hook(CHECKED, "beartype.beartype")
