"""Pre-trained models in miniature: random weights and a vocabulary of a few words, as files."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path
from typing import Any

WORDS = ["film", "dull", "funny", "a", "moving", "the", "plot", "makes", "no", "sense", "##s", "and", ".", ","]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused0]"]
TEXTS = ["a moving , funny film .", "dull", "the plot makes no sense , and the film makes no sense .", "funny"]


@functools.cache
def _home() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="textdistill-models-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def bert(hidden: int = 8, layers: int = 2, heads: int = 2, positions: int = 24) -> str:
    """The folder of a BERT; its norms are soft, so that finite differences are exact enough."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = _home() / f"bert-{hidden}-{layers}"
    folder.mkdir()
    vocabulary = [*SPECIAL, *WORDS]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    BertTokenizer(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(vocabulary),
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=2 * hidden,
            max_position_embeddings=positions,
            initializer_range=0.3,
            layer_norm_eps=0.1,
        )
        BertModel(config).save_pretrained(folder)
    return str(folder)


@functools.cache
def other(kind: str) -> str:
    """The folder of a small RoBERTa, XLNet, GPT-2 or DistilBERT."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    folder = _home() / kind
    folder.mkdir()
    vocabulary = {word: number for number, word in enumerate(["<s>", "<pad>", "</s>", "<unk>", *WORDS])}
    plain = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    marks: dict[str, Any] = {"unk_token": "<unk>"}
    names = ["input_ids", "attention_mask"]
    if kind == "xlnet":  # the text first, what stands for all of it last
        plain.post_processor = processors.TemplateProcessing(
            single="$A:0 </s>:0 <s>:2",
            pair="$A:0 </s>:0 $B:1 </s>:1 <s>:2",
            special_tokens=[("</s>", 2), ("<s>", 0)],
        )
        names = ["input_ids", "token_type_ids", "attention_mask"]
    elif kind != "gpt2":
        plain.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    if kind != "gpt2":
        marks |= {"pad_token": "<pad>", "cls_token": "<s>", "sep_token": "</s>"}
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=plain,
        eos_token="</s>",
        model_input_names=names,
        padding_side="left" if kind == "xlnet" else "right",
        **marks,
    )
    tokenizer.save_pretrained(folder)
    size = len(vocabulary)
    configs: dict[str, Any] = {
        "roberta": lambda: transformers.RobertaModel(
            transformers.RobertaConfig(
                vocab_size=size, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
                max_position_embeddings=26, pad_token_id=1,
            )
        ),
        "xlnet": lambda: transformers.XLNetModel(
            transformers.XLNetConfig(vocab_size=size, d_model=8, n_layer=2, n_head=2, d_inner=16, pad_token_id=1)
        ),
        "gpt2": lambda: transformers.GPT2Model(
            transformers.GPT2Config(
                vocab_size=size, n_embd=8, n_layer=2, n_head=2, n_positions=24, bos_token_id=2, eos_token_id=2
            )
        ),
        "distilbert": lambda: transformers.DistilBertModel(
            transformers.DistilBertConfig(
                vocab_size=size, dim=8, n_layers=2, n_heads=2, hidden_dim=16, max_position_embeddings=24,
                pad_token_id=1,
            )
        ),
    }  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        configs[kind]().save_pretrained(folder)
    return str(folder)
