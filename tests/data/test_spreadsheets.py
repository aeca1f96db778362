"""Spreadsheets are read by an extra, as a CSV file of them would be; hostile ones are refused."""

from __future__ import annotations

import datetime
import importlib
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests import tiny
from textdistill.core.errors import DataError
from textdistill.data import DataSettings, load, read_file, spreadsheet
from textdistill.data.sets.text_sets import read_text_set

openpyxl = pytest.importorskip("openpyxl")


def sheets(path: Path, **pages: Sequence[Sequence[Any]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in pages.items():
        page = book.create_sheet(name)
        for row in rows:
            page.append(list(row))
    book.save(path)
    return path


ROWS = [("text", "label", "date"), *((f"text {row}, with a comma", row % 2, None) for row in range(40))]


def test_the_first_sheet_is_read_as_a_csv_of_it_would_be(tmp_path: Path) -> None:
    path = sheets(tmp_path / "rows.xlsx", Reviews=ROWS, Notes=[("anything",)])
    splits = load(DataSettings(str(path)))
    assert splits.train.classes == ("0", "1")
    assert sum(splits.report.rows.values()) == 40
    assert f"{path}: read sheet 'Reviews'; others: 'Notes' (data.sheet)" in splits.report.notes
    (tmp_path / "rows.csv").write_text("text,label\n" + "".join(f'"{text}",{label}\n' for text, label, _ in ROWS[1:]))
    plain = load(DataSettings(str(tmp_path / "rows.csv")))
    assert (splits.train.texts, splits.train.labels.tolist()) == (plain.train.texts, plain.train.labels.tolist())


def test_a_sheet_is_chosen_by_its_name(tmp_path: Path) -> None:
    path = sheets(tmp_path / "rows.xlsx", Notes=[("anything",)], Reviews=ROWS)
    splits = load(DataSettings(str(path), sheet="Reviews"))
    assert not [note for note in splits.report.notes if "sheet" in note]
    shown = tiny.call("check", path, "--sheet", "Reviews")
    assert (shown.exit_code, "2 classes: 0 20, 1 20" in shown.stdout) == (0, True)
    with pytest.raises(DataError, match=r"no sheet 'reviews' \(data\.sheet\); sheets: 'Notes', 'Reviews'"):
        load(DataSettings(str(path), sheet="reviews"))
    (tmp_path / "rows.csv").write_text("text,label\n")
    with pytest.raises(DataError, match="sheet 'a': a csv file has none"):
        load(DataSettings(str(tmp_path / "rows.csv"), sheet="a"))


def test_cells_are_texts_as_a_csv_has_them_and_rows_have_the_sheet_s_numbers(tmp_path: Path) -> None:
    cells = (5, 2.0, 0.5, True, datetime.datetime(2024, 5, 1), "  as it is ", None)
    names = tuple("abcdefg")
    path = sheets(tmp_path / "rows.xlsx", one=[(), ("", None), names, cells, (), (None,) * 7, ("x",)])
    found = read_file(path)
    assert found.names == names
    assert [found.read(name)[0] for name in names] == ["5", "2", "0.5", "True", "2024-05-01", "  as it is ", None]
    assert list(found.numbers) == [4, 7]
    assert found.unit == "row"


def test_a_distilled_set_is_read_from_a_spreadsheet_too(tmp_path: Path) -> None:
    path = sheets(tmp_path / "set.xlsx", one=[("text", "label"), ("good film", "pos"), ("dull", "neg")])
    samples = read_text_set(path)
    assert (samples.texts, samples.classes) == (["good film", "dull"], ("neg", "pos"))


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([], "sheet 'one' is empty"),
        ([("text", "label"), ("a", "x", "more")], "row 2: a value beyond the header's 2 columns"),
        ([("text", "text"), ("a", "x")], "column 'text' is there more than once"),
    ],
)
def test_what_is_wrong_with_a_sheet_is_told(rows: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_file(sheets(tmp_path / "rows.xlsx", one=rows))
    assert told in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_no_spreadsheet_and_an_encrypted_one_are_told_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.xlsx"
    for content in (b"", b"PK\x03\x04", b"\xd0\xcf\x11\xe0" + b"\0" * 600, b"text,label\na,b\n"):
        path.write_bytes(content)
        with pytest.raises(DataError, match="not a readable spreadsheet.*save it as CSV"):
            read_file(path)
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("word/document.xml", "<a/>")
    with pytest.raises(DataError, match="not a readable spreadsheet"):
        read_file(path)


def test_what_unpacks_to_too_much_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = sheets(
        tmp_path / "rows.xlsx", one=[("text", "label"), *((f"{'long ' * 200}{row}", "x") for row in range(200))]
    )
    assert path.stat().st_size < 50_000
    monkeypatch.setattr(spreadsheet, "MOST_UNPACKED", 100_000)
    with pytest.raises(DataError, match="unpacked, more than 0; this is no table of texts"):
        read_file(path)


def test_entities_are_refused(tmp_path: Path) -> None:
    path = sheets(tmp_path / "rows.xlsx", one=[("text", "label"), ("a", "b")])
    with zipfile.ZipFile(path) as packed:
        parts = {name: packed.read(name) for name in packed.namelist()}
    parts["xl/workbook.xml"] = b'<!DOCTYPE a [<!ENTITY b "c">]>' + parts["xl/workbook.xml"]
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in parts.items():
            packed.writestr(name, content)
    with pytest.raises(DataError, match="declares entities, as no spreadsheet does"):
        read_file(path)


def test_without_the_extra_a_line_says_how_to_read_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = sheets(tmp_path / "rows.xlsx", one=ROWS)

    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(DataError, match=r"pip install 'textdistill\[spreadsheets\]' reads it; or save it as CSV"):
        read_file(path)
