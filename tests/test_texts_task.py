"""Texts as they are: each network reads them itself; labels of real sentences are distilled by pre-trained ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from tests import tiny
from tests.core.cases import learner_of
from tests.learners import models
from textdistill import api
from textdistill.core.errors import DataError, RecipeError
from textdistill.core.learner import Learner
from textdistill.data import DataSettings
from textdistill.learners.pretrained.frozen_encoder import Encoder
from textdistill.learners.pretrained.network import Pretrained, PretrainedSettings
from textdistill.recipe.read import resolve
from textdistill.recipe.references import references
from textdistill.representations.learner_text import LearnerText
from textdistill.representations.rows import Rows
from textdistill.representations.texts import Texts, TextTask, prepare_texts
from textdistill.runs import pipeline


def made(**settings: Any) -> Learner:
    settings = {"model": models.bert(), "train": 1, "length": 12, **settings}
    return Learner(Pretrained(PretrainedSettings(**settings), (), 2), 2)


@pytest.fixture
def task() -> TextTask:
    data = DataSettings(name=str(tiny.home() / "reviews.csv"), text="review", label="stars")
    return prepare_texts(data, Texts(models.bert()))


def test_a_network_sees_its_own_ids_padded_to_its_own_length(task: TextTask) -> None:
    learner = made()
    read = task.read_by(learner)
    assert read.shape == read.shaped(None) == (12, 2)
    assert read.shaped(5) == (5, 2)
    assert isinstance(read.train, Rows)
    rows = torch.tensor([3, 0, 7])
    batch = read.train.batch(rows)
    assert batch.mask is not None
    assert batch.inputs.shape == (3, 12, 2)
    assert torch.equal(batch.mask, batch.inputs[:, :, 0] >= 0)
    assert torch.equal(batch.targets.argmax(1), read.train.labels[rows])
    own, _ = learner.module.read([task.splits.train.texts[row] for row in rows.tolist()], None)  # type: ignore[operator]
    assert torch.equal(batch.inputs[:, : own.shape[1]], own)
    assert torch.equal(task.seen_by(learner, torch.device("cpu")).batch(rows).inputs, batch.inputs)


def test_batches_in_passing_are_cut_to_their_longest_and_hold_every_row_once(task: TextTask) -> None:
    rows = task.read_by(made()).validation
    seen = []
    for part, batch in rows.batches(7):
        assert batch.inputs.shape[1] == int(rows.lengths[part].max())
        assert torch.equal(batch.mask.sum(1), rows.lengths[part])  # type: ignore[union-attr]
        seen += part.tolist()
    assert sorted(seen) == list(range(len(rows)))


def test_texts_are_read_once_and_shared_by_networks_that_read_alike(
    task: TextTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    real = Pretrained.read
    monkeypatch.setattr(Pretrained, "read", lambda *given: calls.append(1) or real(*given))
    first = task.read_by(made())
    assert not calls  # not before a batch is asked for
    first.train.batch(torch.tensor([0]))
    first.train.batch(torch.tensor([1]))
    again = task.read_by(made(train="all")).train
    assert again is first.train
    again.batch(torch.tensor([2]))
    assert len(calls) == 1
    assert first.read_by(made(pool="mean")) is first
    other = task.read_by(made(length=6))
    assert other.train.batch(torch.tensor([0])).inputs.shape == (1, 6, 2)
    assert len(calls) == 2


def test_under_a_head_alone_rows_are_frozen_features(task: TextTask) -> None:
    read = task.read_by(made(train="head"))
    batch = read.test.batch(torch.tensor([1, 0]))
    texts = task.splits.test.texts
    assert batch.mask is None
    assert read.shape == (8,)
    wanted = Encoder(models.bert(), pool="cls").features(texts)[[1, 0]]
    torch.testing.assert_close(batch.inputs, wanted)
    assert read.train.to("cpu", torch.float64).batch(torch.tensor([0])).inputs.dtype == torch.float64


def test_rows_are_selected_by_the_encoders_features(task: TextTask) -> None:
    assert torch.equal(task.features(), Encoder(models.bert()).features(task.splits.train.texts))
    assert task.read_by(made()).features() is task.features()


def test_features_are_pooled_as_the_recipe_says_and_a_choice_that_nobody_made_is_no_fact(task: TextTask) -> None:
    data = DataSettings(name=task.data["name"], text="review", label="stars")
    first = prepare_texts(data, Texts(models.bert(), "cls"))
    texts = task.splits.train.texts[:4]
    assert torch.equal(first.encoded(texts), Encoder(models.bert(), pool="cls").features(texts))
    assert not torch.equal(first.encoded(texts), task.encoded(texts))
    assert task.settings.facts() == {"encoder": models.bert()}
    assert first.settings.facts() == {"encoder": models.bert(), "pool": "cls"}


def test_another_data_set_is_read_by_the_same_network(task: TextTask) -> None:
    data = DataSettings(name=str(tiny.home() / "reviews.csv"), text="review", label="stars", split_seed=5)
    other = task.read_by(made()).beside(data)
    assert other.train.batch(torch.tensor([0])).inputs.shape == (1, 12, 2)
    assert task.beside(data).reader is None


def test_without_a_network_there_are_no_inputs(task: TextTask) -> None:
    with pytest.raises(RecipeError, match="only once a network reads them"):
        task.train.batch(torch.tensor([0]))
    with pytest.raises(RecipeError, match="reads no texts"):
        task.read_by(learner_of("mlp"))
    with pytest.raises(DataError, match="no points"):
        task.summary(torch.zeros(1, 2, 2))


def test_a_reader_must_read_every_text(task: TextTask) -> None:
    table = task.splits.test
    with pytest.raises(DataError, match="1 inputs were read"):
        LearnerText(table, lambda texts, pairs: (torch.zeros(1, 3), None), (3,)).batch(torch.tensor([0]))


def settings(train: Any = "head", **more: Any) -> dict[str, Any]:
    base = tiny.settings()
    return {
        **{key: base[key] for key in ("title", "paper", "data", "checkpoint")},
        "representation": {"name": "texts", "encoder": models.bert()},
        "learner": {"name": "pretrained", "model": models.bert(), "train": train, "length": 12},
        "synthetic": {
            **{"samples": 4, "steps": 2, "init": "k_centers", "learn": ["targets"], "labels": "clamped"},
            "label_init": "smoothed",
        },
        "objective": {"name": "unrolled", "steps": 1, "batch": 16},
        "starts": "fresh",
        "outer": {"steps": 2},
        "evaluate": {**base["evaluate"], "baselines": ["random_real", "kmeans", "true_labels"], "label_steps": 40},
        **more,
    }


@pytest.mark.parametrize(
    ("train", "more", "baselines"),
    [
        ("head", {}, {"random_real", "kmeans", "true_labels"}),
        (1, {}, {"random_real"}),  # tokens have no means
        ("head", {"objective": {"name": "ridge_labels", "batch": 16}, "starts": "plateau"}, None),
    ],
)
def test_labels_of_real_sentences_are_distilled_from_end_to_end(
    train: Any, more: dict[str, Any], baselines: set[str] | None, tmp_path: Path
) -> None:
    given = settings(train, **more)
    if train != "head":
        given["evaluate"]["baselines"] = ["random_real", "kmeans"]
    made = api.run(given, tmp_path / "run")
    assert baselines is None or set(made.metrics["baselines"]) == baselines
    lines = [json.loads(line) for line in (made.folder / "samples.jsonl").read_text().splitlines()]
    assert {line["text"] for line in lines} <= {text for text, _ in tiny.sentences()}
    values = [list(line["labels"].values()) for line in lines]
    assert any(value not in ([0.95, 0.05], [0.05, 0.95]) for value in values)  # smoothed ones have moved
    task = pipeline.prepare_task(made.artifact.recipe())
    assert isinstance(task, TextTask)
    learner, params = made.artifact.train()
    stored = made.artifact.distilled
    kept = task.read_by(learner).train.batch(torch.tensor(stored.meta["rows"]))
    torch.testing.assert_close(stored.inputs.flatten(0, 1), kept.inputs.float())
    assert learner.logits(params, stored.pooled()).shape == (4, 2)
    again = api.evaluate(made.folder).metrics
    assert again["distilled"] == made.metrics["distilled"]


def test_pairs_are_read_as_pairs(tmp_path: Path) -> None:
    texts = [text for text, _ in tiny.sentences()]
    table = {"one": texts[:120], "two": texts[120:240], "same": ["yes", "no"] * 60}
    pd.DataFrame(table).to_csv(tmp_path / "pairs.csv", index=False)
    data = {"name": str(tmp_path / "pairs.csv"), "text": "one", "text_pair": "two", "label": "same"}
    run = api.run(settings(1, data=data), tmp_path / "run", overrides=["evaluate.baselines=[]"])
    assert run.artifact.distilled.inputs[..., 1].max() == 1
    assert "text_pair" in json.loads((run.folder / "samples.jsonl").read_text().splitlines()[0])


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("synthetic.learn=[inputs, targets]", r"synthetic\.learn: \['inputs'\] cannot be learned of texts, only"),
        ("synthetic.init=noise", r"synthetic\.init: 'noise'; texts stay what they are: allowed: real, k_centers"),
        ("synthetic.init=kmeans", r"synthetic\.init: 'kmeans'; texts stay what they are"),
        ("learner={name: mlp}", "learner: mlp takes words, not texts; nearest possible: texts with unrolled"),
        ("objective={name: cafe}", "objective: cafe takes pixels, words, not texts"),
        ("train.augment=[drop]", r"train\.augment: 'drop' is for words; allowed"),
        ("learner.pool=max", r"learner\.pool: 'max'; allowed: mean, cls, last"),
        ("learner.train=0", r"learner\.train: 0; allowed: 1 or more"),
        ("learner.train=some", r"learner\.train: 'some'; allowed: head, all, a number"),
    ],
)
def test_what_makes_no_sense_with_texts_is_refused_before_anything_is_read(override: str, told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        resolve(settings(), [override])


def test_texts_are_nothing_to_a_network_of_vectors_nor_vectors_to_one_that_reads() -> None:
    with pytest.raises(RecipeError, match="learner: pretrained takes texts, not words"):
        resolve(settings(), ["representation=words"])


def test_the_papers_of_a_pre_trained_model_are_cited() -> None:
    given = settings(representation={"name": "texts"})
    assert "wang2020minilm" in references(resolve(given))
    assert "wang2020minilm" not in references(resolve(settings()))
