"""Small files that stand for more than a machine has: they are refused, and cost little."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textdistill.core.errors import DataError
from textdistill.data.files import read_file


def test_packed_text_that_is_a_thousand_times_its_size_is_refused(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "bomb.csv.gz", "wb", compresslevel=9) as file:
        for _ in range(300):
            file.write(b"aaaa,bbbb\n" * 100_000)
    assert (tmp_path / "bomb.csv.gz").stat().st_size < 2**20
    with pytest.raises(DataError, match="257 MiB and more out of .* bytes; no table"):
        read_file(tmp_path / "bomb.csv.gz")


def test_one_long_text_in_a_hundred_thousand_rows_of_parquet_is_refused(tmp_path: Path) -> None:
    rows = 100_000
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), ["x" * 200_000])
    pq.write_table(
        pa.table({"text": texts, "label": pa.array([1] * rows)}), tmp_path / "bomb.parquet", store_schema=False
    )
    assert (tmp_path / "bomb.parquet").stat().st_size < 2**20
    table = read_file(tmp_path / "bomb.parquet")
    with pytest.raises(DataError, match="column 'text' unpacks to more than 8 GiB; no table of texts"):
        table.column("text")
    assert table.column("label") == [1] * rows


def test_a_column_that_lost_values_to_a_flipped_bit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"text": [None if place % 3 else "a" for place in range(64)]}), path, compression="NONE")
    whole, refused = path.read_bytes(), 0
    for at in range(4, 120):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            assert len(read_file(path).column("text")) == 64
        except DataError:
            refused += 1
    assert refused
