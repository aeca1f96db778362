"""YAML from text, by the parser in C where PyYAML has it: ten times as fast."""

from __future__ import annotations

from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse_yaml(text: str) -> Any:
    """What the text says, in plain values; nothing it names is built or run. Raises `yaml.YAMLError`."""
    return yaml.load(text, Loader=_LOADER)
