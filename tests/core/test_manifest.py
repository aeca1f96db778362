"""One manifest for every kind of run: what is written is read, older folders are too, and newer ones are refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import tiny
from tests.evaluation import test_report, text_runs
from textdistill.core.errors import ArtifactError
from textdistill.core.manifest import (
    FORMAT,
    Headline,
    Manifest,
    kind_of,
    manifest_in,
    read_manifest,
    write_manifest,
)
from textdistill.reports.compare_runs import compare_runs
from textdistill.reports.report import write_report
from textdistill.reports.run_folder import read_run
from textdistill.reports.text_folder import read_folder
from textdistill.runs.artifact import load
from textdistill.runs.readable.again import judge_again

AGAIN = "run it again"


def numbered(folder: Path, number: Any) -> Path:
    """The folder with another format number; without any where it is `None`."""
    file = folder / "manifest.json"
    entries = json.loads(file.read_text(encoding="utf-8"))
    entries.pop("format", None)
    file.write_text(json.dumps(entries if number is None else {"format": number, **entries}), encoding="utf-8")
    return folder


def test_what_is_written_is_read_with_this_version_s_number(tmp_path: Path) -> None:
    given = Manifest(
        kind="texts",
        title="größer",
        recipe={"outer": {"steps": 3}, "rate": 0.1 + 0.2},
        seed=4,
        data={"path": tmp_path, "classes": ["schlecht", "gut"]},
        headline=Headline(method="ours", size=2),
    )
    write_manifest(tmp_path, given)
    text = (tmp_path / "manifest.json").read_text(encoding="utf-8")
    assert "größer" in text
    entries = json.loads(text)
    assert list(entries) == [
        "format",
        "kind",
        "title",
        "recipe",
        "seed",
        "data",
        "headline",
    ]  # nothing that was not given
    assert entries["format"] == FORMAT
    assert entries["data"]["path"] == str(tmp_path)
    found = read_manifest(tmp_path, AGAIN, "headline", "recipe")
    assert (found.recipe, found.seed, found.headline) == (given.recipe, 4, given.headline)
    assert found.class_names == ["schlecht", "gut"]
    assert kind_of(tmp_path) == "texts"


def test_a_path_that_is_no_unicode_can_be_written_down(tmp_path: Path) -> None:
    write_manifest(tmp_path, Manifest(title="odd", data={"path": "reviews-\udcff.csv"}))
    assert read_manifest(tmp_path, AGAIN).data["path"] == "reviews-\udcff.csv"


def test_a_set_in_tensors_says_what_it_said_and_in_the_same_order() -> None:
    entries = json.loads((tiny.finished() / "manifest.json").read_text(encoding="utf-8"))
    assert list(entries)[:6] == ["format", "name", "title", "paper", "variant", "recipe"]
    assert entries["format"] == FORMAT
    assert {"vectors", "classes", "shape", "initialisation", "learning_rates", "outcome", "targets"} <= entries.keys()
    assert "kind" not in entries
    assert kind_of(tiny.finished()) is None


def test_folders_from_before_the_number_are_read(tmp_path: Path) -> None:
    tensors = numbered(shutil.copytree(tiny.finished(), tmp_path / "tensors"), None)
    assert load(tensors).manifest.format == 0
    assert load(tensors).classes == read_run(tensors).classes == ["bad", "good"]
    texts = numbered(text_runs.finished(tmp_path / "texts"), None)
    assert read_folder(texts).manifest.format == 0


@pytest.mark.parametrize(
    "read",
    [
        lambda folder: load(folder),
        lambda folder: write_report(folder),
        lambda folder: read_run(folder),
        lambda folder: manifest_in(folder),
        lambda folder: compare_runs([folder, tiny.finished()]),
    ],
    ids=["load", "report", "run", "anybody's", "compare"],
)
def test_tensors_of_a_newer_format_are_refused_in_a_line(read: Callable[[Path], object], tmp_path: Path) -> None:
    folder = numbered(shutil.copytree(tiny.finished(), tmp_path / "run"), FORMAT + 1)
    with pytest.raises(ArtifactError) as caught:
        read(folder)
    file = folder / "manifest.json"
    assert str(caught.value) == f"{file}: format 2; this version reads format 1; upgrade textdistill to read it"


@pytest.mark.parametrize("read", [read_folder, judge_again, manifest_in], ids=["report", "judge", "anybody's"])
def test_readable_sets_of_a_newer_format_are_refused_in_a_line(read: Callable[[Path], object], tmp_path: Path) -> None:
    folder = numbered(text_runs.finished(tmp_path / "run"), FORMAT + 1)
    with pytest.raises(ArtifactError, match=r"manifest.json: format 2; .*; upgrade textdistill to read it$"):
        read(folder)


@pytest.mark.parametrize("command", ["evaluate", "report", "export"])
def test_commands_refuse_a_newer_format_too(command: str, tmp_path: Path) -> None:
    folder = numbered(text_runs.finished(tmp_path / "run"), FORMAT + 1)
    result = tiny.call(command, folder, *(("--format", "csv") if command == "export" else ()))
    assert result.exit_code == 2
    assert "upgrade textdistill" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("number", ["1", -1, True, 1.0, [1]])
def test_a_format_that_is_no_number_of_ours_is_told(number: object, tmp_path: Path) -> None:
    folder = numbered(test_report.finished_run(tmp_path / "run"), number)
    with pytest.raises(ArtifactError, match="this version reads format 1; give the folder of a finished run"):
        read_run(folder)


def test_another_program_s_manifest_may_count_as_it_likes(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"format": 7, "name": "a browser\'s extension"}')
    assert manifest_in(tmp_path)["format"] == 7
    assert kind_of(tmp_path) is None


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ({"kind": "texts", "title": "t"}, "headline: Field required"),
        ({"title": "t", "headline": None}, "headline: Field required"),
        ({"title": "t", "headline": {"method": "ours", "size": 0}}, "headline.size: "),
        ({"headline": {"method": "ours", "size": 1}}, "title: Field required"),
        ({"title": "t", "seed": "x", "data": 3}, "seed: "),
        ({"title": "t", "data": {"classes": 3}}, "data.classes must be a list of names"),
    ],
)
def test_what_is_missing_or_malformed_is_told_in_a_line_with_the_remedy(
    entries: dict[str, Any], told: str, tmp_path: Path
) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(entries))
    with pytest.raises(ArtifactError) as caught:
        read_manifest(tmp_path, AGAIN, "headline")
    assert told in str(caught.value)
    assert str(caught.value).endswith(f"; {AGAIN}")
    assert "\n" not in str(caught.value)
