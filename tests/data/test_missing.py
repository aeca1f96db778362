"""Rows without a text or a label: both kinds are told at once with what to do, and left out where that is asked for."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests import tiny
from textdistill.commands.options import Columns
from textdistill.core.errors import DataError
from textdistill.data import DataSettings, load

ROWS = [(f"text number {row} is here", "ab"[row % 2]) for row in range(60)]
WITHOUT_TEXT, WITHOUT_LABEL = (3, 4, 9), (4, 20)


def written(folder: Path, ending: str) -> str:
    """Sixty rows: three without a text, two without a label, one of them without either."""
    path = folder / f"rows.{ending}"
    frame = pd.DataFrame(ROWS, columns=["text", "label"]).astype(object)
    frame.insert(0, "id", range(60))  # a row of a spreadsheet that holds nothing at all is no row
    frame.loc[list(WITHOUT_TEXT), "text"] = None
    frame.loc[list(WITHOUT_LABEL), "label"] = None
    if ending == "csv":
        frame.to_csv(path, index=False)
    elif ending == "xlsx":
        frame.to_excel(path, index=False)
    elif ending == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_parquet(path)
    return str(path)


@pytest.mark.parametrize(
    ("ending", "unlabelled", "empty"),
    [
        ("csv", "lines 6, 22", "lines 5, 6, 11"),
        ("xlsx", "rows 6, 22", "rows 5, 6, 11"),
        ("jsonl", "lines 5, 21", "lines 4, 5, 10"),
        ("parquet", "rows 5, 21", "rows 4, 5, 10"),
    ],
)
def test_missing_texts_and_labels_are_told_at_once_with_the_remedy(
    ending: str, unlabelled: str, empty: str, tmp_path: Path
) -> None:
    name = written(tmp_path, ending)
    with pytest.raises(DataError) as caught:
        load(DataSettings(name))
    assert str(caught.value) == (
        f"{name}: no label in column 'label' at {unlabelled}, empty text in column 'text' at {empty}; fill them in, or "
        "leave these rows out with data.missing=drop (--drop-missing)"
    )


@pytest.mark.parametrize("ending", ["csv", "xlsx", "jsonl", "parquet"])
def test_they_are_left_out_where_asked_and_their_number_is_told(ending: str, tmp_path: Path) -> None:
    name = written(tmp_path, ending)
    splits = load(DataSettings(name, missing="drop"))
    kept = {text: label for row, (text, label) in enumerate(ROWS) if row not in {*WITHOUT_TEXT, *WITHOUT_LABEL}}
    parts = (splits.train, splits.validation, splits.test)
    assert kept == {
        text: part.classes[label] for part in parts for text, label in zip(part.texts, part.labels, strict=True)
    }
    assert f"{name}: 4 rows without a text or a label left out" in splits.report.notes


def test_of_a_pair_either_text_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    lines = [f"one {row},two {row},{'ab'[row % 2]}" for row in range(40)]
    path.write_text("\n".join(["text,other,label", *lines, "alone,,a", ",alone,b"]) + "\n", encoding="utf-8")
    asked = DataSettings(str(path), text="text", text_pair="other")
    with pytest.raises(DataError, match=r"empty text in column 'text' or 'other' at lines 42, 43; fill"):
        load(asked)
    asked = DataSettings(str(path), text="text", text_pair="other", missing="drop")
    assert sum(load(asked).report.rows.values()) == 40


def test_rows_of_a_test_file_are_left_out_too_and_other_faults_keep_their_lines(tmp_path: Path) -> None:
    name, test = written(tmp_path, "csv"), tmp_path / "test.csv"
    test.write_text("text,label\nfirst,\n,b\nsecond,a\n", encoding="utf-8")
    assert load(DataSettings(name, test=str(test), missing="drop")).test.texts == ["second"]
    test.write_text("text,label\nfirst,\n,b\nsecond,c\n", encoding="utf-8")
    with pytest.raises(DataError, match="unknown label 'c' in column 'label' at line 4"):
        load(DataSettings(name, test=str(test), missing="drop"))


def test_where_no_row_is_whole_nothing_can_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "none.csv"
    path.write_text("text,label\nfirst,\n,b\n", encoding="utf-8")
    with pytest.raises(DataError, match="no row has both, fill them in"):
        load(DataSettings(str(path), missing="drop"))


def test_a_table_that_lacks_nothing_is_the_same_either_way(tmp_path: Path) -> None:
    path = tmp_path / "whole.csv"
    pd.DataFrame(ROWS, columns=["text", "label"]).to_csv(path, index=False)
    plain, dropped = load(DataSettings(str(path))), load(DataSettings(str(path), missing="drop"))
    assert (plain.fingerprint, plain.report) == (dropped.fingerprint, dropped.report)


def test_another_word_than_those_allowed_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing: 'dorp'; allowed: refuse, drop \(did you mean 'drop'\?\)"):
        load(DataSettings(written(tmp_path, "csv"), missing="dorp"))


def test_the_option_stands_beside_the_others_of_real_data(tmp_path: Path) -> None:
    assert Columns(drop_missing=True).named == {"missing": "drop"}
    assert Columns().named == {}
    told = tiny.call("check", written(tmp_path, "csv"))
    assert told.exit_code == 2
    assert "--drop-missing" in told.stderr
    checked = tiny.call("check", tmp_path / "rows.csv", "--drop-missing")
    assert checked.exit_code == 0, checked.output
    assert "rows.csv: 4 rows without a text or a label left out" in checked.stdout
