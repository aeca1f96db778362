"""What every format is made from: the samples in their order, their wording, rows to ask, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from textdistill.core.errors import DataError, UserError
from textdistill.data.sets.text_set import TextSet
from textdistill.export.soft import Labels
from textdistill.export.wording import Wording

WORDING = frozenset({"template", "instruction", "label_words"})


@dataclass(frozen=True)
class Material:
    """The samples to export, chosen and in order.

    `labels` says what becomes of soft labels; `test` are the rows that a task asks about; `manifest` and `metrics` are
    those of the run that made the set, where there is one. `name` is what consumers call the set.
    """

    samples: TextSet
    wording: Wording
    name: str = "distilled"
    labels: Labels = "hard"
    test: TextSet | None = None
    manifest: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name.replace("_", "").replace("-", "").isalnum() or not self.name.isascii():
            raise UserError(f"name: {self.name!r}; allowed: letters, digits, - and _")
        for what, samples in (("sample", self.samples), ("test row", self.test)):
            if samples is not None:
                _check_text(what, samples)

    @property
    def asked(self) -> TextSet:
        """The rows to ask; `UserError` where none are given."""
        if self.test is None or not len(self.test):
            raise UserError("this format asks a model about rows: give them as a file of labelled texts (--test FILE)")
        return self.test


class Format(Protocol):
    """A format: a frozen dataclass of its own settings that turns material into files.

    `names` are the files that it may write, relative to the target; of a format that is not a `folder` the one file.
    `labels` are the kinds of labels it can hold, its default first; `asks`: whether it needs test rows. `uses` names
    the choices of `Shots` that mean something to it, beside those every format heeds (`k`, `order`, `seed`, `labels`).
    """

    folder: ClassVar[bool]
    names: ClassVar[tuple[str, ...]]
    labels: ClassVar[tuple[Labels, ...]]
    asks: ClassVar[bool]

    @property
    def uses(self) -> frozenset[str]:
        """Names of fields of `Shots`."""

    def files(self, material: Material) -> dict[str, bytes]:
        """The contents by file name, made without reading or writing anything."""


def fields_of(samples: TextSet, row: int) -> dict[str, str]:
    """The texts of one sample: `text`, and `text_pair` of a pair."""
    return {"text": samples.texts[row], **({} if samples.pairs is None else {"text_pair": samples.pairs[row]})}


def _check_text(what: str, samples: TextSet) -> None:
    """Half a surrogate pair is no character: no file can hold it."""
    for column in (samples.texts, samples.pairs or []):
        for number, text in enumerate(column, 1):
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise DataError(f"{what} {number}: {text[error.start]!r} is half a character; mend the text") from None
