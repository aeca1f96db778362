"""Real language models in miniature, of random weights, that read letters; and sets of words to put to them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from textdistill.data.sets.text_set import TextSet

CLASSES = ("bad", "very good")
LETTERS = ["<|end|>", *"abcdefghijklmnopqrstuvwxyz.:,{}ABCDEFGHIJKLMNOPQRSTUVWXYZ1/[]", "Ġ", "Ċ"]
SIZES = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
POSITIONS = 512


@dataclass
class Tiny:
    model: Any
    tokenizer: Any
    name: str = "tiny"


@functools.cache
def tokenizer(begins: bool = False) -> Any:
    """Letters are tokens, some pairs of them too: a label word's tokens depend on what stands before it."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    merges = [("Ġ", "b"), ("a", "d"), ("Ġb", "ad"), ("o", "o"), (":", "Ġ")]
    names = [*LETTERS, *("".join(pair) for pair in merges), "<|begin|>"]
    made = Tokenizer(models.BPE(vocab={name: place for place, name in enumerate(names)}, merges=merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken("<|begin|>", special=True)])
    if begins:
        number = len(names) - 1
        made.post_processor = processors.TemplateProcessing(
            single="<|begin|> $A", special_tokens=[("<|begin|>", number)]
        )
    special = {"bos_token": "<|begin|>"} if begins else {}
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|end|>", **special)


@functools.cache
def tiny(kind: str = "llama", begins: bool = False, dtype: torch.dtype = torch.float64) -> Tiny:
    """A GPT-2, a Llama (grouped keys), or a Mistral whose layers see a window of 8 tokens."""
    import transformers as hf

    reads = tokenizer(begins)
    torch.manual_seed(0)
    rotary = {"vocab_size": len(reads), "max_position_embeddings": POSITIONS, "num_key_value_heads": 2, **SIZES}
    if kind == "gpt2":
        config = hf.GPT2Config(vocab_size=len(reads), n_positions=POSITIONS, n_embd=16, n_layer=2, n_head=2)
        model: Any = hf.GPT2LMHeadModel(config)
    elif kind == "mistral":
        model = hf.MistralForCausalLM(hf.MistralConfig(sliding_window=8, **rotary))
    else:
        model = hf.LlamaForCausalLM(hf.LlamaConfig(**rotary))
    with torch.no_grad():
        for value in model.parameters():  # wide weights: labels differ in more than the last digits
            value.mul_(8 if value.ndim > 1 else 1)
    return Tiny(model.to(dtype).eval().requires_grad_(False), reads)


def words(n: int = 6, classes: tuple[str, ...] = CLASSES, pairs: bool = False) -> TextSet:
    """Texts of unlike lengths, the classes in turn."""
    texts = [
        " ".join(["so", "very", "dull", "a", "film"][: 1 + place % 5]) + "abcdefgh"[place % 8] for place in range(n)
    ]
    return TextSet(texts, np.arange(n) % len(classes), classes, [text[::-1] for text in texts] if pairs else None)


def furnish(folder: Path, rows: int = 60) -> None:
    """A language model in `folder / "model"` and a table of labelled words, no two rows alike, in `reviews.csv`."""
    causal = tiny(dtype=torch.float32)
    causal.model.save_pretrained(folder / "model")
    causal.tokenizer.save_pretrained(folder / "model")
    sample = words(rows)
    numbered = [f"{text} {chr(97 + row % 26)}{chr(97 + row // 26)}" for row, text in enumerate(sample.texts)]
    labels = [CLASSES[label] for label in sample.labels]
    pd.DataFrame({"text": numbered, "label": labels}).to_csv(folder / "reviews.csv", index=False)
