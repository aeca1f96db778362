"""Word2vec learns which words share company, the same way every time, and not twice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from embeddings import EmbeddingsError, nearest, train_word2vec

ROOT = Path(__file__).resolve().parents[2]
TOPICS = [[f"{topic}{number:02}" for number in range(40)] for topic in ("sea", "city")]


@pytest.fixture(scope="module")
def sentences() -> list[list[str]]:
    """400 sentences of ten words, each about one of two topics whose words never meet."""
    rng = np.random.default_rng(0)
    return [[str(word) for word in rng.permutation(topic)[:10]] for _ in range(200) for topic in TOPICS]


@pytest.mark.parametrize("skip_gram", [True, False])
def test_words_of_one_topic_end_up_together(skip_gram: bool, sentences: list[list[str]]) -> None:
    vectors = train_word2vec(sentences, dimension=12, epochs=40, skip_gram=skip_gram, seed=1)
    assert sorted(vectors.words) == sorted([*TOPICS[0], *TOPICS[1]])
    assert vectors.name == ("word2vec-skip-gram-12d" if skip_gram else "word2vec-cbow-12d")
    found = nearest(vectors.matrix, vectors, k=6)
    same = [word[:3] == near[:3] for row in found.words for word, near in zip(row[:1] * 5, row[1:], strict=True)]
    assert np.mean(same) > 0.95  # an untrained start has 0.5


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(
    sentences: list[list[str]], tmp_path: Path
) -> None:
    prints = [
        train_word2vec(sentences, dimension=8, seed=seed, cache_dir=tmp_path / folder).fingerprint
        for seed, folder in [(3, "one"), (3, "two"), (4, "one")]
    ]
    assert prints[0] == prints[1] != prints[2]


def test_python_hash_seeds_do_not_matter(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from embeddings import train_word2vec\n"
        "words = ['ab', 'cd', 'ef', 'gh']; sentences = [words, words[::-1]] * 30\n"
        "print(train_word2vec(sentences, dimension=8, cache_dir=Path(sys.argv[1])).fingerprint)"
    )
    prints = []
    for number in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-W", "error", "-c", program, str(tmp_path / number)],
            env=os.environ | {"PYTHONHASHSEED": number, "PYTHONPATH": str(ROOT)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        prints.append(run.stdout)
    assert len(prints[0]) == 65
    assert prints[0] == prints[1]


def test_the_second_training_is_a_reading(sentences: list[list[str]]) -> None:
    told: list[tuple[int, int]] = []
    settings = {"dimension": 8, "epochs": 3, "progress": lambda done, of: told.append((done, of))}
    first = train_word2vec(sentences, **settings)
    assert told == [(1, 3), (2, 3), (3, 3)]
    second = train_word2vec(tuple(tuple(sentence) for sentence in sentences), **settings)
    assert len(told) == 3
    assert second.fingerprint == first.fingerprint
    train_word2vec(sentences, **(settings | {"window": 4}))
    assert len(told) == 6
    train_word2vec([*sentences, ["sea00"]], **settings)
    assert len(told) == 9


def test_the_cache_knows_where_sentences_and_words_end() -> None:
    told: list[int] = []
    for corpus in ([["a", "b"], ["a b"]], [["a", "b", "a b"]], [["a", "b"], ["a", "b"]]):
        train_word2vec(corpus, dimension=4, epochs=1, min_count=1, progress=lambda done, of: told.append(done))
    assert told == [1, 1, 1]


def test_rare_words_get_no_vector_and_frequent_ones_come_first() -> None:
    vectors = train_word2vec([["b", "b", "b", "a", "a", "rare"]], dimension=4, min_count=2)
    assert vectors.words == ["b", "a"]


def test_what_stands_beyond_ten_thousand_words_of_a_sentence_is_trained_too() -> None:
    tail = [f"tail{number}" for number in range(4)]
    long = ["filler", "words"] * 5_000 + tail * 40
    whole = train_word2vec([long], dimension=4, epochs=3)
    parts = train_word2vec([long[:10_000], long[10_000:]], dimension=4, epochs=3)
    without = train_word2vec([long[:10_000], *([word] for word in long[10_000:])], dimension=4, epochs=3)
    np.testing.assert_array_equal(whole.matrix, parts.matrix)
    rows = [whole.index[word] for word in tail]
    assert not np.array_equal(whole.matrix[rows], without.matrix[rows])


@pytest.mark.parametrize(
    ("sentences", "settings", "message"),
    [
        ([], {}, "the corpus is empty"),
        ([[], []], {}, "the corpus is empty"),
        ([["a", "b"], ["b"]], {"min_count": 3}, "no word reaches min_count=3: the most frequent, 'b', is seen 2 times"),
        (["a b c"], {}, r"sentence 0 is a string \('a b c'\); split it into words"),
        ("a b c", {}, "found one string"),
        ([["a", "a"]], {"dimension": 0}, "dimension must be an integer of at least 1, found 0"),
        ([["a", "a"]], {"epochs": 0}, "epochs must be an integer of at least 1"),
        ([["a", "a"]], {"negative": 0}, "negative must be an integer of at least 1"),
        ([["a", "a"]], {"workers": 0}, "workers must be an integer of at least 1"),
        ([["a", "a"]], {"seed": -1}, "seed must be an integer of at least 0"),
        ([["a", "a"]], {"seed": 2**32}, "seed must be at most 4294967295"),
    ],
)
def test_mistakes_are_explained(sentences: list[list[str]], settings: dict[str, int], message: str) -> None:
    with pytest.raises(EmbeddingsError, match=message):
        train_word2vec(sentences, **settings)


def test_one_word_alone_can_be_trained() -> None:
    assert train_word2vec([["a", "a", "a"]], dimension=3).words == ["a"]
