"""Text as text: the representation `texts`, which every network reads with a tokeniser of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from textdistill.core.batch import RealData
from textdistill.core.bounds import Doc, OneOf
from textdistill.core.errors import DataError, RecipeError
from textdistill.core.learner import Learner
from textdistill.data import DataSettings, Splits, TextTable, load
from textdistill.learners.pooling import POOLS
from textdistill.learners.pretrained.encoder_files import PACKAGED
from textdistill.learners.pretrained.frozen_encoder import Encoder
from textdistill.learners.pretrained.network import NOTHING, Reader, reader_of
from textdistill.representations.learner_text import LearnerText
from textdistill.representations.task import Task
from textdistill.representations.words import shown_rows


@dataclass(frozen=True)
class Texts:
    """Sentences as they are.

    Where rows or samples are selected in the space of features, `encoder` makes a text's, with its tokens' states
    pooled by `pool`. DiLM's are those of BERT's first token (`cls`; Maekawa et al. 2024, appendix C.1); here they are
    of unit length, too.
    """

    encoder: Annotated[str, Doc("by whose frozen features rows are selected: a hub id, a folder, minilm")] = PACKAGED
    pool: Annotated[str, OneOf(tuple(POOLS)), Doc("how its tokens' states are pooled; DiLM's with BERT: cls")] = "mean"

    name: ClassVar[str] = "texts"
    kind: ClassVar[str] = "texts"

    def reader(self) -> Encoder:
        """The encoder."""
        return Encoder(self.encoder, pool=self.pool)

    def facts(self) -> dict[str, str]:
        """What features depend on, beside the text; a pool that nobody chose is left out, as before there was one."""
        return {"encoder": self.encoder} | ({} if self.pool == "mean" else {"pool": self.pool})


@dataclass
class TextTask(Task):
    """Texts in their tables; `train`, `validation` and `test` have inputs once a network reads them (`read_by`)."""

    splits: Splits[TextTable]
    settings: Texts
    reader: Reader | None = None
    # What was read, by who read it: networks that read alike share it.
    _read: dict[tuple[object, ...], list[LearnerText]] = field(default_factory=dict)

    @cached_property
    def _features(self) -> Tensor:
        table = self.splits.train
        return self.encoded(table.texts, table.pairs)

    def features(self) -> Tensor:
        """The encoder's vector of every training row, (n, f): by these rows are selected."""
        return self._features

    def encoded(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> Tensor:
        """Texts as points of the space of `features`."""
        return self.settings.reader().features(texts, pairs)

    def read_by(self, learner: Learner) -> TextTask:
        """The same texts with the inputs that this learner makes of them.

        Errors: `RecipeError` where its network reads no texts.
        """
        reader = reader_of(learner)
        if self.reader is not None and self.reader.reading == reader.reading:
            return self
        if reader.reading not in self._read:
            self._read[reader.reading] = rows_of(self.splits, reader)
        train, validation, test = self._read[reader.reading]
        other = replace(self, reader=reader, train=train, validation=validation, test=test)
        if "_features" in self.__dict__:
            other.__dict__["_features"] = self._features
        return other

    def shaped(self, length: int | None) -> tuple[int, ...]:
        """The shape of the network's own inputs, with `length` tokens where it takes tokens."""
        return self.shape if length is None or len(self.shape) < 2 else (length, *self.shape[1:])

    def fitted(self, inputs: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Rows cut or padded to the samples' number of tokens; features as they are."""
        if len(shape) < 2:
            return inputs
        inputs = inputs[:, : shape[0]]
        return F.pad(inputs, (0, 0, 0, shape[0] - inputs.shape[1]), value=NOTHING)

    def seen_by(self, learner: Learner, device: torch.device) -> RealData:
        """The training rows as this learner reads them: ids read once and padded, or features computed once."""
        rows = self.read_by(learner).train
        assert isinstance(rows, LearnerText)
        return rows.to(device)

    def summary(self, inputs: Tensor) -> Tensor:
        """Refused: a network's own inputs are no points of the space of `features`; `encoded` takes the texts."""
        raise DataError("texts: token ids are no points among the encoder's features; encode the texts themselves")

    def points(self, inputs: Tensor, samples: list[dict[str, Any]] | None) -> Tensor:
        """The samples' own texts among the features."""
        if samples is None:
            return self.summary(inputs)
        pairs = [one["text_pair"] for one in samples] if "text_pair" in samples[0] else None
        return self.encoded([one["text"] for one in samples], pairs)

    def plain_texts(self) -> Splits[TextTable]:
        """The tables that were read."""
        return self.splits

    def beside(self, data: DataSettings) -> TextTask:
        """Another data set, read by the same network."""
        other = prepare_texts(data, self.settings)
        if self.reader is None:
            return other
        train, validation, test = rows_of(other.splits, self.reader)
        return replace(other, reader=self.reader, train=train, validation=validation, test=test)

    def readable(self, rows: list[int]) -> list[dict[str, Any]]:
        """Training rows with their label."""
        return shown_rows(self.splits.train, rows)


def prepare_texts(data: DataSettings, representation: Texts, seed: int = 0) -> TextTask:
    """Load and split; nothing is read or encoded yet."""
    splits = load(data)
    train, validation, test = rows_of(splits)
    encoder = representation.reader()
    return TextTask(
        train=train,
        validation=validation,
        test=test,
        metrics=tuple(splits.metrics),
        facts={"kind": representation.kind, "name": encoder.name, "fingerprint": encoder.fingerprint},
        data=splits.facts(data.name),
        splits=splits,
        settings=representation,
    )


def rows_of(splits: Splits[TextTable], reader: Reader | None = None) -> list[LearnerText]:
    """Train, validation and test as this network reads them."""
    read, shape = (_unread, ()) if reader is None else (reader.read, reader.shape)
    return [LearnerText(table, read, shape) for table in (splits.train, splits.validation, splits.test)]


def _unread(texts: list[str], pairs: list[str] | None) -> tuple[Tensor, None]:
    raise RecipeError(["representation: texts have inputs only once a network reads them (`read_by`)"])
