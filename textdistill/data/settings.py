"""What a user may ask of the real data; every default of this room is here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Lt

from textdistill.core.bounds import Count, Doc, OneOf

Fraction = Annotated[float, Gt(0), Lt(1)]
Rows = Annotated[int, Ge(2)]
FORMATS = ("csv", "tsv", "jsonl", "parquet", "json", "xlsx")
DELIMITERS = (",", ";", "|", "tab")
CONTRADICTIONS = ("keep", "drop", "majority")
MISSING = ("refuse", "drop")


@dataclass(frozen=True)
class DataSettings:
    """Which rows, which columns, and how they are split.

    `name` is a known data set, a hub id (`owner/name` or `owner/name:config`), or the path of a file or of a folder
    with `train`, `validation` and `test` files. The test share is held out only where the data have no labelled test
    split, the validation share cut from train only where they have no validation split.
    """

    name: Annotated[str, Doc("a known data set, a hub id, or the path of a file or of a folder of splits")]
    text: Annotated[str | None, Doc("column of the texts (own data: text)")] = None
    text_pair: Annotated[str | None, Doc("column of their second halves")] = None
    label: Annotated[str | None, Doc("column of the labels (own data: label)")] = None
    data_dir: Annotated[str | None, Doc("a folder of such folders, looked at before the hub")] = None
    format: Annotated[Annotated[str, OneOf(FORMATS)] | None, Doc("of own files; none: as they are named")] = None
    encoding: Annotated[str, Doc("of own files")] = "utf-8"
    delimiter: Annotated[
        Annotated[str, OneOf(DELIMITERS)] | None, Doc("between the fields of CSV; none: as the header shows")
    ] = None
    sheet: Annotated[str | None, Doc("of a spreadsheet; none: its first")] = None
    test: Annotated[str | None, Doc("a further file of own data")] = None
    validation: Annotated[str | None, Doc("a further file of own data")] = None
    test_fraction: Annotated[Fraction, Doc("share of the rows that is held out for the test")] = 0.2
    test_rows: Annotated[Rows | None, Doc("rows in place of that share")] = None
    validation_fraction: Annotated[Fraction, Doc("share of the training rows that validates")] = 0.1
    train_rows: Annotated[Rows | None, Doc("rows that train is cut to, class by class, for quick tries")] = None
    most_rows: Annotated[
        Rows | None, Doc("training rows that are kept where there are more, each class its share; a tenth to test on")
    ] = None
    sentences: Annotated[Count | None, Doc("the first so many of each text are kept")] = None
    classes: Annotated[tuple[str, ...] | None, Doc("their order; any other label is an error")] = None
    merge_labels: Annotated[bool, Doc("labels that look alike (neg, NEG, neg.) are read as one")] = False
    contradictions: Annotated[
        Annotated[str, OneOf(CONTRADICTIONS)],
        Doc("equal texts under several labels: keep, drop all of them, or keep those with the label of most"),
    ] = "keep"
    missing: Annotated[
        Annotated[str, OneOf(MISSING)], Doc("rows without a text or a label: refuse the table, or drop these rows")
    ] = "refuse"
    split_seed: Annotated[int, Doc("of the splits made here")] = 0

    def between(self) -> list[str]:
        """What is wrong with the name, the classes, and between the columns."""
        faults = []
        if not self.name.strip():
            faults.append("name: empty; give a known data set, a hub id, or a file")
        if self.classes is not None and (len(set(self.classes)) != len(self.classes) or len(self.classes) < 2):
            faults.append(f"classes: {list(self.classes)}; allowed: two or more different names")
        columns = [column for column in (self.text, self.text_pair, self.label) if column is not None]
        if len(set(columns)) != len(columns):
            faults.append(f"text, text_pair, label: {columns}; allowed: different columns")
        return faults
