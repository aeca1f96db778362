"""The frozen encoder: unit vectors by the content of texts, kept once computed; and the linear head on them."""

from __future__ import annotations

import functools
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression

from textdistill.core.errors import OfflineError, UserError
from textdistill.learners.linear_head import fit_head
from textdistill.learners.pretrained import frozen_encoder, hub_models, packaged_encoder
from textdistill.learners.pretrained.frozen_encoder import Encoder

TEXTS = ["A moving, funny film.", "Dull.", "The plot makes no sense, and the acting makes less of it still."]


@functools.cache
def model(folder: Path) -> Path:
    """A BERT of random weights with a vocabulary of a few words, as files."""
    from transformers import BertConfig, BertModel, BertTokenizer

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghij", "film", "dull", "funny"]
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    BertTokenizer(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=20,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model(tmp_path_factory.mktemp("model"))


def test_the_packaged_encoder_puts_like_beside_like(tmp_path: Path) -> None:
    encoder = Encoder(cache=tmp_path)
    found = encoder.features(
        ["A moving, funny film.", "This movie is touching and makes you laugh.", "Stock prices fell."]
    )
    assert found.shape == (3, 384)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(3))
    assert float(found[0] @ found[1]) > float(found[0] @ found[2]) + 0.3


def test_features_are_the_mean_over_a_texts_own_tokens_whatever_stands_beside_it(folder: Path, tmp_path: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    found = Encoder(str(folder), cache=tmp_path, tokens=12).features(TEXTS)
    tokenizer, network = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    for text, features in zip(TEXTS, found, strict=True):
        tokens = tokenizer(text, return_tensors="pt", truncation=True, max_length=20)
        with torch.no_grad():
            mean = network(**tokens).last_hidden_state[0].mean(0)
        torch.testing.assert_close(features, F.normalize(mean, dim=0), atol=1e-5, rtol=1e-4)


class Counted(Encoder):
    """An encoder that keeps which texts it really encoded."""

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)
        self.encoded: list[str] = []

    def _encode(self, texts: list[str], *rest: Any) -> torch.Tensor:
        self.encoded += texts
        return super()._encode(texts, *rest)


def test_a_table_with_new_rows_encodes_these_and_equal_texts_once(folder: Path, tmp_path: Path) -> None:
    table = [f"{a} {b}" for a in "abcdefghij" for b in "abcdefghij"]
    first = Encoder(str(folder), cache=tmp_path).features(table)
    grown = [*table[:40], *(f"film {word}" for word in "abcdefghij"), *table[40:], "film a", "film a"]
    told: list[tuple[int, int]] = []
    again = Counted(str(folder), cache=tmp_path)
    found = again.features(grown, progress=lambda done, of: told.append((done, of)))
    assert again.encoded == [f"film {word}" for word in "abcdefghij"]
    assert told[-1] == (112, 112)
    assert torch.equal(torch.cat([found[:40], found[50:110]]), first)
    assert torch.equal(found[[110, 111]], found[[40, 40]])
    torch.testing.assert_close(found, Encoder(str(folder), cache=tmp_path / "other").features(grown))


def test_what_was_encoded_is_read_and_a_damaged_or_foreign_entry_is_made_anew(folder: Path, tmp_path: Path) -> None:
    first = Encoder(str(folder), cache=tmp_path).features(TEXTS)
    again = Counted(str(folder), cache=tmp_path)
    assert torch.equal(again.features(TEXTS[::-1]), first.flip(0))
    assert again.encoded == []
    (entry,) = (tmp_path / "features").glob("*/*")
    sound = entry.read_bytes()
    for at in (-3, 200, 3):  # among the vectors, in the header, in its length
        data = bytearray(sound)
        data[at] ^= 1
        entry.write_bytes(bytes(data))
        again = Counted(str(folder), cache=tmp_path)
        assert torch.equal(again.features(TEXTS), first)
        assert again.encoded == TEXTS
        assert entry.stat().st_size == len(sound)
    pairs = Counted(str(folder), cache=tmp_path)
    assert not torch.equal(pairs.features(TEXTS, ["film"] * 3), first)
    assert pairs.encoded == TEXTS
    assert len(list((tmp_path / "features").glob("*/*"))) == 2


def test_what_was_found_before_a_stop_is_kept(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frozen_encoder, "PART", 1)

    def stop(done: int, of: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Encoder(str(folder), cache=tmp_path).features(TEXTS, progress=stop)
    again = Counted(str(folder), cache=tmp_path)
    again.features(TEXTS)
    assert again.encoded == TEXTS[1:]


def test_a_folder_that_cannot_be_written_is_told_and_does_no_harm(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "features").write_text("no folder")
    with pytest.warns(RuntimeWarning, match="not cached"):
        found = Encoder(str(folder), cache=tmp_path).features(TEXTS)
    torch.testing.assert_close(found, Encoder(str(folder), cache=tmp_path / "other").features(TEXTS))


def test_other_weights_meet_no_entry_of_these(folder: Path, tmp_path: Path) -> None:
    other = shutil.copytree(folder, tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "layer_norm_eps": 1e-3}))
    assert Encoder(str(other), cache=tmp_path).fingerprint != Encoder(str(folder), cache=tmp_path).fingerprint


def test_long_texts_are_cut_where_the_model_ends(folder: Path, tmp_path: Path) -> None:
    encoder = Encoder(str(folder), cache=tmp_path)
    assert encoder.longest == 20
    assert torch.equal(*encoder.features(["film " * 50, "film " * 60]))


def test_a_models_own_code_is_never_run_and_its_pickles_are_never_read(folder: Path, tmp_path: Path) -> None:
    custom = shutil.copytree(folder, tmp_path / "custom")
    config = json.loads((custom / "config.json").read_text())
    del config["architectures"]
    told = {**config, "model_type": "mine", "auto_map": {"AutoConfig": "code.C", "AutoModel": "code.M"}}
    (custom / "config.json").write_text(json.dumps(told))
    (custom / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    with pytest.raises(UserError, match="no code of its own"):
        Encoder(str(custom), cache=tmp_path).features(TEXTS)
    assert not (tmp_path / "ran").exists()
    pickled = shutil.copytree(folder, tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"no config\.json beside safetensors"):
        Encoder(str(pickled))


def test_offline_a_hub_model_is_refused_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_models, "reachable", lambda endpoint: False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(OfflineError, match="setup-offline"):
        Encoder("nobody/no-such-encoder-anywhere")


def test_a_missing_or_changed_package_is_told_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setitem(packaged_encoder.FILES, "config.json", "0" * 64)
        with pytest.raises(OfflineError, match="setup-offline"):
            Encoder()
    monkeypatch.setattr(packaged_encoder, "DISTRIBUTION", "no-such-distribution")
    with pytest.raises(OfflineError, match="not installed: `textdistill setup-offline`"):
        Encoder()


def test_no_texts_and_no_folder_are_mistakes(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no texts"):
        Encoder(str(folder), cache=tmp_path).features([])
    with pytest.raises(UserError, match="no such folder"):
        Encoder(str(tmp_path / "nowhere"))


def points(n: int = 60, classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    labels = torch.from_numpy(rng.integers(0, classes, n))
    means = torch.from_numpy(rng.normal(size=(classes, 5)))
    return means[labels] + torch.from_numpy(rng.normal(size=(n, 5))), labels


def test_with_hard_labels_the_head_is_logistic_regression() -> None:
    x, labels = points()
    penalty = 0.01
    head = fit_head(x, F.one_hot(labels, 3).double(), penalty)
    known = LogisticRegression(C=1 / (penalty * len(x)), tol=1e-10, max_iter=10_000).fit(x.numpy(), labels.numpy())
    chance = torch.softmax(head.logits(x), 1).numpy()
    np.testing.assert_allclose(chance, known.predict_proba(x.numpy()), atol=1e-3)
    assert torch.equal(head.predict(x), torch.from_numpy(known.predict(x.numpy())))


def test_a_soft_label_is_as_many_rows_with_hard_ones_weighted_by_it() -> None:
    x, _ = points()
    soft = torch.softmax(torch.from_numpy(np.random.default_rng(1).normal(size=(60, 3))), 1)
    hard = torch.eye(3, dtype=torch.float64).repeat(60, 1)
    weighted = fit_head(x.repeat_interleave(3, 0), hard, weights=soft.flatten() / 60)
    torch.testing.assert_close(fit_head(x, soft).weight, weighted.weight, atol=1e-6, rtol=1e-5)


def test_labels_below_zero_have_a_finite_head_and_the_same_data_the_same_one() -> None:
    x, labels = points()
    targets = 2.0 * F.one_hot(labels, 3).double() - 0.4
    head = fit_head(x, targets)
    assert bool(head.weight.isfinite().all())
    assert torch.equal(head.weight, fit_head(x, targets).weight)
    assert float((head.predict(x) == labels).double().mean()) > 0.6
