"""A frozen sentence encoder of Hugging Face: texts as one vector each, computed once and kept by their content."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import nullcontext
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from embeddings import default_cache_dir
from textdistill.core.errors import UserError
from textdistill.core.processes import agreed, every_nth, lists_of_processes
from textdistill.core.watch import Told, counting
from textdistill.learners.pooling import pooled
from textdistill.learners.pretrained.encoder_files import PACKAGED, load_model, load_tokenizer, longest_of, model_folder
from textdistill.learners.pretrained.feature_store import FeatureStore, key_of
from textdistill.learners.pretrained.hub_models import fingerprint
from textdistill.learners.pretrained.packed_tokens import can_pack, packed_vectors, prepare

FORMAT = 2
# Tokens of one forward: enough that a product of matrices is as fast as it gets, and few enough for the processor's
# cache. Batches of 512 are a tenth slower, batches of 4,096 no faster.
TOKENS = 2048
# A product with a handful of rows is summed in another order; above this a text's features do not depend, to the last
# bit, on the texts beside it (measured with MKL on AVX2).
FEWEST = 128
PART = 500_000  # characters that are encoded before what was found is kept: about a minute's work on one thread


class Encoder:
    """A pre-trained network whose weights never change: φ(text) = mean over the tokens' last states, of unit length.

    `pool` takes the state of the first token (`cls`) or of the `last` in place of the `mean`. `name` is `minilm` (the
    packaged all-MiniLM-L6-v2), a folder with `config.json`, a tokenizer and safetensors, or a hub id. Weights are read
    from safetensors alone and code that comes with a model is never run. `tokens` are computed at once.

    Features are kept text by text in `cache` (the usual cache folder when `None`), under the SHA-256 of the model's
    files and of the text: a table with ten new rows encodes ten, and a text that stands in it twice is encoded once.

    Errors: `OfflineError` where the files are neither here nor to be had; `UserError` for files that are no encoder.
    """

    def __init__(
        self,
        name: str = PACKAGED,
        *,
        cache: Path | None = None,
        device: torch.device | str = "cpu",
        tokens: int = TOKENS,
        pool: str = "mean",
    ):
        self.name, self.device, self.tokens, self.pool = name, torch.device(device), tokens, pool
        self.cache = (default_cache_dir() if cache is None else cache) / "features"
        self.folder = model_folder(name)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of every file that the features depend on."""
        return fingerprint(self.folder)

    @property
    def store(self) -> FeatureStore:
        """Where its vectors are kept."""
        settings = json.dumps([FORMAT, self.fingerprint, self.pool])
        return FeatureStore(self.cache / hashlib.sha256(settings.encode()).hexdigest())

    @torch.no_grad()
    def features(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, progress: Told | None = None
    ) -> Float[Tensor, "n f"]:
        """One unit vector for each text (or pair of texts), on the CPU, from the cache where it has them.

        A text of no tokens has the vector 0. While some are encoded, `progress` is told how many of how many are done.
        """
        if not texts:
            raise UserError(f"encoder {self.name}: no texts to encode")
        content = [(text,) for text in texts] if pairs is None else zip(texts, pairs, strict=True)
        keys = [key_of(*one) for one in content]
        first: dict[bytes, int] = {}  # of equal texts the first is encoded
        for row, key in enumerate(keys):
            first.setdefault(key, row)
        store = self.store
        places, known = store.get(list(first))
        missing = agreed([row for key, row in first.items() if key not in places])
        own = every_nth(missing)
        found: list[tuple[list[bytes], Tensor]] = []
        for made, vectors in self._made(own, keys, texts, pairs, progress) if own else ():
            found.append((made, vectors))
            try:
                store.put(made, vectors)
            except OSError as error:
                reason = f"{self.name}: the features were not cached in {self.cache}: {error}"
                warnings.warn(reason, RuntimeWarning, stacklevel=2)
        parts = [known] if len(known) else []
        for made, vectors in lists_of_processes(found) if missing else ():
            begins = len(places)
            places |= {key: begins + place for place, key in enumerate(made)}
            parts.append(vectors)
        return torch.cat(parts)[torch.tensor([places[key] for key in keys])]

    def _made(
        self,
        rows: list[int],
        keys: list[bytes],
        texts: Sequence[str],
        pairs: Sequence[str] | None,
        progress: Told | None,
    ) -> Iterator[tuple[list[bytes], Float[Tensor, "k f"]]]:
        """The vectors of some rows, part by part, with their keys; `progress` hears of all rows with these keys."""
        with counting(f"encoding ({self.name})", "texts") if progress is None else nullcontext(progress) as tell:
            count = _Count(tell, keys, set(keys) - {keys[row] for row in rows})
            for part in _parts(rows, texts, pairs):
                second = None if pairs is None else [pairs[row] for row in part]
                made = [keys[row] for row in part]
                yield made, self._encode([texts[row] for row in part], second, partial(count.done, made))

    def _encode(
        self, texts: list[str], pairs: list[str] | None, done: Callable[[list[int]], None]
    ) -> Float[Tensor, "n f"]:
        """One unit vector for each text; `done` is told which rows are there, batch by batch."""
        tokenizer, model = self.tokenizer, self._model
        read = tokenizer(texts, pairs, truncation=True, max_length=self.longest, return_attention_mask=False)
        columns = {name: [np.array(row, np.int32) for row in rows] for name, rows in read.items()}
        out = torch.zeros(len(texts), model.config.hidden_size)
        for rows in _batches([len(row) for row in columns["input_ids"]], self.tokens, padded=not self._packs):
            batch = {name: [values[row] for row in rows] for name, values in columns.items()}
            features = F.normalize(self._packed(batch) if self._packs else self._padded(batch), dim=1).cpu()
            out[rows] = features
            done(rows)
        return out

    def _packed(self, batch: dict[str, list[np.ndarray]]) -> Tensor:
        ids, segments = batch["input_ids"], batch.get("token_type_ids")
        times = -(-FEWEST // sum(map(len, ids)))
        repeated = None if segments is None else segments * times
        return packed_vectors(self._model, ids * times, repeated, self.pool)[: len(ids)]

    def _padded(self, batch: dict[str, list[np.ndarray]]) -> Tensor:
        tokenizer, model = self.tokenizer, self._model
        rows = {name: [row.tolist() for row in values] for name, values in batch.items()}
        tokens = tokenizer.pad(rows, padding=True, return_attention_mask=True, return_tensors="pt").to(self.device)
        return pooled(model(**tokens).last_hidden_state.float(), tokens["attention_mask"].bool(), self.pool)

    def pieces_a_word(self, texts: Sequence[str]) -> float:
        """Tokens that a word (what stands between white space) is read as, on average; an unknown one counts for four.

        English prose has some 1.3 by an English tokenizer; a language that it never saw falls into letters.
        """
        tokenizer = self.tokenizer
        read = tokenizer(list(texts), add_special_tokens=False, truncation=True, max_length=self.longest)["input_ids"]
        words = sum(len(text.split()) for text in texts)
        unknown = sum(ids.count(tokenizer.unk_token_id) for ids in read)
        tokens = sum(len(ids) for ids in read)
        return float(tokens + 3 * unknown) / max(1, words)

    def unread(self, texts: Sequence[str]) -> float:
        """The share of texts of which the tokenizer knows no more than half: to the encoder they are all but alike."""
        tokenizer = self.tokenizer
        read = tokenizer(list(texts), add_special_tokens=False, truncation=True, max_length=self.longest)["input_ids"]
        return float(np.mean([2 * ids.count(tokenizer.unk_token_id) >= max(1, len(ids)) for ids in read]))

    def token_counts(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[int]:
        """How many tokens each text (or pair of texts) is read as, special ones included, before anything is cut."""
        given = [list(texts)] if pairs is None else [list(texts), list(pairs)]
        return [len(ids) for ids in self.tokenizer(*given, truncation=False, verbose=False)["input_ids"]]

    @cached_property
    def longest(self) -> int:
        """Tokens after which a text is cut."""
        return longest_of(self.folder)

    @cached_property
    def _packs(self) -> bool:
        # measured on CPUs alone: what many small calls of the attention cost elsewhere is not known
        return self.device.type == "cpu" and can_pack(self._model)

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer alone, for those who only count."""
        return load_tokenizer(self.name, self.folder)

    @cached_property
    def _model(self) -> Any:
        model = load_model(self.name, self.folder)[1]
        if self.device.type == "cpu" and can_pack(model):
            prepare(model)
        return model.requires_grad_(False).to(self.device)


class _Count:
    """Tells how many of the texts with some `keys` are done, where those of the keys in `there` are from the start."""

    def __init__(self, progress: Told, keys: list[bytes], there: Collection[bytes]):
        self._progress, self._times, self._all = progress, Counter(keys), len(keys)
        self._so_far = sum(self._times[key] for key in there)
        progress(self._so_far, self._all)

    def done(self, keys: list[bytes], rows: list[int]) -> None:
        """The texts with the keys at these places are done."""
        self._so_far += sum(self._times[keys[row]] for row in rows)
        self._progress(self._so_far, self._all)


def _parts(rows: list[int], texts: Sequence[str], pairs: Sequence[str] | None) -> Iterator[list[int]]:
    """The rows, in order, in lists of `PART` characters."""
    part, size = list[int](), 0
    for row in rows:
        part.append(row)
        size += len(texts[row]) + (0 if pairs is None else len(pairs[row]))
        if size >= PART:
            yield part
            part, size = [], 0
    if part:
        yield part


def _batches(lengths: list[int], tokens: int, *, padded: bool) -> Iterator[list[int]]:
    """The rows that have tokens, the longest first, in lists of so many `tokens`, padding counted."""
    batch, size = list[int](), 0
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        cost = lengths[batch[0] if padded and batch else row]
        if batch and size + cost > tokens:
            yield batch
            batch, size, cost = [], 0, lengths[row]
        if cost:
            batch.append(row)
            size += cost
    if batch:
        yield batch
