"""Columns as the bytes of a Parquet file."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow
import pyarrow.parquet


def parquet_bytes(columns: Mapping[str, Sequence[Any]], classes: Sequence[str] | None = None) -> bytes:
    """A Parquet file of these columns; their types are those of their values.

    With `classes` the integers of the column `label` are marked as class labels with these names, as `datasets` reads
    them from the schema.
    """
    table = pyarrow.table(dict(columns))
    if classes is not None:
        features = {field.name: _feature(field.type) for field in table.schema}
        features["label"] = {"names": list(classes), "_type": "ClassLabel"}
        info = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": info})
    stream = io.BytesIO()
    pyarrow.parquet.write_table(table, stream)
    return stream.getvalue()


def _feature(kind: pyarrow.DataType) -> dict[str, Any]:
    if pyarrow.types.is_list(kind):
        # Versions of `datasets` before 4 know no `List`; all know this.
        return {"feature": _feature(kind.value_type), "_type": "Sequence"}
    return {"dtype": {"double": "float64"}.get(str(kind), str(kind)), "_type": "Value"}
