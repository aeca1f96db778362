"""Files of pre-trained encoders and decoders: where they lie, what is in them, how much these read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from textdistill.core.errors import UserError
from textdistill.learners.pretrained.hub_models import Kind, quiet
from textdistill.learners.pretrained.packaged_encoder import packaged_folder

PACKAGED = "minilm"
ENCODER = Kind("encoder", PACKAGED)
_KNOWN: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
LONGEST = 512  # tokens, where neither the tokenizer nor the model says less


def model_folder(name: str) -> Path:
    """The files of `minilm` (the packaged all-MiniLM-L6-v2), of a folder or of a hub id.

    Errors: `OfflineError` where they are neither here nor to be had, `UserError` where they are no model's.
    """
    return packaged_folder() if name == PACKAGED else ENCODER.folder(name)


def load_tokenizer(name: str, folder: Path) -> Any:
    """The tokenizer, which pads behind a text, so that a token's position does not depend on the texts beside it.

    Errors: `UserError` where the files are no such model's.
    """
    with quiet() as transformers, _as_mistakes(name, folder):
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **_KNOWN)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"
    return tokenizer


def load_model(name: str, folder: Path, *, eager: bool = False, dropout: float | None = None) -> tuple[Any, Any]:
    """The tokenizer (`load_tokenizer`), and the network without its head, in evaluation mode and float32.

    With `eager` its attention is made of plain products, which differentiate twice; `dropout` is the rate of all its
    dropout layers (as the model's configuration has them when `None`). Errors: `UserError` where the files are no such
    model.
    """
    tokenizer = load_tokenizer(name, folder)
    with quiet() as transformers, _as_mistakes(name, folder):
        config = transformers.AutoConfig.from_pretrained(folder, **_KNOWN)
        _set(config, dropout)
        options = {"attn_implementation": "eager"} if eager else {}
        model = transformers.AutoModel.from_pretrained(
            folder, config=config, use_safetensors=True, dtype=torch.float32, **options, **_KNOWN
        )
    if getattr(model.config, "is_encoder_decoder", False):
        model = model.get_encoder()
    return tokenizer, model.eval()


@contextmanager
def _as_mistakes(name: str, folder: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # whatever the library meets in these files, the user can only give others
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(
            f"encoder {name!r}: {folder} cannot be read as an encoder: {reason}\n"
            "It needs config.json, a tokenizer and safetensors, and no code of its own."
        ) from None


def _set(config: Any, dropout: float | None) -> None:
    for key, value in config.to_dict().items():
        # every model calls its rates otherwise; `layerdrop` leaves out whole layers
        if dropout is not None and "drop" in key and "layerdrop" not in key and isinstance(value, float | int):
            setattr(config, key, dropout)
    if hasattr(config, "use_cache"):
        config.use_cache = False  # nothing is generated


def longest_of(folder: Path) -> int:
    """How many tokens a model takes, as its files say, and `LONGEST` at most."""
    lengths = [LONGEST]
    for file, key in (
        ("sentence_bert_config.json", "max_seq_length"),
        ("tokenizer_config.json", "model_max_length"),
        ("config.json", "max_position_embeddings"),
        ("config.json", "n_positions"),
    ):
        values = read_json(folder / file)
        if isinstance(values.get(key), int) and values[key] > 2:
            # RoBERTa and its kin keep two positions for padding.
            spare = 2 if key == "max_position_embeddings" and "roberta" in str(values.get("model_type")) else 0
            lengths.append(values[key] - spare)
    return min(lengths)


def read_json(path: Path) -> dict[str, Any]:
    """The mapping in a file; an empty one where there is no such file, or something else in it."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}
