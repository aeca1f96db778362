"""What learns from a set: sure where it says so, seeded where not, and each better than chance on words that tell."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from textdistill.core.errors import UserError
from textdistill.data.sets.text_set import TextSet
from textdistill.data.table import TextTable
from textdistill.evaluation import text_learners
from textdistill.evaluation.text_learners import FineTuned, Frozen, WordNet
from textdistill.learners.linear_head import fit_head
from textdistill.learners.pretrained.frozen_encoder import Encoder

CLASSES = ("negative", "positive")
GOOD, BAD = ("good", "fine", "funny", "moving"), ("bad", "dull", "boring", "awful")
WORDS = ("a", "film", "is", "this", "it", "the", ".")


def rows(n: int, seed: int) -> tuple[list[str], np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    return [f"this film is {(BAD, GOOD)[label][rng.integers(4)]}" for label in labels], labels


def a_set(n: int = 8, seed: int = 0, soft: bool = False) -> TextSet:
    texts, labels = rows(n, seed)
    return TextSet(texts, labels, CLASSES, soft=0.9 * np.eye(2)[labels] + 0.05 if soft else None)


TEST = TextTable("test", CLASSES, *(lambda texts, labels: (texts, None, labels))(*rows(30, 9)))
ALL = ["accuracy", "f1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A BERT of random weights that knows these words."""
    from transformers import BertConfig, BertModel, BertTokenizer

    path: Path = tmp_path_factory.mktemp("bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *GOOD, *BAD, *WORDS]
    (path / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    BertTokenizer(vocab=str(path / "vocab.txt")).save_pretrained(path)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=20, **sizes)).save_pretrained(path)
    return str(path)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEXTDISTILL_CACHE", str(tmp_path))
    text_learners._encoder.cache_clear()


def test_frozen_is_the_linear_head_on_the_encoders_features(folder: str) -> None:
    learner, one = Frozen(folder, penalty=0.01), a_set(soft=True)
    found = learner.score(one, TEST, 0, ALL)
    encoder = Encoder(folder)
    head = fit_head(encoder.features(one.texts), torch.from_numpy(one.targets), 0.01)
    right = head.predict(encoder.features(TEST.texts)).numpy() == TEST.labels
    assert found["accuracy"] == pytest.approx(100 * right.mean())
    assert found == learner.score(one, TEST, 1, ALL)
    assert (learner.determined, set(found)) == (True, set(ALL))


def test_frozen_encodes_the_texts_of_all_sets_at_once_and_the_test_rows_once(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    own = Encoder.features

    def counted(self: Encoder, texts: list[str], pairs: list[str] | None = None) -> torch.Tensor:
        calls.append(len(texts))
        return own(self, texts, pairs)

    monkeypatch.setattr(Encoder, "features", counted)
    sets = [a_set(seed=seed) for seed in range(5)]
    different = {text for one in sets for text in one.texts}
    learner = Frozen(folder)
    learner.prepare(sets)
    for one in sets:
        learner.score(one, TEST, 0, ["accuracy"])
    assert calls == [len(different), len(TEST)]
    paired = TextSet(["a film"], np.array([0]), CLASSES, pairs=["it is"])
    assert not torch.equal(learner.features(paired), learner.features(TextSet(["a film"], np.array([0]), CLASSES)))


def test_fine_tuning_is_seeded_learns_and_leaves_no_trace(folder: str) -> None:
    learner = FineTuned(folder, steps=40, lr=0.01, batch=4)
    state = torch.random.get_rng_state()
    first = learner.score(a_set(16), TEST, 0, ["accuracy"])
    assert first["accuracy"] > 80
    assert torch.equal(torch.random.get_rng_state(), state)
    assert learner.score(a_set(16), TEST, 0, ["accuracy"]) == first
    torch.manual_seed(1)
    one = learner.train(a_set(16)).head.weight  # type: ignore[union-attr]
    other = learner.train(a_set(16)).head.weight  # type: ignore[union-attr]
    assert not torch.equal(one, other)
    _, body = text_learners._pretrained(folder, 0.1)
    assert not body.training
    stored = text_learners.load_model(folder, Path(folder))[1]
    assert torch.equal(body.embeddings.word_embeddings.weight, stored.embeddings.word_embeddings.weight)


def test_one_step_of_fine_tuning_is_adamw_on_the_soft_cross_entropy(folder: str) -> None:
    learner, one = FineTuned(folder, steps=1, warmup=0.0, dropout=0.0, clip=1e9, weight_decay=0.1), a_set(soft=True)
    torch.manual_seed(3)
    after = learner.train(one).head  # type: ignore[union-attr]
    torch.manual_seed(3)
    before = FineTuned(folder, steps=0, dropout=0.0).train(one)
    tokens = learner._tokens(text_learners._pretrained(folder, 0.0)[0], one, range(len(one)))
    loss = -(torch.from_numpy(one.targets) * F.log_softmax(before(tokens), 1)).sum(1).mean()
    loss.backward()
    weight = before.head.weight  # type: ignore[union-attr]
    # Adam's first step is lr · g / (|g| + ε), whatever the size of g; decay comes before it
    stepped = weight * (1 - 1e-4 * 0.1) - 1e-4 * weight.grad / (weight.grad.abs() + 1e-8)
    torch.testing.assert_close(after.weight, stepped, atol=1e-7, rtol=1e-4)


def test_fine_tuning_in_bfloat16_learns_too(folder: str) -> None:
    learner = FineTuned(folder, steps=40, lr=0.01, precision="bfloat16")
    assert learner.score(a_set(16), TEST, 0, ["accuracy"])["accuracy"] > 80
    torch.manual_seed(0)
    assert {value.dtype for value in learner.train(a_set(4)).parameters()} == {torch.float32}


def test_the_rate_rises_to_the_middle_and_falls_to_nothing() -> None:
    learner = FineTuned(steps=10, warmup=0.5)
    rates = [learner._rate(step) for step in range(11)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[5] == 1
    assert all(later < sooner for sooner, later in pairwise(rates[5:]))
    assert rates[10] == pytest.approx(0)


def test_every_row_is_seen_once_in_each_pass() -> None:
    batches = list(FineTuned(steps=7, batch=4)._orders(10))
    assert [len(batch) for batch in batches] == [4, 4, 2, 4, 4, 2, 4]
    assert sorted(row for batch in batches[:3] for row in batch) == list(range(10))
    assert list(map(len, FineTuned(steps=2, batch=64)._orders(10))) == [10, 10]


@pytest.fixture(scope="module")
def glove(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Vectors in which good and bad words lie on two sides."""
    path: Path = tmp_path_factory.mktemp("vectors") / "tiny.txt"
    rng = np.random.default_rng(0)
    sides = [*((word, 1.0) for word in GOOD), *((word, -1.0) for word in BAD), *((word, 0.0) for word in WORDS)]
    lines = [f"{word} {' '.join(f'{x:.4f}' for x in [side, *rng.normal(size=5)])}" for word, side in sides]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("kind", text_learners.WORD_NETWORKS)
def test_every_network_on_word_vectors_is_seeded_and_learns(kind: str, glove: str) -> None:
    learner = WordNet(kind, vectors=glove, steps=40, lr=0.01)
    first = learner.score(a_set(16, soft=True), TEST, 0, ALL)
    assert first["accuracy"] > 80
    assert learner.score(a_set(16, soft=True), TEST, 0, ALL) == first


def test_texts_without_a_known_word_are_no_obstacle(glove: str) -> None:
    unknown = TextSet(["zzz", "qqq"], np.array([0, 1]), CLASSES)
    assert 0 <= WordNet(vectors=glove, steps=1).score(unknown, TEST, 0, ["accuracy"])["accuracy"] <= 100


def test_learners_have_names_and_unknown_networks_are_refused() -> None:
    names = [learner.name for learner in (Frozen(), FineTuned(), FineTuned.quick(), WordNet("mlp"))]
    assert names == ["frozen:minilm", "finetuned:minilm", "finetuned:minilm", "mlp:glove-6b-50d"]
    assert FineTuned.quick().steps < FineTuned().steps
    with pytest.raises(UserError, match=r"network 'bilstm' is unknown \(did you mean 'bi_lstm'\?\); known: text_conv"):
        WordNet("bilstm")
