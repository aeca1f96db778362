"""A pool grows by what the generator writes around what searches chose, and by no copy of a training row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.synthetic.generator.small import table, trained
from textdistill.core.streams import Streams
from textdistill.data import TextTable
from textdistill.data.sets.text_set import TextSet
from textdistill.evaluation.copies import copies
from textdistill.recipe.text_settings import Choose, Growth
from textdistill.runs.readable.grow import Continuing, Growing, Showing, continued
from textdistill.selection.search_settings import SearchSettings
from textdistill.synthetic.generator import Sampling

SAMPLING = Sampling(length=12)


def features(texts: TextSet) -> list[torch.Tensor]:
    """Counts of letters, as unit vectors."""
    counts = torch.tensor([[float(text.count(letter)) for letter in "abcdefghiklmnoprstuw "] for text in texts.texts])
    return [torch.nn.functional.normalize(counts + 0.1, dim=1)]


@pytest.fixture(scope="module")
def growing() -> Growing:
    generator, rows = trained(), table()
    train = TextTable("rows", rows.classes, list(rows.texts), None, np.asarray(rows.labels))
    choose = Choose(
        size=2, consistent=False, grow=Growth(rounds=3, sets=2, each=6), search=SearchSettings(sweeps=1, rows=20)
    )
    writer = Continuing(generator, choose.grow.each, SAMPLING)
    return Growing(writer, "grown", choose.grow.rounds, choose.grow.sets, train, features, choose, Streams(0))


@pytest.fixture(scope="module")
def pool(growing: Growing) -> TextSet:
    """A few samples that no row of the table is."""
    classes = growing.train.classes
    texts = [f"{text} again and {number}" for number, text in enumerate(growing.train.texts[:16])]
    labels = np.resize(np.arange(len(classes)), len(texts))
    return TextSet(texts, labels, classes)


def test_what_was_there_stays_and_what_is_added_is_new_and_no_copy(growing: Growing, pool: TextSet) -> None:
    grown, told = growing.grown(pool)
    assert grown.texts[: len(pool)] == pool.texts
    added = grown.take(np.arange(len(pool), len(grown)))
    assert len(added) == sum(one["added"] for one in told["rounds"]) > 0
    assert len({*zip(grown.texts, grown.labels.tolist(), strict=True)}) == len(grown)
    assert not copies(added.texts, None, growing.train)[1].any()
    assert told["kept"] == np.bincount(grown.labels).tolist()
    counted = told["exact_copies"], told["near_copies"], told["repeated"]
    assert told["sampled"] >= len(added)
    assert min(counted) >= 0
    assert told["rounds"][0]["grown"] == 0.0  # nothing was written before


def test_the_same_seed_grows_the_same_pool(growing: Growing, pool: TextSet) -> None:
    assert growing.grown(pool)[0].texts == growing.grown(pool)[0].texts


def test_a_member_is_cut_before_its_end_and_written_on(growing: Growing) -> None:
    writer = growing.writer
    assert isinstance(writer, Continuing)
    vocabulary = writer.generator.vocabulary
    text = growing.train.texts[0]
    member = vocabulary.encode([text], None, [0])
    texts, pairs, redrawn = continued(writer.generator, member, 0, 40, torch.Generator().manual_seed(1), SAMPLING)
    assert len(texts) + sum(redrawn.values()) == 40
    assert pairs == []
    first = vocabulary.decode(member.take([0]))[0][0].split()[0]
    begins = [said.split()[0] == first for said in texts]
    assert sum(begins) > 0
    assert len(set(texts)) > 1


def test_a_language_model_is_shown_members_of_one_class_in_orders_of_their_own(growing: Growing) -> None:
    model = _Repeats()
    members = TextSet(["one", "two", "three", "four", "five"], np.array([0, 0, 0, 1, 1]), ("bad", "good"))
    both = replace(growing, writer=Showing(model, 70, 2))  # type: ignore[arg-type]
    (texts, pairs, labels), redrawn = both.around(members, Streams(0))
    assert [len(one) for one in model.asked] == [2, 2, 2, 2]  # 64 and 6 samples behind a prompt, for each class
    assert {text for one in model.asked[:2] for text in one} <= {"one", "two", "three"}
    assert {text for one in model.asked[2:] for text in one} == {"four", "five"}
    assert model.rows == [64, 6, 64, 6]
    assert labels == [0] * 70 + [1] * 70
    assert (len(texts), pairs, redrawn) == (140, [], {})


class _Repeats:
    """A writer of as many samples as numbers, which remembers what it was shown."""

    length = 3

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.rows: list[int] = []

    def like(
        self, texts: list[str], pairs: object, numbers: torch.Tensor
    ) -> tuple[list[str], list[str], dict[str, int]]:
        self.asked.append(texts)
        self.rows.append(len(numbers))
        assert numbers.shape[1] == self.length
        return [texts[0]] * len(numbers), [], {}
