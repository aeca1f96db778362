"""A text or an id is no column of classes: told, with the column that may be; a missing header is told; long lists of
classes are cut."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from textdistill.core.errors import DataError
from textdistill.data import DataSettings, load
from textdistill.data.listed import listed, short
from textdistill.data.splits import check

ROWS = 60


def table(folder: Path) -> str:
    """Sixty rows with texts, comments that a few share, ids, amounts and two columns of few values."""
    rows = range(ROWS)
    columns = {
        "text": [f"the text number {row} of this table" for row in rows],
        "comment": ["good" if row < 4 else f"another remark {row}" for row in rows],
        "id": [f"r{row:04d}" for row in rows],
        "number": [1000 + row for row in rows],
        "amount": [round(0.37 * row, 2) for row in rows],
        "country": [["DE", "FR"][row % 2] for row in rows],
        "class of goods": ["abcd"[row % 4] for row in rows],
    }
    path = folder / "rows.csv"
    pd.DataFrame(columns).to_csv(path, index=False)
    return str(path)


def refused(name: str, **settings: str) -> str:
    with pytest.raises(DataError) as caught:
        load(DataSettings(name, **settings))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_texts_as_labels_are_refused_though_some_occur_again_and_the_classes_are_pointed_at(tmp_path: Path) -> None:
    name = table(tmp_path)
    assert refused(name, text="text", label="comment") == (
        f"{name}: label column 'comment' has 57 different values in 60 rows: is it the text, or an id? --label "
        "(data.label) names the column of classes; 'class of goods' has 4 different values, 'country' has 2 different "
        "values"
    )


@pytest.mark.parametrize(
    ("label", "told"),
    [
        ("id", "'id' has 60 different values in 60 rows: is it the text, or an id?"),
        ("number", "is it an id, or a quantity (regression is not supported: bin it first)?"),
        ("amount", "looks like a quantity (60 different numbers such as "),
    ],
)
def test_ids_and_quantities_are_no_classes(label: str, told: str, tmp_path: Path) -> None:
    assert told in refused(table(tmp_path), text="text", label=label)


def test_swapped_columns_are_told(tmp_path: Path) -> None:
    told = refused(table(tmp_path), text="country", label="text")
    assert told.endswith("; 'country', read as the text, has 2 different values: are the two swapped?")


def test_where_no_other_column_looks_like_classes_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ids.csv"
    path.write_text("text,label\n" + "".join(f"words {row},r{row}\n" for row in range(30)), encoding="utf-8")
    assert refused(str(path)).endswith("--label (data.label) names the column of classes")


def test_of_a_handful_of_rows_each_may_be_a_class_and_classes_that_are_named_are_meant(tmp_path: Path) -> None:
    path = tmp_path / "few.csv"
    path.write_text("text,label\n" + "".join(f"words {row},r{row}\n" for row in range(20)), encoding="utf-8")
    assert "too few to hold out a test split" in refused(str(path))
    path.write_text("text,label\n" + "".join(f"words {row},r{row}\n" for row in range(30)), encoding="utf-8")
    with pytest.raises(DataError, match="too few to hold out a test split"):
        load(DataSettings(str(path), classes=tuple(f"r{row}" for row in range(30))))


def test_many_classes_that_most_rows_share_are_read(tmp_path: Path) -> None:
    path = tmp_path / "many.csv"
    rows = [f"words number {row},class {row % 50:02d}\n" for row in range(300)]
    path.write_text("text,label\n" + "".join(rows), encoding="utf-8")
    summary, _ = check(DataSettings(str(path)))
    assert summary.lines()[1].startswith("50 classes: class 00 6, class 01 6, ")
    assert summary.lines()[1].endswith(", class 19 6, … and 30 more")


def test_a_list_is_as_long_as_a_reader_takes_in() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed([f"{number}" for number in range(25)], most=3) == "0, 1, 2, … and 22 more"
    long = [f"{number} {'word ' * 30}" for number in range(1234)]
    assert len(listed(long)) < 400
    assert listed(long).endswith(" more")
    assert listed(["one\nline"], [" 3"]) == "one line 3"
    assert short("word " * 30) == "word word word word word word word word…"


def test_contradicting_labels_and_classes_without_a_test_row_are_cut_alike(tmp_path: Path) -> None:
    rows = [f"the same words,label {row}" for row in range(30)] + [f"other words {row},label 1" for row in range(60)]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    notes = load(DataSettings(str(path))).report.notes
    assert any("(label 0, label 1, label 2, label 3, label 4, … and 25 more)" in note for note in notes)
    assert any(note.startswith("classes without a test row: ") and note.endswith(" more") for note in notes)


def test_where_no_columns_are_named_the_likeliest_are(tmp_path: Path) -> None:
    assert refused(table(tmp_path), text="body").endswith(
        "columns: text, comment, id, number, amount, country, class of goods; perhaps --text text --label "
        "'class of goods'"
    )


@pytest.mark.parametrize(
    "lines",
    [
        ["a longer text that fills the first line of this table and is no name,good"],
        ["short words,good"],
        ["17,some words"],
    ],
)
def test_a_first_line_that_is_data_is_told_for_a_missing_header(lines: list[str], tmp_path: Path) -> None:
    path = tmp_path / "plain.csv"
    rows = [f"words number {row},{['good', 'bad'][row % 2]}" for row in range(30)]
    path.write_text("\n".join([*lines, *rows]) + "\n", encoding="utf-8")
    assert refused(str(path)).endswith(
        "; these look like data: is there no header? Write a first line with the names of the columns, such as "
        "text,label"
    )


def test_a_long_name_of_a_column_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text("words " * 50 + ",good\na,good\nb,bad\n", encoding="utf-8")
    assert "columns: " + "words " * 9 + "words…, good; " in refused(str(path))


def test_numbers_by_which_pandas_calls_columns_are_a_header(tmp_path: Path) -> None:
    path = tmp_path / "counted.csv"
    pd.DataFrame([(f"words number {row}", "ab"[row % 2]) for row in range(30)]).to_csv(path, index=False)
    assert refused(str(path)).endswith("no column 'text'; columns: 0, 1; perhaps --text 0 --label 1")
    assert sum(load(DataSettings(str(path), text="0", label="1")).report.rows.values()) == 30
