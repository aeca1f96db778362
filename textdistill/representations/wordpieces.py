"""Text as an encoder's own tokens and their input embeddings: the representation `wordpieces`, a kind of words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

import embeddings
from textdistill.core.bounds import Count, Doc
from textdistill.data import DataSettings, Splits, TextTable, load
from textdistill.learners.pretrained.encoder_files import PACKAGED, load_model, model_folder
from textdistill.representations.embedded_text import EmbeddedText
from textdistill.representations.words import WordTask

_UNUSED = re.compile(r"^\[unused\d+\]$")  # BERT's spare places: no text has them


@dataclass(frozen=True)
class Wordpieces:
    """Texts cut into the tokens of a model, each as the model's own input embedding."""

    model: Annotated[str, Doc("a hub id, a folder, minilm")] = PACKAGED
    length: Annotated[Count, Doc("tokens that texts are cut or padded to, none of the model's own among them")] = 64

    name: ClassVar[str] = "wordpieces"
    kind: ClassVar[str] = "words"


@dataclass
class PieceTask(WordTask):
    """Texts as tokens: the words are all tokens that a text can have, their matrix the model's table of embeddings."""

    settings: Wordpieces  # type: ignore[assignment]
    tokenizer: Any

    def beside(self, data: DataSettings) -> PieceTask:
        """Texts of another data set as the same tokens."""
        return _assemble(load(data), data, self.settings, self.tokenizer, self.vectors)


def prepare_pieces(data: DataSettings, representation: Wordpieces, seed: int = 0) -> PieceTask:
    """Load, split, cut into tokens, look their vectors up."""
    splits = load(data)
    tokenizer, vectors = token_vectors(representation.model, splits.train.pairs is not None)
    return _assemble(splits, data, representation, tokenizer, vectors)


@torch.no_grad()
def token_vectors(model: str, pairs: bool) -> tuple[Any, embeddings.WordVectors]:
    """A model's tokenizer, and its tokens with their input embeddings.

    Special tokens are left out, but for that of what is unknown and, between `pairs`, the separator.
    """
    folder = model_folder(model)
    tokenizer, network = load_model(model, folder)
    kept = {tokenizer.unk_token_id, tokenizer.sep_token_id if pairs else None}
    left_out = set(tokenizer.all_special_ids) - kept
    table = network.get_input_embeddings()
    tokens = {number: token for token, number in tokenizer.get_vocab().items() if number < table.weight.shape[0]}
    numbers = [one for one in sorted(tokens) if one not in left_out and not _UNUSED.match(tokens[one])]
    matrix = table(torch.tensor(numbers)).float().numpy()
    words = [tokens[number] for number in numbers]
    report = embeddings.ReadReport(rows=len(tokens), kept=len(words))
    return tokenizer, embeddings.WordVectors(words, np.ascontiguousarray(matrix), model, report)


def cut(tokenizer: Any, table: TextTable) -> list[list[str]]:
    """The tokens of each row; of a pair, the separator and the second text's tokens follow those of the first."""
    firsts = _tokens(tokenizer, table.texts)
    if table.pairs is None:
        return firsts
    between = [] if tokenizer.sep_token is None else [tokenizer.sep_token]
    return [a + between + b for a, b in zip(firsts, _tokens(tokenizer, table.pairs), strict=True)]


def _tokens(tokenizer: Any, texts: Sequence[str]) -> list[list[str]]:
    numbers = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    return [tokenizer.convert_ids_to_tokens(row) for row in numbers]


def _assemble(
    splits: Splits[TextTable],
    data: DataSettings,
    settings: Wordpieces,
    tokenizer: Any,
    vectors: embeddings.WordVectors,
) -> PieceTask:
    matrix = torch.from_numpy(vectors.matrix)
    tables = (splits.train, splits.validation, splits.test)
    tokens = [cut(tokenizer, table) for table in tables]
    train, validation, test = (
        EmbeddedText(row, table.labels, table.classes, vectors.words, matrix, settings.length)
        for row, table in zip(tokens, tables, strict=True)
    )
    unknown = sum(row.count(tokenizer.unk_token) for row in tokens[0])
    return PieceTask(
        train=train,
        validation=validation,
        test=test,
        metrics=tuple(splits.metrics),
        facts={
            "kind": settings.kind,
            "name": settings.model,
            "dimension": vectors.dimension,
            "fingerprint": vectors.fingerprint,
            "words": len(vectors),
            "token_share": round(train.coverage - unknown / max(1, train.tokens), 4),
            "reading": str(vectors.report),
        },
        data={**splits.facts(data.name), "cut_rows": train.cut_rows, "empty_rows": train.empty_rows},
        splits=splits,
        words=vectors.words,
        matrix=matrix,
        settings=settings,
        vectors=vectors,
        rescale=_as_they_are,
        tokenizer=tokenizer,
    )


def _as_they_are(values: Tensor) -> Tensor:
    return values
