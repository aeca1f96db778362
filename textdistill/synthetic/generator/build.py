"""A generator before its training: a small GPT-2 at random, or a pre-trained model with new tokens."""

from __future__ import annotations

from typing import Any

import torch

from textdistill.core.bounds import faults_of
from textdistill.core.errors import UserError
from textdistill.core.streams import Streams
from textdistill.learners.pretrained.hub_models import quiet
from textdistill.learners.pretrained.language_models import load_causal
from textdistill.synthetic.generator.generator import Generator, model_of
from textdistill.synthetic.generator.sentences import Texts
from textdistill.synthetic.generator.settings import SMALL, GeneratorSettings
from textdistill.synthetic.generator.vocabulary import Vocabulary


def build_generator(settings: GeneratorSettings, train: Texts, streams: Streams) -> Generator:
    """The generator that `settings` ask for, with the classes of `train`, on the CPU and still to be trained.

    Errors: `UserError` for values out of range and models that are none, `OfflineError` for what only a hub has.
    """
    faults = faults_of(settings)
    if faults:
        raise UserError("generator: " + "; ".join(faults))
    with quiet():  # before the tokenizer starts threads
        if settings.model == SMALL:
            return _small(settings, train, streams)
        return _pretrained(settings, train)


def _small(settings: GeneratorSettings, train: Texts, streams: Streams) -> Generator:
    vocabulary = Vocabulary.learn(train, settings.vocabulary, settings.longest)
    config = {
        "model_type": "gpt2",
        "vocab_size": vocabulary.size,
        "n_positions": settings.longest,
        "n_embd": settings.width,
        "n_layer": settings.layers,
        "n_head": settings.heads,
        "activation_function": "gelu_pytorch_tanh",  # GPT-2's own, in one kernel
        "resid_pdrop": settings.dropout,
        "embd_pdrop": settings.dropout,
        "attn_pdrop": 0.0,  # attention without it is several times faster on a CPU
        "bos_token_id": None,
        "eos_token_id": vocabulary.eos,
        "pad_token_id": None,
    }
    return Generator(model_of(config, streams.integer("weights")), vocabulary, settings.model)


def _pretrained(settings: GeneratorSettings, train: Texts) -> Generator:
    loaded = load_causal(settings.model)
    model = loaded.model.requires_grad_(True)
    positions = getattr(model.config, "max_position_embeddings", None) or settings.longest
    rows = model.get_input_embeddings().num_embeddings
    vocabulary = Vocabulary.extend(settings.model, loaded.tokenizer, rows, train, min(settings.longest, int(positions)))
    _add_rows(model, vocabulary.size)
    # Rows are filled up by the generator's own mask: the model is not to guess what is a filler.
    model.config.pad_token_id = None
    return Generator(model, vocabulary, settings.model)


@torch.no_grad()
def _add_rows(model: Any, size: int) -> None:
    """Let the embedding and the last layer know `size` tokens; a new one begins at the mean of the old ones."""
    layers = [model.get_input_embeddings(), model.get_output_embeddings()]
    old, means = layers[0].num_embeddings, [layer.weight.mean(0) for layer in layers]
    with torch.random.fork_rng(devices=[]):  # the new rows would be drawn from global random state
        model.resize_token_embeddings(size, mean_resizing=False)
    for layer, mean in zip((model.get_input_embeddings(), model.get_output_embeddings()), means, strict=True):
        layer.weight[old:] = mean
