"""Two hundred damaged files a reader; `python -m tests.fuzz` tries as many as are asked for.

What a longer search found is kept below as a test of its own.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.readers import READERS
from tests.fuzz.run import fuzz
from textdistill.core.errors import UserError

CASES = 200


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_read_or_refused_in_a_few_lines(name: str, tmp_path: Path) -> None:
    became = fuzz(name, tmp_path / "place", CASES)
    assert became.total() >= CASES
    assert became["refused"] or name == "stage note"


def test_a_message_about_a_name_of_any_length_stays_readable() -> None:
    told = str(UserError(f"no column 'review'; columns: {'[' * 10**6}; name one"))
    assert len(told) < 1100
    assert told.startswith("no column 'review'; columns: [[[")
    assert told.endswith("[[; name one")
