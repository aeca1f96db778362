"""The first training: it learns, keeps the best, and once killed ends at the same bits."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.stops import Stopped
from tests.synthetic.generator.small import STREAMS, fresh, table, trained
from textdistill.core import stopping
from textdistill.core.checkpoint import load_checkpoint
from textdistill.core.errors import ArtifactError, DataError, DivergenceError, UserError
from textdistill.core.streams import Streams
from textdistill.synthetic.generator import Generator, LanguageModelStage, perplexity, train_language_model
from textdistill.synthetic.generator.language_model import _Batches, _repeated

STAGE = LanguageModelStage(steps=24, batch=16, lr=1e-2, validate_every=5, validation_rows=30, checkpoint_every=4)
STEADY = ("perplexity", "best_step", "steps", "of_steps", "stopped_early", "tokens", "cut", "history")


def run(
    generator: Generator,
    folder: Path | None = None,
    stop_after: int | None = None,
    resume: bool = False,
    stage: LanguageModelStage = STAGE,
    streams: Streams = STREAMS,
    ask_after: int | None = None,
) -> dict[str, Any]:
    def stop(step: int, record: dict[str, float]) -> None:
        if step == stop_after:
            raise Stopped
        if step == ask_after:
            signal.raise_signal(signal.SIGTERM)

    path = None if folder is None else folder / "language_model.safetensors"
    validation = table(60, skip=1)
    return train_language_model(
        generator, table(), validation, stage, streams, checkpoint=path, resume=resume, on_step=stop
    )


def same(one: Generator, other: Generator) -> bool:
    return all(torch.equal(value, other.parameters()[name]) for name, value in one.parameters().items())


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_it_learns_to_write_like_the_rows(precision: Any) -> None:
    generator = fresh()
    held = generator.vocabulary.encode_table(table(60, skip=1))
    before = perplexity(generator, held)
    found = run(generator, stage=replace(STAGE, precision=precision, validation_rows=60))
    assert before > 380
    assert perplexity(generator, held) == pytest.approx(found["perplexity"])
    assert found["perplexity"] < 220
    assert not generator.model.training


def test_it_learns_which_class_says_what() -> None:
    generator = trained()
    rows = generator.vocabulary.encode_table(table(60))
    other = generator.vocabulary.encode(table(60).texts, None, 1 - table(60).labels)
    assert float((generator.nll(rows) < generator.nll(other)).double().mean()) > 0.75


def test_perplexity_is_by_token_and_whatever_the_batch() -> None:
    generator = trained()
    rows = generator.vocabulary.encode_table(table(60, skip=1))
    with torch.no_grad():
        total = torch.stack([generator.nll(rows.take([k]))[0] * rows.lengths[k] for k in range(len(rows))]).sum()
    assert perplexity(generator, rows) == pytest.approx(float((total / rows.lengths.sum()).exp()), rel=1e-4)
    assert perplexity(generator, rows, batch=7) == pytest.approx(perplexity(generator, rows), rel=1e-5)


@pytest.mark.parametrize("stops", [[6], [0, 9, 22]])
def test_stopped_and_resumed_it_ends_at_the_same_bits(stops: list[int], tmp_path: Path) -> None:
    whole = fresh()
    expected = run(whole)
    for stop in stops:
        with pytest.raises(Stopped):
            run(fresh(), tmp_path, stop_after=stop, resume=True)
    last = fresh()
    found = run(last, tmp_path, resume=True)
    assert same(last, whole)
    assert {key: found[key] for key in STEADY} == {key: expected[key] for key in STEADY}


def test_asked_to_stop_it_ends_after_the_step_at_hand_with_a_checkpoint(tmp_path: Path) -> None:
    with stopping.heed(), pytest.raises(stopping.Stopped):
        run(fresh(), tmp_path, ask_after=8)  # so in the step of number 9, after which no checkpoint is due
    assert load_checkpoint(tmp_path / "language_model.safetensors")[1]["memory"]["step"] == 10
    whole, resumed = fresh(), fresh()
    expected = run(whole)
    found = run(resumed, tmp_path, resume=True)
    assert same(resumed, whole)
    # as it is written: to the order of its keys
    assert json.dumps(found["history"]) == json.dumps(expected["history"])


def test_a_finished_training_is_only_read(tmp_path: Path) -> None:
    whole, again = fresh(), fresh()
    expected = run(whole, tmp_path)
    before = (tmp_path / "language_model.safetensors").read_bytes()
    found = run(again, tmp_path, stop_after=0, resume=True)
    assert same(whole, again)
    assert found == expected
    assert (tmp_path / "language_model.safetensors").read_bytes() == before


def test_without_resume_it_begins_anew_and_another_training_is_not_gone_on_with(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        run(fresh(), tmp_path, stop_after=9)
    with pytest.raises(ArtifactError, match="another training"):
        run(fresh(), tmp_path, resume=True, streams=Streams(8))
    with pytest.raises(ArtifactError, match="another training"):
        run(fresh(), tmp_path, resume=True, stage=replace(STAGE, lr=1e-3))
    whole, anew = fresh(), fresh()
    run(whole)
    run(anew, tmp_path)
    assert same(whole, anew)


def test_it_keeps_the_best_weights_and_ends_when_no_better_ones_come() -> None:
    generator = fresh()
    steep = replace(STAGE, steps=200, lr=0.3, warmup=0.2, validate_every=2, patience=2, validation_rows=60)
    found = run(generator, stage=steep)
    looks = found["history"]
    best = min(looks, key=lambda look: float(look["perplexity"]))
    assert found["stopped_early"]
    assert found["best_step"] == best["step"] == looks[-3]["step"]
    held = generator.vocabulary.encode_table(table(60, skip=1))
    assert perplexity(generator, held) == pytest.approx(best["perplexity"], rel=1e-5)


def test_an_epoch_sees_every_row_once_in_random_order_and_hardly_any_padding() -> None:
    lengths = torch.randint(1, 60, (3000,), generator=torch.Generator().manual_seed(0))
    batches = _Batches(lengths, 16, STREAMS)
    epochs = [[batches.at(step) for step in range(epoch * 188, (epoch + 1) * 188)] for epoch in (0, 1)]
    for dealt in epochs:
        assert torch.equal(torch.cat(dealt).sort().values, torch.arange(3000))
        padded = sum(int(lengths[rows].max()) * len(rows) for rows in dealt)
        assert padded < 1.1 * int(lengths.sum())
    assert not torch.equal(epochs[0][0], epochs[1][0])
    means = torch.stack([lengths[rows].double().mean() for rows in epochs[0]])
    assert abs(float(torch.corrcoef(torch.stack([means[:-1], means[1:]]))[0, 1])) < 0.3
    assert torch.equal(_Batches(lengths, 16, STREAMS).at(200), epochs[1][12])


def test_rows_of_rare_classes_come_more_often_where_that_is_asked() -> None:
    labels = torch.tensor([0] * 64 + [1] * 4 + [3] * 10)[torch.randperm(78, generator=torch.Generator().manual_seed(0))]
    for balance, wanted in ((0.0, [64, 4, 0, 10]), (0.5, [64, 16, 0, 25]), (1.0, [64, 64, 0, 64])):
        rows = _repeated(labels, balance, STREAMS)
        assert labels[rows].bincount().tolist() == wanted
        assert rows.unique().tolist() == list(range(78))  # every row comes
        times = rows.bincount()
        assert all(int(times[labels == label].max() - times[labels == label].min()) <= 1 for label in (0, 1, 3))
    assert torch.equal(_repeated(labels, 0.5, STREAMS), _repeated(labels, 0.5, STREAMS))


def test_dropout_leaves_global_random_state_alone() -> None:
    before = torch.random.get_rng_state()
    run(fresh(), stage=replace(STAGE, steps=2))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_mistakes_are_told() -> None:
    with pytest.raises(UserError, match="batch: 0; allowed: 1 or more; lr: -1"):
        run(fresh(), stage=replace(STAGE, batch=0, lr=-1.0))
    with pytest.raises(UserError, match=r"balance: 1\.5; allowed: 0 to 1"):
        run(fresh(), stage=replace(STAGE, balance=1.5))
    with pytest.raises(DivergenceError, match="lower lr"):
        run(fresh(), stage=replace(STAGE, lr=1e30, warmup=0.0))
    empty = table().take([])
    with pytest.raises(DataError, match="one of the tables is empty"):
        train_language_model(fresh(), table(), empty, STAGE, STREAMS)
