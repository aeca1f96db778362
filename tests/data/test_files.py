"""A user's own files: what is read, and how each fault is told."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from textdistill.core.errors import DataError
from textdistill.data import DataSettings, TextTable, file_text, load, read_file
from textdistill.data.columns import Columns, to_table

GOOD = "text,label\n" + "".join(f"row number {row},{'ab'[row % 2]}\n" for row in range(40))


def table(path: Path, *, classes: tuple[str, ...] | None = None, pair: str | None = None, **reading: Any) -> TextTable:
    made = to_table(read_file(path, **reading), Columns("text", pair, "label"), path.name, classes)
    assert made is not None
    return made[0]


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(path: Path, content: str | bytes, **reading: Any) -> str:
    with pytest.raises(DataError) as caught:
        table(write(path, content), **reading)
    message = str(caught.value)
    assert path.name in message
    assert message.count("\n") <= 1
    return message


def test_the_same_rows_are_the_same_table_in_every_format(tmp_path: Path) -> None:
    rows = [('a "quoted", odd\ntext', 1), ("plain", 0), ("tab\there", 1)]
    quoted = [(text.replace('"', '""'), label) for text, label in rows]
    lines = "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows)
    paths = [
        write(tmp_path / "a.csv", "text,label\r\n" + "".join(f'"{text}",{label}\r\n' for text, label in quoted)),
        write(tmp_path / "a.tsv", "text\tlabel\n" + "".join(f'"{text}"\t{label}\n' for text, label in quoted)),
        write(tmp_path / "a.jsonl", lines),
        write(tmp_path / "a.ndjson.gz", gzip.compress(lines.encode())),
    ]
    pq.write_table(
        pa.table({"text": [row[0] for row in rows], "label": [row[1] for row in rows]}), tmp_path / "a.parquet"
    )
    tables = [table(path) for path in [*paths, tmp_path / "a.parquet"]]
    assert {made.fingerprint for made in tables} == {tables[0].fingerprint}
    assert tables[0].texts == [row[0] for row in rows]
    assert tables[0].classes == ("0", "1")
    assert tables[0].labels.tolist() == [1, 0, 1]


def test_pairs_have_two_text_columns(tmp_path: Path) -> None:
    made = table(write(tmp_path / "p.csv", "text,other,label\na,b,x\nc,d,y\n"), pair="other")
    assert made.pairs == ["b", "d"]
    assert made.take([1]).pairs == ["d"]


def test_a_byte_order_mark_and_other_encodings_are_read(tmp_path: Path) -> None:
    text = "text,label\nnaïve,x\ncafé,y\n"
    marked = table(write(tmp_path / "a.csv", text.encode("utf-8-sig")))
    for encoding in ("latin-1", "utf-16"):
        assert table(write(tmp_path / "b.csv", text.encode(encoding)), encoding=encoding).texts == marked.texts


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["pos", "neg", "pos"], ("neg", "pos")),
        ([10, 9, 10], ("9", "10")),
        ([-1, 1, -1], ("-1", "1")),
        ([True, False, True], ("False", "True")),
        ([1.0, 0.0, 1.0], ("0", "1")),
        ([" pos", "neg ", "pos"], ("neg", "pos")),
    ],
)
def test_classes_come_from_the_values_in_order(tmp_path: Path, values: list[Any], classes: tuple[str, ...]) -> None:
    pq.write_table(pa.table({"text": ["a", "b", "c"], "label": values}), tmp_path / "a.parquet")
    made = table(tmp_path / "a.parquet")
    assert made.classes == classes
    assert made.labels[0] == made.labels[2] != made.labels[1]


def test_class_names_of_a_parquet_schema_count_and_can_be_put_in_another_order(tmp_path: Path) -> None:
    info = {"info": {"features": {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}}}}
    rows = pa.table({"text": ["a", "b"], "label": [1, 0]}).replace_schema_metadata({"huggingface": json.dumps(info)})
    pq.write_table(rows, tmp_path / "a.parquet")
    assert table(tmp_path / "a.parquet").classes == ("no", "yes")
    assert table(tmp_path / "a.parquet", classes=("yes", "no")).labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    "metadata", [b"{", b"[]", b'{"info": 3}', b'{"info": {"features": {"label": {"_type": "ClassLabel"}}}}']
)
def test_schema_metadata_that_is_not_understood_is_passed_over(tmp_path: Path, metadata: bytes) -> None:
    rows = pa.table({"text": ["a", "b"], "label": [1, 0]}).replace_schema_metadata({"huggingface": metadata})
    pq.write_table(rows, tmp_path / "a.parquet")
    assert table(tmp_path / "a.parquet").classes == ("0", "1")


def test_given_classes_name_integers_by_place(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,label\na,1\nb,0\n")
    assert table(path, classes=("bad", "good")).labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "empty file"),
        ("  \n \n", "empty file"),
        ("text,label\n", "no rows"),
        ("words,label\na,b\n", "no column 'text'; columns: words, label"),
        ("texts,label\na,b\n", "did you mean 'texts'"),
        ("text:label\na:b\n", "no column 'text'; columns: text:label"),
        ("text,label,text\na,b,c\n", "'text' is there more than once"),
        ("text,label\na,x\nb\n", "line 3: 1 fields, the header has 2"),
        ('text,label\n"two\nlines",x\nb,y,z\n', "line 4: 3 fields"),
        ('text,label\n"open,x\nb,y\n', "line 2: unexpected end of data"),
        ('text,label\n"a"b,x\n', "line 2"),
        ("text,label\na,x\n ,y\nb,x\n,y\n", "empty text in column 'text' at lines 3, 5"),
        ("text,label\na,x\nb,\n", "no label in column 'label' at line 3"),
        ("text,label\n" + "a,0.5\nb,1.25\nc,2.75\n", "quantity"),
        ("text,label\n" + "".join(f"t,{row / 7}\n" for row in range(100)), "regression is not supported"),
        ("text,label\n" + "".join(f"{row},x\n" if row % 9 else " ,x\n" for row in range(100)), "(12 in all)"),
    ],
)
def test_a_bad_csv_is_told_by_line(tmp_path: Path, content: str, said: str) -> None:
    assert said in refusal(tmp_path / "bad.csv", content)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"text": "a", "label": 1}\n{"text": \n', "line 2: not a JSON object"),
        ('[{"text": "a", "label": 1}]', "line 1: a list, not an object"),
        ('[\n{"text": "a"}]', "a JSON array is not JSON lines"),
        ('{"text": "a", "label": 1}\n\n{"text": "b"}\n', "no label in column 'label' at line 3"),
        ('{"text": "a", "label": 1}\n{"text": 5, "label": 1}\n', "holds 5 (int) at line 2; a text is needed"),
        ('{"text": "a", "label": 1}\n{"text": "b", "label": "1"}\n', "mixes kinds of labels"),
        ('{"text": "a", "label": [1]}\n', "holds [1] (list) at line 1"),
        ('{"text": "a", "label": NaN}\n{"text": "b", "label": 1}\n', "no label"),
        ('{"text": "a", "text": "b", "label": 1}\n', "line 1: one object: column 'text' is there more than once"),
        ('{"text": "half \\ud83d", "label": 1}\n', "lone surrogate, U+D83D) at line 1"),
        ("[" * 100_000, "line 1: not a JSON object"),
        ('{"text": "a", "label": 1e999}\n{"text": "b", "label": 2}\n', "quantity"),
        ('{"text": "a", "label": ' + "9" * 5000 + "}\n", "line 1: not a JSON object"),
    ],
)
def test_bad_json_lines_are_told_by_line(tmp_path: Path, content: str, said: str) -> None:
    assert said in refusal(tmp_path / "bad.jsonl", content)


def test_an_unknown_label_is_told_with_its_line_and_the_nearest_class(tmp_path: Path) -> None:
    said = refusal(tmp_path / "a.csv", "text,label\na,good\nb,goood\n", classes=("bad", "good"))
    assert "unknown label 'goood' in column 'label' at line 3; allowed: 'bad', 'good' (did you mean 'good'?)" in said
    said = refusal(tmp_path / "b.csv", "text,label\na,0\nb,2\n", classes=("bad", "good"))
    assert "unknown label '2'" in said
    assert "(or 0 to 1)" in said


def test_undecodable_bytes_are_told_by_line_and_offset_with_a_remedy(tmp_path: Path) -> None:
    said = refusal(tmp_path / "a.csv", b"text,label\nok,x\ncaf\xe9,y\n")
    assert "line 3: byte 0xe9 at offset 19 is not utf-8" in said
    assert "data.encoding=cp1252" in said
    assert "data.encoding=utf-16-le" in refusal(tmp_path / "b.csv", GOOD.encode("utf-16-le"))
    assert "data.encoding=utf-16-be" in refusal(tmp_path / "b.jsonl", GOOD.encode("utf-16-be"))
    assert "unknown encoding 'klingon'" in refusal(tmp_path / "c.csv", GOOD, encoding="klingon")


@pytest.mark.parametrize("name", ["a.parquet", "a.csv.gz"])
@pytest.mark.parametrize("content", [b"", b"PAR1PAR1", b"\x1f\x8b\x08\x00broken", b"nonsense"])
def test_broken_binary_files_are_told(tmp_path: Path, name: str, content: bytes) -> None:
    refusal(tmp_path / name, content)


def test_a_huge_line_is_refused_before_it_is_unpacked_whole(tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(file_text.MAX_LINE + 2**21), compresslevel=1)
    assert "line 1: longer than 64 MiB" in refusal(tmp_path / "bomb.csv.gz", bomb)


def test_long_fields_below_the_limit_are_read(tmp_path: Path) -> None:
    long = "word " * 100_000
    assert table(write(tmp_path / "a.csv", f"text,label\n{long},x\nb,y\n")).texts[0] == long


def test_missing_files_folders_and_unknown_endings_are_told(tmp_path: Path) -> None:
    write(tmp_path / "rows.jsonl", "{}")
    with pytest.raises(DataError, match=r"rows\.csv: no such file; there is .*rows\.jsonl"):
        read_file(tmp_path / "rows.csv")
    with pytest.raises(DataError, match="not a file"):
        read_file(tmp_path)
    with pytest.raises(DataError, match="unknown format; name it"):
        read_file(write(tmp_path / "rows.dat", GOOD))
    assert len(table(tmp_path / "rows.dat", format="csv")) == 40


def test_one_class_and_no_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="every row has the label 'x'"):
        load(DataSettings(str(write(tmp_path / "a.csv", "text,label\na,x\nb,x\n"))))
    with pytest.raises(DataError, match="no row has a label"):
        load(DataSettings(str(write(tmp_path / "b.csv", "text,label\na,\nb,\n"))))
    with pytest.raises(DataError, match="as text and as label"):
        load(DataSettings(str(write(tmp_path / "c.csv", "text,label\na,x\nb,y\n")), label="text"))


cells = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 5), st.floats(), st.text(max_size=6), st.lists(st.integers())
)
records = st.lists(st.dictionaries(st.sampled_from(["text", "label", "other"]), cells, max_size=3), max_size=12)
fast = settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def table_or_refusal(path: Path, **reading: Any) -> None:
    """What any file may end in: a sound table, or one or two lines for the user."""
    try:
        made = to_table(read_file(path, **reading), Columns("text", None, "label"), path.name, None)
    except DataError as refused:
        made, said = None, str(refused)
        assert path.name in said
    if made is not None:
        rows, _ = made
        assert len(rows) == len(rows.labels) > 0
        assert all(text.strip() for text in rows.texts)
        assert rows.labels.max() < len(rows.classes)
        assert (rows.counts() > 0).all()
        assert len(rows.fingerprint) == 64


@fast
@given(rows=records)
def test_any_json_lines_are_a_table_or_a_data_error(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    table_or_refusal(write(path, "\n".join(json.dumps(row) for row in rows)))


@fast
@given(content=st.one_of(st.binary(max_size=60), st.text('text,label\n\r"\0 ab01.é', max_size=60).map(str.encode)))
@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet", "csv.gz"])
def test_any_bytes_are_a_table_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, ending: str, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / f"any.{ending}"
    table_or_refusal(write(path, content))
    table_or_refusal(write(path, b"text,label\n" + content))


@fast
@given(labels=st.lists(st.one_of(st.floats(width=32), st.integers(-1, 3).map(float)), min_size=1, max_size=30))
def test_any_numbers_as_labels_are_a_table_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, labels: list[float]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.parquet"
    pq.write_table(pa.table({"text": ["a"] * len(labels), "label": labels}), path)
    table_or_refusal(path)
    whole = all(math.isfinite(value) and value.is_integer() for value in labels)
    assert not whole or table(path).classes == tuple(map(str, sorted({int(value) for value in labels})))
