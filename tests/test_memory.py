"""The memory of a long run is flat: what a step makes goes with it. In full: python -m tests.long_memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import long_memory


@pytest.mark.parametrize("kind", ["TDD, a pool", "label distillation", "DM", "KIP"])
def test_after_sixty_steps_there_are_as_many_tensors_as_after_thirty(kind: str, tmp_path: Path) -> None:
    early, late = long_memory.looks(kind, 61, (29, 59).__contains__, tmp_path)
    assert (late.tensors, late.tensor_bytes) == (early.tensors, early.tensor_bytes)
