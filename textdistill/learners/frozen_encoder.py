"""A frozen sentence encoder of Hugging Face: texts as one vector each, computed once and kept by their content."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from embeddings import default_cache_dir
from textdistill.core.checkpoint import write_atomic
from textdistill.errors import UserError
from textdistill.hub_models import fingerprint
from textdistill.learners.encoder_files import PACKAGED, load_model, longest_of, model_folder
from textdistill.learners.pooling import pooled

FORMAT = 1
Progress = Callable[[int, int], None]


class Encoder:
    """A pre-trained network whose weights never change: φ(text) = mean over the tokens' last states, of unit length.

    `pool` takes the state of the first token (`cls`) or of the `last` in place of the `mean`. `name` is `minilm` (the
    packaged all-MiniLM-L6-v2), a folder with `config.json`, a tokenizer and safetensors, or a hub id. Weights are read
    from safetensors alone and code that comes with a model is never run. Features are kept in `cache` (the usual cache
    folder when `None`) under the SHA-256 of the model's files and of the texts.

    Errors: `OfflineError` where the files are neither here nor to be had; `UserError` for files that are no encoder.
    """

    def __init__(
        self,
        name: str = PACKAGED,
        *,
        cache: Path | None = None,
        device: torch.device | str = "cpu",
        batch: int = 32,
        pool: str = "mean",
    ):
        self.name, self.device, self.batch, self.pool = name, torch.device(device), batch, pool
        self.cache = (default_cache_dir() if cache is None else cache) / "features"
        self.folder = model_folder(name)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of every file that the features depend on."""
        return fingerprint(self.folder)

    @torch.no_grad()
    def features(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, progress: Progress | None = None
    ) -> Float[Tensor, "n f"]:
        """One unit vector for each text (or pair of texts), on the CPU, from the cache where it has them.

        `progress` is told how many of how many texts are done.
        """
        if not texts:
            raise UserError(f"encoder {self.name}: no texts to encode")
        content = [FORMAT, self.fingerprint, list(texts), None if pairs is None else list(pairs)]
        content += [] if self.pool == "mean" else [self.pool]
        key = hashlib.sha256(json.dumps(content).encode()).hexdigest()
        kept = _read(self.cache / f"{key}.safetensors", key, len(texts))
        if kept is not None:
            return kept
        found = self._encode(texts, pairs, progress)
        try:
            entry = save({"features": found}, {"key": key, "digest": _digest(found)})
            write_atomic(self.cache / f"{key}.safetensors", entry)
        except OSError as error:
            told = f"{self.name}: the features were not cached in {self.cache}: {error}"
            warnings.warn(told, RuntimeWarning, stacklevel=2)
        return found

    def _encode(
        self, texts: Sequence[str], pairs: Sequence[str] | None, progress: Progress | None
    ) -> Float[Tensor, "n f"]:
        tokenizer, model = self._loaded
        # Texts of like length share a batch, so that little of it is padding.
        order = sorted(range(len(texts)), key=lambda k: -len(texts[k]) - (0 if pairs is None else len(pairs[k])))
        out: dict[int, Tensor] = {}
        for at in range(0, len(order), self.batch):
            rows = order[at : at + self.batch]
            second = None if pairs is None else [pairs[row] for row in rows]
            tokens = tokenizer(
                [texts[row] for row in rows],
                second,
                padding=True,
                truncation=True,
                max_length=self.longest,
                return_tensors="pt",
            ).to(self.device)
            states = model(**tokens).last_hidden_state.float()
            found = pooled(states, tokens["attention_mask"].bool(), self.pool)
            out.update(zip(rows, F.normalize(found, dim=1).cpu(), strict=True))
            if progress is not None:
                progress(len(out), len(texts))
        return torch.stack([out[row] for row in range(len(texts))])

    @cached_property
    def longest(self) -> int:
        """Tokens after which a text is cut."""
        return longest_of(self.folder)

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        tokenizer, model = load_model(self.name, self.folder)
        return tokenizer, model.requires_grad_(False).to(self.device)


def _read(path: Path, key: str, rows: int) -> Tensor | None:
    """An entry of the cache; `None` when it is missing or fails any check."""
    try:
        with safe_open(path, framework="pt") as file:
            meta, values = file.metadata() or {}, file.get_tensor("features")
    except (SafetensorError, OSError):
        return None
    sound = meta.get("key") == key and values.dim() == 2 and len(values) == rows and meta["digest"] == _digest(values)
    return values if sound else None


def _digest(values: Tensor) -> str:
    return hashlib.sha256(values.contiguous().numpy().tobytes()).hexdigest()
