"""One reader tried with many damaged files."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz.edits import Edit, edited, edits
from tests.fuzz.guard import tried
from tests.fuzz.readers import READERS, SLOW, Reader


def fuzz(name: str, place: Path, cases: int, seed: int | None = None) -> Counter[str]:
    """How many of so many changed files were read and how many refused. Errors: `guard.Broken`, with the least case.

    The cases are the same at every call, those of a `seed` others.
    """
    reader = {**READERS, **SLOW}[name]
    valid = reader.valid()
    for files in valid:  # what nobody changed is read
        told = tried(reader.read, files, place / "valid")
        assert told is None, told
    became: Counter[str] = Counter()

    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        derandomize=seed is None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(st.integers(0, len(valid) - 1), st.integers(0, 2**10), edits())
    def case(which: int, file: int, changes: list[Edit]) -> None:
        files = dict(valid[which])
        names = changeable(reader, files)
        chosen = names[file % len(names)]
        files[chosen] = edited(files[chosen], changes)
        hypothesis.note(f"{chosen}: {files[chosen][:400]!r}")
        told = tried(reader.read, files, place / "case")
        became["read" if told is None else "refused"] += 1

    if seed is not None:
        case = hypothesis.seed(seed)(case)
    case()
    return became


def changeable(reader: Reader, files: dict[str, bytes]) -> list[str]:
    """The names of the files that a case may change."""
    return sorted(name for name in files if "*" in reader.changed or name in reader.changed)


def seed_of(name: str, number: int) -> int:
    """A seed for a reader in the long form."""
    return int.from_bytes(hashlib.sha256(f"{name} {number}".encode()).digest()[:4], "big")
