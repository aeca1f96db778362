"""Causal models from a GGUF file, a folder and the package; what is none of these is told."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import pre_tokenizers

from textdistill.core.errors import OfflineError, UserError
from textdistill.learners.pretrained import hub_models, language_models
from textdistill.learners.pretrained.language_models import FILE, SHA256, load_causal

WIDTH, HEADS, LAYERS, POSITIONS = 16, 2, 1, 32
LETTERS = sorted(pre_tokenizers.ByteLevel.alphabet())


def write_gguf(path: Path) -> np.ndarray:
    """A Llama of random weights whose tokens are bytes; gives its embedding."""
    import gguf

    rng = np.random.default_rng(0)
    tokens = ["<|none|>", "<|start|>", "<|end|>", *LETTERS, "ab"]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(POSITIONS)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(2 * WIDTH)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL] * 3 + [gguf.TokenType.NORMAL] * (len(tokens) - 3))
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    embedding = rng.normal(size=(len(tokens), WIDTH)).astype(np.float32)
    writer.add_tensor("token_embd.weight", embedding)
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    shapes = {name: (WIDTH, WIDTH) for name in ("attn_q", "attn_k", "attn_v", "attn_output")}
    shapes |= {"ffn_gate": (2 * WIDTH, WIDTH), "ffn_up": (2 * WIDTH, WIDTH), "ffn_down": (WIDTH, 2 * WIDTH)}
    for name, shape in shapes.items():
        writer.add_tensor(f"blk.0.{name}.weight", rng.normal(size=shape).astype(np.float32))
    for name in ("attn_norm", "ffn_norm"):
        writer.add_tensor(f"blk.0.{name}.weight", np.ones(WIDTH, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return embedding


@pytest.fixture(scope="module")
def gguf_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    write_gguf(path)
    return path


def llama_folder(folder: Path) -> Path:
    """A Llama of random weights with a tokenizer of bytes, as safetensors and JSON."""
    from tokenizers import Tokenizer, decoders, models
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    numbers = {letter: number for number, letter in enumerate([*LETTERS, "<|end|>"])}
    tokenizer = Tokenizer(models.BPE(vocab=numbers, merges=[]))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>").save_pretrained(folder)
    sizes = {"hidden_size": WIDTH, "intermediate_size": WIDTH, "num_hidden_layers": 1, "num_attention_heads": HEADS}
    LlamaForCausalLM(LlamaConfig(vocab_size=len(numbers), **sizes)).save_pretrained(folder)
    return folder


def test_a_gguf_file_is_a_causal_model_with_its_weights_and_tokenizer(gguf_file: Path, tmp_path: Path) -> None:
    found = load_causal(str(gguf_file), cache=tmp_path)
    embedding = write_gguf(tmp_path / "again.gguf")
    np.testing.assert_array_equal(found.model.get_input_embeddings().weight.numpy(), embedding)
    assert found.name == str(gguf_file)
    assert found.fingerprint == hashlib.sha256(gguf_file.read_bytes()).hexdigest()
    assert not found.model.training
    assert not any(value.requires_grad for value in found.model.parameters())
    ids = found.tokenizer("a film")["input_ids"]
    assert found.tokenizer.decode(ids) == "a film"
    assert found.tokenizer.pad_token is not None
    logits = found.model(torch.tensor([ids])).logits
    assert logits.shape == (1, len(ids), len(embedding))
    assert load_causal(str(gguf_file), dtype=torch.bfloat16, cache=tmp_path).model.dtype == torch.bfloat16


def test_it_is_converted_once_and_anew_where_the_copy_is_damaged(
    gguf_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # copies: what is loaded may be the file itself, mapped
    read = load_causal(str(gguf_file), cache=tmp_path).model.state_dict()
    first = {name: value.clone() for name, value in read.items()}

    def same() -> bool:
        again = load_causal(str(gguf_file), cache=tmp_path).model.state_dict()
        return all(torch.equal(value, again[name]) for name, value in first.items())

    with monkeypatch.context() as patched:
        patched.setattr(language_models, "_convert", lambda *_: pytest.fail("converted twice"))
        assert same()
    (entry,) = (tmp_path / "language_models").iterdir()
    weights = entry / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-3] ^= 1
    weights.write_bytes(bytes(data))
    assert same()
    assert weights.read_bytes() != data
    assert [path.name for path in (tmp_path / "language_models").iterdir()] == [entry.name]


def test_where_no_copy_can_be_kept_the_model_comes_all_the_same(gguf_file: Path, tmp_path: Path) -> None:
    (tmp_path / "language_models").write_text("a file, where a folder should be")
    with pytest.warns(RuntimeWarning, match="was not cached"):
        found = load_causal(str(gguf_file), cache=tmp_path)
    assert found.model(torch.tensor([[5, 6]])).logits.isfinite().all()


def test_without_the_reader_of_gguf_it_is_told_what_to_install(
    gguf_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transformers.utils.is_gguf_available", lambda *_: False)
    with pytest.raises(UserError, match="pip install gguf"):
        load_causal(str(gguf_file), cache=tmp_path)


def test_a_folder_is_read_in_the_type_asked_for_and_known_by_its_files(tmp_path: Path) -> None:
    folder = llama_folder(tmp_path / "model")
    found = load_causal(str(folder))
    assert found.model.dtype == torch.float32
    assert load_causal(str(folder), dtype=torch.bfloat16).model.dtype == torch.bfloat16
    other = shutil.copytree(folder, tmp_path / "other")
    assert load_causal(str(other)).fingerprint == found.fingerprint == hub_models.fingerprint(folder)
    (other / "generation_config.json").write_text("{}")
    assert load_causal(str(other)).fingerprint != found.fingerprint


def test_what_is_no_causal_model_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = llama_folder(tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    headless = {name: value for name, value in weights.items() if name != "lm_head.weight"}
    save_file(headless, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match=r"no weights for lm_head\.weight: it is no causal"):
        load_causal(str(folder))
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"no config\.json beside safetensors"):
        load_causal(str(folder))
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF and nothing more")
    with pytest.raises(UserError, match=r"broken\.gguf cannot be read as a causal language model"):
        load_causal(str(broken), cache=tmp_path)
    with pytest.raises(UserError, match="no such file"):
        load_causal(str(tmp_path / "nowhere.gguf"))
    with pytest.raises(UserError, match="no such folder"):
        load_causal(str(tmp_path / "nowhere"))


def test_offline_a_hub_model_is_refused_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_models, "reachable", lambda endpoint: False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(OfflineError, match=r"language model 'gpt2': the hub cannot be reached.*'smollm2'"):
        load_causal("gpt2")


def test_the_packaged_model_is_the_known_file_or_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = hub_models.packaged_folder(language_models.DISTRIBUTION, language_models.VERSION, {FILE: SHA256})
    assert (folder / FILE).stat().st_size == 98_362_432
    with monkeypatch.context() as patched:
        patched.setattr(language_models, "SHA256", "0" * 64)
        with pytest.raises(OfflineError, match="install it again: `textdistill setup-offline`"):
            load_causal("smollm2")
    monkeypatch.setattr(language_models, "DISTRIBUTION", "no-such-distribution")
    with pytest.raises(OfflineError, match="not installed: `textdistill setup-offline`"):
        load_causal("smollm2")
