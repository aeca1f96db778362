"""Scores taken side by side, or word by word, are the scores taken one after the other from vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests import tiny
from textdistill.evaluation import training
from textdistill.evaluation.baselines import run_baselines
from textdistill.evaluation.protocol import Bench, FullData, score_set
from textdistill.runs import pipeline
from textdistill.runs.artifact import learner_of, load

BASELINES = "evaluate.baselines=[random_real, best_random_real, kmeans, knn_random_real, k_centers, herding]"


def scores(folder: Path, threads: int) -> Any:
    stored = load(folder)
    recipe = stored.recipe([BASELINES, "evaluate.draws=4", "evaluate.full_nets=2"])
    task = pipeline.prepare_task(recipe)
    learner = learner_of(recipe, tuple(stored.distilled.inputs.shape[2:]), len(task.classes))
    bench = pipeline.make_bench(recipe, task, learner, 0)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)

    def piece(own: Bench, name: str) -> Any:
        return FullData(bench, {}, None).scores() if name == "full" else run_baselines(own, stored.distilled)

    try:
        return bench.each(piece, ["full", "baselines"], alone=False), score_set(bench, stored.distilled, 3, "own")[0]
    finally:
        torch.set_num_threads(before)


def test_scores_are_the_same_on_one_thread_on_several_and_from_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny.finished("fresh")
    alone = scores(folder, 1)
    assert scores(folder, 3) == alone
    read: list[type] = []
    plain = training.by_words

    def seen(learner: Any, split: Any, batch: int) -> Any:
        read.append(type(plain(learner, split, batch)[1]))
        return learner, split, batch

    monkeypatch.setattr(training, "by_words", seen)
    assert scores(folder, 1) == alone
    assert {kind.__name__ for kind in read} == {"WordIds"}, "the fast way is there to be compared"
