"""Generators in miniature on real sentences, alone and in pairs, at random and a little trained."""

from __future__ import annotations

import copy
import functools
from pathlib import Path

import numpy as np

from textdistill.core.streams import Streams
from textdistill.data.packaged import read_packaged
from textdistill.data.table import TextTable
from textdistill.synthetic.generator import (
    Generator,
    GeneratorSettings,
    LanguageModelStage,
    build_generator,
    train_language_model,
)

SETTINGS = GeneratorSettings(layers=2, width=32, heads=2, vocabulary=400, longest=40)
STAGE = LanguageModelStage(steps=200, batch=12, lr=1e-2, validate_every=200)
STREAMS = Streams(7)


@functools.cache
def table(rows: int = 240, pairs: bool = False, skip: int = 0) -> TextTable:
    """Real sentences; in pairs, the first five words before the next three."""
    read = read_packaged("rotten_tomatoes")
    step = len(read.numbers) // (rows + skip)
    texts = read.read("text")[skip::step][:rows]
    labels = np.array([int(label) for label in read.read("label")[skip::step][:rows]])
    words = [text.split() for text in texts]
    if pairs:
        firsts, seconds = ([" ".join(row[:5]) for row in words], [" ".join(row[5:8]) or "." for row in words])
        return TextTable("pairs", ("negative", "positive"), firsts, seconds, labels)
    return TextTable("sentences", ("negative", "positive"), [" ".join(row[:9]) for row in words], None, labels)


@functools.cache
def _fresh(pairs: bool) -> Generator:
    return build_generator(SETTINGS, table(pairs=pairs), STREAMS)


def fresh(pairs: bool = False) -> Generator:
    """One with weights at random, for the test's own use."""
    return copy.deepcopy(_fresh(pairs))


@functools.cache
def trained(pairs: bool = False) -> Generator:
    """One that nearly knows a few sentences by heart; to be left as it is."""
    generator, few = fresh(pairs), table(60, pairs)
    train_language_model(generator, few, few, STAGE, STREAMS)
    return generator


def pretrained_folder(folder: Path) -> Path:
    """A Llama of random weights and a byte-level tokenizer with special tokens of its own, as files."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = fresh().vocabulary.tokenizer
    tokenizer.add_special_tokens(["<|end|>", "<|start|>"])
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>").save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(with_added_tokens=True) + 6,  # rows that no token has, as many models do
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=64,
        tie_word_embeddings=False,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        LlamaForCausalLM(config).save_pretrained(folder)
    return folder
