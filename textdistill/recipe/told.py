"""The keys of a recipe that are told to readers and change nothing: how settings were chosen, what the paper took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textdistill.core.errors import did_you_mean

TOLD = ("notes", "command", "tuned_on", "published_settings")  # said to readers, and nothing to a distillation
TUNED_ON = ("validation", "test")  # by whose accuracy the settings were chosen
# What a paper takes or repeats, as the results page calls it: told there where the recipe's own is another number.
PUBLISHED_SETTINGS = {
    "outer_steps": "outer steps",
    "real_batch": "real batch",
    "networks": "networks",
    "distillations": "distillations",
    "sets": "sets",
}


def faults_of_told(values: Mapping[str, Any]) -> list[str]:
    """What is wrong with the keys that say how settings were chosen and what the paper took."""
    faults = []
    if values.get("tuned_on", TUNED_ON[0]) not in TUNED_ON:
        faults.append(f"tuned_on: {values['tuned_on']!r:.60}; allowed: {', '.join(TUNED_ON)}")
    published = values.get("published_settings") or {}
    if not isinstance(published, Mapping):
        return [*faults, f"published_settings: {published!r:.60}; allowed: {', '.join(PUBLISHED_SETTINGS)}"]
    for key, value in published.items():
        if key not in PUBLISHED_SETTINGS:
            near = did_you_mean(str(key), PUBLISHED_SETTINGS)
            faults.append(f"published_settings.{key}: unknown; allowed: {', '.join(PUBLISHED_SETTINGS)}{near}")
        elif not isinstance(value, int) or isinstance(value, bool) or value < 1:
            faults.append(f"published_settings.{key}: {value!r:.60}; allowed: 1 or more")
    return faults
