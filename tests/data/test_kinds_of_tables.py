"""Kinds of tables that were looked for (docs/tables.md): what each is read as, or what is told of it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from textdistill.core.errors import DataError
from textdistill.data import DataSettings, TextTable, load, read_file
from textdistill.data.columns import Columns, to_table
from textdistill.data.label_names import alike
from textdistill.data.oddities import odd_labels, odd_texts
from textdistill.data.sets.set_files import set_files
from textdistill.data.splits import check

ROWS = [(f"text number {row} here", "ab"[row % 2]) for row in range(30)]
PLAIN = "text,label\n" + "".join(f"{text},{label}\n" for text, label in ROWS)


def file(folder: Path, content: str | bytes, name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def table(path: Path) -> TextTable:
    made = to_table(read_file(path), Columns("text", None, "label"), "t", None)
    assert made is not None
    return made[0]


def labelled(label: str, other: str = "b") -> str:
    return "text,label\n" + "".join(f"{text},{(label, other)[row % 2]}\n" for row, (text, _) in enumerate(ROWS))


READ = {
    "line ends of three kinds": "text,label\r\n"
    + "".join(f"{text},{label}" + ("\n", "\r\n", "\r")[row % 3] for row, (text, label) in enumerate(ROWS)),
    "old line ends": PLAIN.replace("\n", "\r"),
    "empty lines": "\n\n" + PLAIN.replace("\n", "\n\n"),
    "a mark twice": b"\xef\xbb\xbf" * 2 + PLAIN.encode(),
    "spaces in the header": PLAIN.replace("text,label", " text , label ", 1),
    "invisible signs in the header": PLAIN.replace("text,label", "\u200btext,label\u200b", 1),
    "an index without a name": "".join(f"{row},{line}\n" for row, line in enumerate(PLAIN.splitlines())).replace(
        "0,", ",", 1
    ),
    "several columns without names": PLAIN.replace("\n", ",,\n"),
    "spaces behind labels": PLAIN.replace("a\n", "a \n", 5).replace("b\n", "b\u00a0\n", 5),
    "invisible signs behind labels": PLAIN.replace("a\n", "a\u200b\n", 5).replace("b\n", "b\u00ad\n", 5),
    "five thousand columns": "".join(
        line + "".join(f",c{k}" for k in range(5000)) + "\n" for line in PLAIN.splitlines()[:7]
    ),
}


@pytest.mark.parametrize("kind", READ)
def test_it_is_read_as_it_is_meant(kind: str, tmp_path: Path) -> None:
    found = table(file(tmp_path, READ[kind]))
    count = len(found)
    assert found.classes == ("a", "b")
    assert found.texts == [text for text, _ in ROWS][:count]
    assert count == (6 if "thousand" in kind else 30)


def test_lines_in_quotes_are_one_field(tmp_path: Path) -> None:
    rows = "".join(f'"first {row}\nsecond, with ""quotes""",{label}\n' for row, (_, label) in enumerate(ROWS))
    assert table(file(tmp_path, f"text,label\n{rows}")).texts[0] == 'first 0\nsecond, with "quotes"'


@pytest.mark.parametrize(
    ("name", "sign"), [("rows.txt", "\t"), ("rows.txt", ";"), ("rows.tab", "\t"), ("rows.txt", ",")]
)
def test_text_files_under_other_names_are_tables(name: str, sign: str, tmp_path: Path) -> None:
    path = file(tmp_path, PLAIN.replace(",", sign), name)
    assert table(path).classes == ("a", "b")
    (tmp_path / "sets").mkdir()
    file(tmp_path / "sets", "a prompt", "prompt.txt")
    csv = file(tmp_path / "sets", PLAIN, "set.csv")
    assert set_files(tmp_path / "sets") == [csv]  # in a folder of sets a text is a prompt


@pytest.mark.parametrize(
    ("one", "other", "classes"),
    [
        ("-1", "1", ("-1", "1")),
        ("True", "False", ("False", "True")),
        ("true", "false", ("false", "true")),
        ("0.5", "1.5", ("0.5", "1.5")),
        ("2024-01-01", "2024-01-02", ("2024-01-01", "2024-01-02")),
        ("01", "02", ("01", "02")),
    ],
)
def test_labels_stay_what_is_written(one: str, other: str, classes: tuple[str, ...], tmp_path: Path) -> None:
    assert table(file(tmp_path, labelled(one, other))).classes == classes


def test_whole_numbers_of_one_value_look_alike() -> None:
    assert alike(("+1", "1", "-1", "01")) == [("+1", "1", "01")]
    assert alike(("1", "10", "-1")) == []


REFUSED = {
    "a colon": (PLAIN.replace(",", ":"), "another sign than , ; | or a tab? write it again with one of these"),
    "two colons": (PLAIN.replace(",", "::"), "another sign than , ; | or a tab?"),
    "no header": (
        PLAIN.partition("\n")[2],
        "these look like data: is there no header? Write a first line with the names",
    ),
    "a header alone": ("text,label\n", "no rows"),
    "a name twice": (PLAIN.replace("\n", ",text\n"), "column 'text' is there more than once"),
    "a comment first": (f"# made by me\n{PLAIN}", "line 1 is a comment: delete it"),
    "a comma more in every row": (
        PLAIN.replace("\n", ",\n").replace("label,", "label", 1),
        "3 fields, the header has 2",
    ),
    "a field too few": (f"{PLAIN}alone\n", "line 32: 1 fields, the header has 2"),
    "an open quote": (PLAIN.replace("text number 0", '"text number 0', 1), "put a field that has quotes into quotes"),
    "quotes behind backslashes": (
        PLAIN.replace("text number 0 here", '"he said \\"hi\\" then"', 1),
        "put a field that has quotes into quotes and double those inside",
    ),
    "a NUL": (PLAIN.replace("number 3", "num\0ber", 1), "line 5: a NUL character"),
    "an empty text of invisible signs": (f"{PLAIN}\u200b,a\n", "empty text in column 'text' at line 32"),
    "gzip": (gzip.compress(PLAIN.encode()), "packed by gzip; end its name in .gz"),
    "a zip": (b"PK\x03\x04" + bytes(80), "a zip archive; unpack it"),
    "Parquet": (b"PAR1" + bytes(80), "a Parquet file; end its name in .parquet"),
    "a web page": ("\n<!DOCTYPE html><html></html>", "a web page; fetch the file itself"),
    "a pointer": ("version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS and not the file"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_it_is_refused_in_a_line_that_says_what_to_do(kind: str, tmp_path: Path) -> None:
    content, told = REFUSED[kind]
    with pytest.raises(DataError) as caught:
        table(file(tmp_path, content))
    assert told in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"text": {"a": "b"}, "label": 1}, "a text is needed"),
        ({"text": ["a", "b"], "label": 1}, "a text is needed"),
        ({"text": "a", "label": {"name": "b"}}, "a label is a string, an integer or true/false"),
        ({"text": "a", "label": ["b"]}, "a label is a string, an integer or true/false"),
        ({"text": "a", "label": float("nan")}, "no label in column 'label' at line"),
        ({"text": "a", "label": "x"}, "mixes kinds of labels"),
    ],
)
def test_nested_values_and_labels_of_two_kinds_are_refused_by_line(row: object, told: str, tmp_path: Path) -> None:
    rows = [{"text": text, "label": place % 2} for place, (text, _) in enumerate(ROWS)]
    path = file(tmp_path, "".join(json.dumps(one) + "\n" for one in [*rows, row]), "rows.jsonl")
    with pytest.raises(DataError) as caught:
        table(path)
    assert told in str(caught.value)


def test_archives_are_to_be_unpacked(tmp_path: Path) -> None:
    for ending in (".zip", ".tar", ".7z"):
        with pytest.raises(DataError, match="an archive; unpack it and give the table in it"):
            read_file(file(tmp_path, b"anything", f"rows{ending}"))


def test_missing_values_and_lists_among_the_labels_are_told() -> None:
    assert odd_labels({"a": 3, "nan": 2, "N/A": 1, "none of these": 4}) == [
        "labels that look like missing values: 'nan' (2 rows), 'N/A' (1 rows); leave these rows out, or give them "
        "their label"
    ]
    assert odd_labels({"['a', 'b']": 3, "['a']": 2})[0].startswith("labels that look like lists: \"['a', 'b']\", ")
    assert odd_labels({"a (b)": 1, "A": 2, "banana": 3}) == []


def test_texts_that_are_missing_or_have_lost_letters_are_told(tmp_path: Path) -> None:
    assert odd_texts(["fine", "naïve café", "Ã", "São Paulo", "nana", "null and void"]) == []
    lost = odd_texts(["cafÃ© trÃ¨s bon", "caf\ufffd", "itâ\u20ac\u2122s", "NaN", " n/a "])
    assert lost[0].startswith("2 texts are nothing but a missing value")
    assert lost[1].startswith("3 texts have lost letters ('Ã©'): read once by another encoding")
    summary, _ = check(DataSettings(str(file(tmp_path, f"{PLAIN}cafÃ© trÃ¨s bon,a\nnan,b\n"))))
    assert [line.split()[0] for line in summary.warnings()] == ["1", "1"]
    assert load(DataSettings(str(tmp_path / "rows.csv"))).report.rows["train"] > 0  # told, and read
