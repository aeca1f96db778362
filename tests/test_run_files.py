"""Beginning anew in a run's folder: what the run left goes, other people's files stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from textdistill.core.errors import UserError
from textdistill.runs.run_files import claim


def held(folder: Path) -> Path:
    """A folder with a run, its analyses, and a file of somebody else's in each place."""
    for name in (
        *("manifest.json", "metrics.json", "samples.jsonl", "mine.txt", "repeats/1/manifest.json"),
        *("analysis/transfer.json", "analysis/transfer.png", "analysis/mine.txt"),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    return folder


def left(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_force_removes_the_run_and_what_was_found_out_about_it(tmp_path: Path) -> None:
    claim(held(tmp_path / "run"), force=True)
    assert left(tmp_path / "run") == {"mine.txt", "analysis/mine.txt"}


def test_resume_keeps_everything(tmp_path: Path) -> None:
    before = left(held(tmp_path / "run"))
    claim(tmp_path / "run", resume=True)
    assert left(tmp_path / "run") == before


def test_neither_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds a finished run; go on with --resume, start anew with --force"):
        claim(held(tmp_path / "run"))
