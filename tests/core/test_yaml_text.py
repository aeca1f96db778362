"""YAML of strangers: plain values, and no more of them than settings are."""

from __future__ import annotations

import pytest
import yaml

from tests.fuzz.guard import _peak
from textdistill.core.yaml_text import MOST_CHARACTERS, MOST_DEPTH, parse_yaml

BILLION = "a0: &a0 [x, x]\n" + "".join(
    f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 10)}]\n" for number in range(1, 10)
)


@pytest.mark.parametrize("text", ["a: 1\nb: [x, 2.5, null]", "base: &b {c: 1}\nd: {<<: *b, e: 2}", "", "2020-01-01"])
def test_what_settings_are_written_in_is_read_as_ever(text: str) -> None:
    assert parse_yaml(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[" * (MOST_DEPTH + 1) + "]" * (MOST_DEPTH + 1), "deep"),
        ("[" * 100_000, "deep"),
        (BILLION, "more than 100,000 values"),
        ("a: &a [*a, *a]", "a value that holds itself"),
        ("x" * (MOST_CHARACTERS + 1), "more than 1,048,576 characters"),
        ("!!python/object/apply:os.system [id]", "could not determine a constructor"),
        ("{<<: [1]}", "expected a mapping"),
    ],
)
def test_what_would_fill_the_memory_or_run_code_is_refused(text: str, told: str) -> None:
    before = _peak()
    with pytest.raises(yaml.YAMLError, match=told):
        parse_yaml(text)
    assert _peak() - before < 100
