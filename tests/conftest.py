"""Under pytest, annotations of both packages are checked as they run: types by beartype, shapes by jaxtyping."""

from __future__ import annotations

from jaxtyping import install_import_hook

install_import_hook(["textdistill", "embeddings"], "beartype.beartype")
