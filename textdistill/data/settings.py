"""What a user may ask of the real data; every default of this room is here."""

from __future__ import annotations

from dataclasses import dataclass

FORMATS = ("csv", "tsv", "jsonl", "parquet")


@dataclass(frozen=True)
class DataSettings:
    """Which rows, which columns, and how they are split.

    `name` is a known data set, a hub id (`owner/name` or `owner/name:config`), or the path of a file or of a folder
    with `train`, `validation` and `test` files. `data_dir` is a folder of such folders, looked at before the hub.
    `text`, `text_pair` and `label` name columns (own data: `text` and `label` unless told). `test` and `validation`
    are further files of own data. `test_fraction`, or `test_rows` if given, is held out only where the data have no
    labelled test split; `validation_fraction` is cut from train only where they have no validation split.
    `train_rows` cuts the train split class by class, for quick tries. `sentences` keeps the first so many sentences of
    each text, before anything else. `classes` fixes the order of the classes and
    makes any other label an error.
    """

    name: str
    text: str | None = None
    text_pair: str | None = None
    label: str | None = None
    data_dir: str | None = None
    format: str | None = None
    encoding: str = "utf-8"
    test: str | None = None
    validation: str | None = None
    test_fraction: float = 0.2
    test_rows: int | None = None
    validation_fraction: float = 0.1
    train_rows: int | None = None
    sentences: int | None = None
    classes: tuple[str, ...] | None = None
    split_seed: int = 0

    def faults(self) -> list[str]:
        """What is wrong with the values, one line each: the key, the value found, what is allowed."""
        found = []
        if not self.name.strip():
            found.append("name: empty; give a known data set, a hub id, or a file")
        for key in ("test_fraction", "validation_fraction"):
            value = getattr(self, key)
            if not 0 < value < 1:
                found.append(f"{key}: {value}; allowed: between 0 and 1, both excluded")
        for key in ("test_rows", "train_rows"):
            value = getattr(self, key)
            if value is not None and value < 2:
                found.append(f"{key}: {value}; allowed: 2 or more")
        if self.sentences is not None and self.sentences < 1:
            found.append(f"sentences: {self.sentences}; allowed: 1 or more")
        if self.format is not None and self.format not in FORMATS:
            found.append(f"format: {self.format!r}; allowed: {', '.join(FORMATS)}")
        if self.classes is not None and (len(set(self.classes)) != len(self.classes) or len(self.classes) < 2):
            found.append(f"classes: {list(self.classes)}; allowed: two or more different names")
        chosen = [column for column in (self.text, self.text_pair, self.label) if column is not None]
        if len(set(chosen)) != len(chosen):
            found.append(f"text, text_pair, label: {chosen}; allowed: different columns")
        return found
