"""Tables as people have them, from spreadsheets, pandas and other tools: each is read, or one line says what to do."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import textdistill.data as room
from textdistill.core.errors import DataError
from textdistill.data import DataSettings, TextTable, load, read_file
from textdistill.data.columns import Columns, to_table
from textdistill.data.label_names import whole_names
from textdistill.data.sets.text_sets import read_text_set

ROWS = [(f"text {row}, with a comma", "ab"[row % 2]) for row in range(40)]
PLAIN = "text,label\n" + "".join(f'"{text}",{label}\n' for text, label in ROWS)


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def table(path: Path, **reading: Any) -> TextTable:
    made = to_table(read_file(path, **reading), Columns("text", None, "label"), path.name, None)
    assert made is not None
    return made[0]


def refused(path: Path | str, **settings: Any) -> str:
    with pytest.raises(DataError) as caught:
        load(DataSettings(str(path), **settings))
    assert str(caught.value).count("\n") == 0
    return str(caught.value)


@pytest.mark.parametrize(("sign", "called"), [(";", "';'"), ("|", "'|'"), ("\t", "tabs")])
@pytest.mark.parametrize("quoted", [False, True], ids=["plain", "quoted"])
def test_the_sign_between_fields_is_found_in_the_header_and_told(
    sign: str, called: str, quoted: bool, tmp_path: Path
) -> None:
    mark = '"' if quoted else ""
    lines = [("id", "text", "label"), *((str(row), *fields) for row, fields in enumerate(ROWS))]
    content = "".join(sign.join(f"{mark}{field}{mark}" for field in line) + "\r\n" for line in lines)
    path = write(tmp_path / "rows.csv", content)
    assert table(path).texts == [text for text, _ in ROWS]
    (note,) = [note for note in load(DataSettings(str(path))).report.notes if "separated" in note]
    assert note == f"{path}: separated by {called}, as its header is (data.delimiter says otherwise)"
    assert (
        load(DataSettings(str(path))).fingerprint
        == load(DataSettings(str(write(tmp_path / "c.csv", PLAIN)))).fingerprint
    )


def test_a_comma_is_told_nowhere_and_a_tsv_may_have_another_sign(tmp_path: Path) -> None:
    assert not [
        note for note in load(DataSettings(str(write(tmp_path / "a.csv", PLAIN)))).report.notes if "sep" in note
    ]
    assert table(write(tmp_path / "b.tsv", PLAIN)).texts == [text for text, _ in ROWS]
    assert table(write(tmp_path / "c.tsv", "text\tlabel\na, b; c\tx\nd\ty\n")).texts == ["a, b; c", "d"]


def test_a_spreadsheet_s_own_line_about_the_sign_counts(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "sep=;\r\ntext, as said;text;label\r\none;two, three;x\r\n;four;\r\n")
    with pytest.raises(DataError, match="no label in column 'label' at line 4"):
        table(path)
    assert table(write(path, path.read_bytes().replace(b"four;", b"four;y"))).texts == ["two, three", "four"]


def test_a_sign_that_is_insisted_on_counts(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id, as given;text;label\n1;one, two;x\n2;three;y\n")
    assert "(separated by ','); quote" in (said := refused(path))
    assert "name the separator (--delimiter)" in said
    assert "--delimiter" in refused(write(tmp_path / "b.csv", path.read_bytes().replace(b"three", b"3, 4")))
    assert table(path, delimiter=";").texts == ["one, two", "three"]
    assert "delimiter: ':'; allowed: ,, ;, |, tab" in refused(path, delimiter=":")
    lines = write(tmp_path / "a.jsonl", '{"text": "a", "label": 1}\n')
    assert "a jsonl file has none; leave it out" in refused(lines, delimiter=";")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("ending", ["csv", "csv.gz", "jsonl", "json"])
def test_a_byte_order_mark_tells_the_encoding(encoding: str, ending: str, tmp_path: Path) -> None:
    rows = [{"text": "naïve", "label": "x"}, {"text": "日本", "label": "y"}]
    content = {
        "csv": "text,label\nnaïve,x\n日本,y\n",
        "jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows),
        "json": json.dumps(rows, ensure_ascii=False),
    }[ending.removesuffix(".gz")].encode(encoding)
    path = write(tmp_path / f"a.{ending}", gzip.compress(content) if ending.endswith("gz") else content)
    assert table(path).texts == ["naïve", "日本"]


def test_a_spreadsheet_s_unicode_text_is_read_whole(tmp_path: Path) -> None:
    path = write(tmp_path / "unicode.csv", PLAIN.replace('",', '"\t').replace("text,", "text\t").encode("utf-16"))
    assert table(path).texts == [text for text, _ in ROWS]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_without_a_mark_the_option_is_named_as_it_is_typed(encoding: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", PLAIN.encode(encoding))
    assert f"data.encoding={encoding}, or --encoding {encoding}?" in refused(path)
    assert len(table(path, encoding=encoding)) == 40
    latin = write(tmp_path / "b.csv", PLAIN.replace("comma", "virgule é").encode("cp1252"))
    assert "data.encoding=cp1252" in refused(latin)


@pytest.mark.parametrize("orient", ["records", "list", "columns", "index", "wrapped", "lines"])
def test_json_documents_are_tables(orient: str, tmp_path: Path) -> None:
    frame = pd.DataFrame(ROWS, columns=["text", "label"])
    records = [{"text": text, "label": label} for text, label in ROWS]
    content = {
        "records": frame.to_json(orient="records"),
        "list": json.dumps({"text": [text for text, _ in ROWS], "label": [label for _, label in ROWS]}),
        "columns": frame.to_json(),
        "index": json.dumps(records, indent=2),
        "wrapped": json.dumps({"version": "1.0", "data": records}),
        "lines": frame.to_json(orient="records", lines=True),
    }[orient]
    path = write(tmp_path / "rows.json", content)
    assert table(path).texts == [text for text, _ in ROWS]
    assert [table(path).classes[label] for label in table(path).labels] == [label for _, label in ROWS]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", "no rows"),
        ("", "empty file"),
        ('[{"text": "a"}, 3]', "row 2: a int, not an object"),
        ('[{"text": "a"},', "not a JSON array of objects"),
        ('{"text": ["a", "b"], "label": [1]}', "columns of unlike lengths (text 2, label 1)"),
        ('{"text": ["a"], "text": ["b"]}', "'text' is there more than once"),
        ("3", "a int, not an object"),
        ("[" * 100_000, "not a JSON array of objects"),
    ],
)
def test_json_that_is_no_table_is_told(content: str, said: str, tmp_path: Path) -> None:
    assert said in refused(write(tmp_path / "bad.json", content))


def test_whole_numbers_are_written_as_such_in_tables(tmp_path: Path) -> None:
    pointed = write(tmp_path / "a.csv", PLAIN.replace(",a\n", ",0.0\n").replace(",b\n", ",1.0\n"))
    plain = write(tmp_path / "b.csv", PLAIN.replace(",a\n", ",0\n").replace(",b\n", ",1\n"))
    assert load(DataSettings(str(pointed))).fingerprint == load(DataSettings(str(plain))).fingerprint
    assert table(pointed).classes == ("0", "1")
    given = load(DataSettings(str(pointed), classes=("0.0", "1.0")))  # who names them so, has them so
    assert given.train.classes == ("0.0", "1.0")
    few = write(tmp_path / "c.csv", "text,label\nfirst,0.0\nsecond,1.0\n")
    assert load(DataSettings(str(plain), test=str(few))).test.labels.tolist() == [0, 1]


def test_halves_stay_beside_whole_numbers_in_every_file(tmp_path: Path) -> None:
    names = ["1.0", "1.5", "2.0"]
    train = write(tmp_path / "a.csv", "text,label\n" + "".join(f"t{row},{names[row % 3]}\n" for row in range(60)))
    few = write(tmp_path / "b.csv", "text,label\nfirst,1.0\nsecond,2.0\n")
    splits = load(DataSettings(str(train), test=str(few)))
    assert splits.train.classes == ("1.0", "1.5", "2.0")
    assert splits.test.labels.tolist() == [0, 2]
    pq.write_table(pa.table({"text": ["first", "second"], "label": [1.0, 2.0]}), tmp_path / "b.parquet")
    assert load(DataSettings(str(train), test=str(tmp_path / "b.parquet"))).test.labels.tolist() == [0, 2]


def test_whole_numbers_are_written_as_such_in_sets(tmp_path: Path) -> None:
    hard = write(tmp_path / "hard.csv", "text,label\na,0.0\nb,1.0\n")
    soft = write(tmp_path / "soft.csv", "text,label,p_0.0,p_1.0\na,0.0,0.75,0.25\nb,1.0,0.5,0.5\n")
    lines = write(
        tmp_path / "lines.jsonl",
        '{"text": "a", "label": 0.0, "labels": {"0.0": 0.75, "1.0": 0.25}}\n'
        '{"text": "b", "label": 1.0, "labels": {"0.0": 0.5, "1.0": 0.5}}\n',
    )
    for path in (hard, soft, lines):
        assert read_text_set(path).classes == ("0", "1")
        assert read_text_set(path, ("0", "1")).labels.tolist() == [0, 1]


def test_whole_numbers_are_told_by_all_names_at_once() -> None:
    assert whole_names(["1.0", "2", "-3."]) == {"1.0": "1", "2": "2", "-3.": "-3"}
    for names in (["1.0", "1.5"], ["1.0", "b"], ["a", "b"], ["1", "2"]):
        assert whole_names(names) == {name: name for name in names}
    assert whole_names(["1.0", "2.0"], known=("1.0", "2.0")) == {"1.0": "1.0", "2.0": "2.0"}


def test_labels_in_python_s_memory_follow_the_same_rule(tmp_path: Path) -> None:
    frame = room.table_of(["a", "b"] * 2, [0.0, 1.0] * 2)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    assert table(tmp_path / "rows.csv").classes == ("0", "1")


@pytest.mark.parametrize("address", ["https://example.org/rows.csv", "s3://bucket/rows.parquet", "hf://datasets/a/b"])
def test_an_address_is_to_be_fetched_first(address: str) -> None:
    assert "an address, and nothing is fetched from there; fetch the file first" in refused(address)
    with pytest.raises(DataError, match="fetch the file first"):
        read_text_set(address)


@pytest.mark.parametrize("ending", ["xlsb", "xls", "ods"])
def test_a_spreadsheet_of_another_kind_is_to_be_saved_as_csv(ending: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"rows.{ending}", b"PK\x03\x04")
    assert "a spreadsheet; save it as CSV" in refused(path)
    with pytest.raises(DataError, match="save it as CSV"):
        read_text_set(path)


def parts(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    frame = pd.DataFrame(ROWS, columns=["text", "label"])
    for number, name in enumerate(names):
        frame.iloc[number :: len(names)].to_parquet(folder / name, index=False)
    return folder


def test_a_folder_of_parquet_parts_is_one_table(tmp_path: Path) -> None:
    folder = parts(tmp_path / "rows.parquet", "part-00000.snappy.parquet", "part-00001.snappy.parquet")
    write(folder / "_SUCCESS", "")
    splits = load(DataSettings(str(folder)))
    assert sum(splits.report.rows.values()) == 40
    assert f"{folder}: 2 Parquet parts read as one table" in splits.report.notes
    plainly = parts(tmp_path / "mine", "0.parquet", "1.parquet", "2.parquet")
    assert sum(load(DataSettings(str(plainly))).report.rows.values()) == 40


def test_splits_may_lie_in_parts_as_the_hub_writes_them(tmp_path: Path) -> None:
    parts(tmp_path / "hub" / "data", "train-00000-of-00002.parquet", "train-00001-of-00002.parquet")
    pd.DataFrame({"text": ["u", "v"], "label": ["a", "b"]}).to_parquet(
        tmp_path / "hub" / "data" / "test-00000-of-00001.parquet"
    )
    assert load(DataSettings(str(tmp_path / "hub"))).report.rows["test"] == 2
    parts(tmp_path / "spark" / "train", "part-0.parquet", "part-1.parquet")
    assert sum(load(DataSettings(str(tmp_path / "spark"))).report.rows.values()) == 40


def test_a_folder_with_splits_is_no_folder_of_parts(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    write(folder / "train.csv", PLAIN)
    pd.DataFrame({"text": ["u", "v"], "label": ["a", "b"]}).to_parquet(folder / "extra.parquet")
    assert sum(load(DataSettings(str(folder))).report.rows.values()) == len(ROWS)


def test_parts_with_other_columns_are_refused(tmp_path: Path) -> None:
    folder = parts(tmp_path / "mine", "0.parquet", "1.parquet")
    pd.DataFrame({"body": ["u"], "label": ["a"]}).to_parquet(folder / "2.parquet")
    assert "columns body, label; 0.parquet has text, label" in refused(folder)
