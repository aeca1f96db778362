"""A generator as a distilled set: its weights, its gradient against one whole graph, its pools, and a resumed run."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.arithmetic import least_cosine
from tests.core.cases import CLASSES, generator, learner_of, real_rows
from tests.stops import Stopped
from tests.synthetic.writers import SAMPLING, Table, TokenRows, generator_of, read, read_ids, token_learner
from textdistill.core.batch import Batch, RealData
from textdistill.core.distill import Checkpoint, distill
from textdistill.core.errors import RecipeError
from textdistill.core.learner import Learner, Params
from textdistill.core.on_real import OnReal
from textdistill.core.outer import Outer
from textdistill.core.schedule import DistilledSet, Remembers, Synthetic
from textdistill.core.starts import Fixed, Start
from textdistill.core.streams import Streams
from textdistill.objectives.gradient_matching import GradientMatching
from textdistill.objectives.passes import Forward
from textdistill.selection import clusters
from textdistill.synthetic.generator import Generator, Sampling, Sentences
from textdistill.synthetic.generator_data import GeneratorData
from textdistill.synthetic.generator_pool import Pool, PoolSettings

SMALL = PoolSettings(batch=5, factor=4, every=3, diverse=False, micro_batch=4)
OBJECTIVE = GradientMatching("whole", batch=6, layers=("last",))
LEARNER = learner_of("mlp deep")
DIVERSE: dict[str, Any] = {
    "features": lambda batch: batch.inputs.flatten(1),
    "clusters": clusters,
}


@cache
def weights_of_a_generator() -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in writer().parameters().items()}


@cache
def writer() -> Generator:
    return generator_of()


def fresh_writer() -> Generator:
    """The one generator of these tests with its first weights: to build it takes longer than to use it."""
    with torch.no_grad():
        for name, value in writer().parameters().items():
            value.copy_(weights_of_a_generator()[name])
            value.grad = None
    return writer()


def data_of(settings: PoolSettings = SMALL, **more: Any) -> GeneratorData:
    return GeneratorData(fresh_writer(), read, Streams(2), settings, sampling=SAMPLING, **more)


def shown(data: GeneratorData) -> tuple[Sentences, Batch]:
    """The samples of the present step as the generator reads them and as the learner does."""
    batch = data.draw(0).batch
    assert data._shown is not None
    return data._shown[0], batch


def log_probabilities(generator: Generator, sentences: Sentences) -> list[Tensor]:
    """log p_φ(w_t | w_<t) of every token of every sentence, one sentence and one position at a time."""
    found = []
    for ids, mask in zip(sentences.ids, sentences.mask, strict=True):
        row = ids[mask]
        logits = generator.model(input_ids=row[None]).logits[0]
        found.append(torch.stack([torch.log_softmax(logits[t - 1], 0)[row[t]] for t in range(1, len(row))]))
    return found


def one_graph(data: GeneratorData, objective: GradientMatching, real: RealData, params: Params) -> Tensor:
    """The matching loss of the samples shown as one graph from φ, the learner's gradients by autograd."""
    settings, (sentences, batch) = data.settings, shown(data)
    tokens = log_probabilities(data.generator, sentences)
    scores = torch.stack([row.sum() if settings.weighting == "sequence" else row.mean() for row in tokens])
    leaves = {name: value.detach().requires_grad_() for name, value in params.items()}
    last = [leaves[name] for name in ("weight2", "bias2")]
    total = scores.new_zeros(())
    for label in range(CLASSES):
        mine = torch.nonzero(sentences.labels == label)[:, 0]
        share = torch.softmax(scores[mine] / settings.temperature, 0)
        ours = Batch(batch.inputs[mine], batch.targets[mine], share)
        theirs = real.batch(torch.nonzero(real.labels == label)[:, 0])
        g = torch.autograd.grad(LEARNER.loss(leaves, ours), last, create_graph=True)
        h = torch.autograd.grad(LEARNER.loss(leaves, theirs), last)
        g, h = (torch.cat([part.flatten() for part in side]) for side in (g, h))  # type: ignore[assignment]
        total = total + 1 - (g @ h) / (g.norm() * h.norm() + 1e-6)  # type: ignore[attr-defined, operator]
    return total


def gradient_of(data: GeneratorData) -> dict[str, Tensor]:
    return {name: value.grad for name, value in data.parameters().items() if value.grad is not None}


def close(found: dict[str, Tensor], wanted: dict[str, Tensor], rel: float = 1e-10) -> None:
    """As near as `rel` of the whole gradient's norm."""
    assert found.keys() == wanted.keys()
    norm = torch.cat([value.flatten() for value in wanted.values()]).norm()
    off = torch.cat([(found[name] - value).flatten() for name, value in wanted.items()]).norm()
    assert norm > 1e-6
    assert float(off) <= rel * float(norm)


@pytest.mark.parametrize(
    "settings",
    [
        SMALL,
        replace(SMALL, micro_batch=1),
        replace(SMALL, micro_batch=100, temperature=0.3),
        replace(SMALL, weighting="sequence"),
        replace(SMALL, weighting="sequence", temperature=5.0, micro_batch=7),
    ],
)
def test_two_passes_give_the_gradient_of_one_big_graph(settings: PoolSettings) -> None:
    data, real, start = data_of(settings), real_rows(), Start(LEARNER.init(generator(3)))
    (outcome,) = replace(OBJECTIVE, batch=100).evaluate(data, real, LEARNER, [start], Streams(0))
    data.pullback(outcome.gradients)
    loss = one_graph(data, OBJECTIVE, real, start.params)
    assert outcome.loss == pytest.approx(float(loss.detach()), rel=1e-10)
    names = list(data.parameters())
    wanted = torch.autograd.grad(loss, [data.parameters()[name] for name in names])
    close(gradient_of(data), dict(zip(names, wanted, strict=True)))


@pytest.mark.parametrize("weighting", ["mean", "sequence"])
def test_the_gradient_is_the_policy_gradient_of_the_papers_appendix(weighting: str) -> None:
    """∇_φ L = Σ_n r(x̃_n) ∇_φ l_φ(x̃_n), r(x̃_n) = a_n {g(x̃_n) − g(X̃)}ᵀ(−∂L/∂g(X̃)) (Maekawa et al. 2024, Appendix A).

    g(x̃) is the gradient of the learner's loss for its last layer, g(X̃) = Σ a_n g(x̃_n), and l_φ the mean NLL over
    tokens (Eq. 1). With a_n ∝ p_φ(x̃_n), Eq. 5 as printed, each reward has the factor |x̃_n| that l_φ divides by.
    """
    data, real = data_of(replace(SMALL, weighting=weighting)), real_rows()
    start = Start(LEARNER.init(generator(3)))
    (outcome,) = replace(OBJECTIVE, batch=100).evaluate(data, real, LEARNER, [start], Streams(0))
    data.pullback(outcome.gradients)
    sentences, batch = shown(data)
    leaves = {name: value.detach().requires_grad_() for name, value in start.params.items()}
    last = [leaves[name] for name in ("weight2", "bias2")]

    def gradient(rows: Batch) -> Tensor:
        return torch.cat([part.flatten() for part in torch.autograd.grad(LEARNER.loss(leaves, rows), last)])

    losses = torch.stack([-tokens.mean() for tokens in log_probabilities(data.generator, sentences)])
    total = losses.new_zeros(())
    for label in range(CLASSES):
        mine = torch.nonzero(sentences.labels == label)[:, 0]
        lengths = sentences.lengths[mine] if weighting == "sequence" else torch.ones(len(mine))
        share = torch.softmax(-losses[mine].detach() * lengths, 0)
        each = torch.stack([gradient(Batch(batch.inputs[n : n + 1], batch.targets[n : n + 1])) for n in mine.tolist()])
        mean = (share @ each).requires_grad_()
        wanted = gradient(real.batch(torch.nonzero(real.labels == label)[:, 0]))
        loss = 1 - (mean @ wanted) / (mean.norm() * wanted.norm() + 1e-6)
        (slope,) = torch.autograd.grad(loss, mean)
        reward = share * ((each - mean.detach()) @ -slope) * lengths
        total = total + (reward.detach() * losses[mine]).sum()
    names = list(data.parameters())
    found = torch.autograd.grad(total, [data.parameters()[name] for name in names])
    close(gradient_of(data), dict(zip(names, found, strict=True)), rel=1e-7)


def test_a_second_pullback_of_a_step_adds_to_the_first() -> None:
    data, real = data_of(), real_rows()
    starts = [Start(LEARNER.init(generator(seed))) for seed in (3, 4)]
    outcomes = OBJECTIVE.evaluate(data, real, LEARNER, starts, Streams(0))
    for outcome in outcomes:
        data.pullback(outcome.gradients)
    found = {name: value.clone() for name, value in gradient_of(data).items()}
    other = data_of()
    other.pullback([part for outcome in outcomes for part in outcome.gradients])
    close(found, gradient_of(other))


@pytest.mark.parametrize("weighting", ["mean", "sequence"])
def test_weights_are_a_softmax_within_each_class_and_sum_to_one(weighting: str) -> None:
    data = data_of(replace(SMALL, weighting=weighting, temperature=2.0))
    sentences, batch = shown(data)
    assert batch.weights is not None
    assert batch.weights.requires_grad
    assert float(batch.weights.detach().sum()) == pytest.approx(1)
    assert torch.equal(batch.targets.argmax(1), sentences.labels)
    tokens = log_probabilities(data.generator, sentences)
    for label in range(CLASSES):
        mine = [tokens[k] for k in range(len(tokens)) if int(sentences.labels[k]) == label]
        scores = torch.stack([row.sum() if weighting == "sequence" else row.mean() for row in mine])
        found = batch.weights[sentences.labels == label]
        torch.testing.assert_close(found * CLASSES, torch.softmax(scores / 2.0, 0))


def test_the_generator_sees_a_micro_batch_at_a_time_and_keeps_the_graph_of_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data, sizes, graphs = data_of(), [], []
    plain = Generator.nll

    def watched(self: Generator, sentences: Sentences) -> Tensor:
        sizes.append(len(sentences))
        found = plain(self, sentences)
        graphs.append(found.requires_grad)
        return found

    monkeypatch.setattr(Generator, "nll", watched)
    data.pullback([(0, {"weights": torch.ones(15)})])
    assert sizes == [4, 4, 4, 3, 4, 4, 4]  # scored, and all but the last of these once more
    assert graphs == [False, False, False, True, True, True, True]


def test_every_step_draws_other_samples_and_a_pool_is_written_anew_every_so_many() -> None:
    data, seen = data_of(), []
    for _ in range(7):
        first, again = data.draw(0), data.draw(5, grad=False)
        assert torch.equal(first.batch.inputs, again.batch.inputs)
        assert again.batch.weights is not None
        assert not again.batch.weights.requires_grad
        assert data._pool is not None
        seen.append((data._pool, first.batch.inputs))
        assert len(data._pool[1].sentences) == 5 * 4 * CLASSES
        data.project_()
    assert [number for (number, _), _ in seen] == [0, 0, 0, 1, 1, 1, 2]
    assert len({id(pool) for (_, pool), _ in seen}) == 3
    batches = [inputs for _, inputs in seen]
    assert not any(torch.equal(a, b) for k, a in enumerate(batches) for b in batches[:k])


def test_a_diverse_batch_has_one_sample_of_each_cluster() -> None:
    data = data_of(replace(SMALL, diverse=True), **DIVERSE)
    for _ in range(3):
        data.draw(0)
        assert data._pool is not None
        pool = data._pool[1]
        rows = pool.rows(5, Streams(2).child("batch", data._step))
        for label in range(CLASSES):
            mine = rows[5 * label : 5 * label + 5]
            assert bool((pool.sentences.labels[mine] == label).all())
            assert sorted(pool.groups[mine].tolist()) == [0, 1, 2, 3, 4]
            inputs = pool.inputs[pool.sentences.labels == label].flatten(1)
            centres = torch.stack(
                [inputs[pool.groups[pool.sentences.labels == label] == group].mean(0) for group in range(5)]
            )
            nearest = torch.cdist(pool.inputs[mine].flatten(1), centres).argmin(1)
            assert torch.equal(nearest, pool.groups[mine])  # K-means has come to rest
        data.project_()


def test_a_group_without_samples_gives_any_of_its_class() -> None:
    sentences = Sentences.of([[300, 1]] * 6, [0, 0, 0, 1, 1, 1])
    pool = Pool(sentences, torch.zeros(6, 1), None, torch.tensor([0, 2, 2, 1, 1, 1]))
    for seed in range(5):
        rows = pool.rows(3, Streams(seed))
        assert rows[:3].tolist()[0] == 0
        assert set(rows[:3].tolist()) <= {0, 1, 2}
        assert set(rows[3:].tolist()) <= {3, 4, 5}
        assert len(rows) == 6


def test_the_penalty_adds_the_language_models_loss_on_real_rows_once_a_step() -> None:
    real = writer().vocabulary.encode_table(Table())
    data = data_of(replace(SMALL, penalty=0.7), real=real)
    flat = [(0, {"weights": torch.zeros(15)})]
    data.pullback(flat)
    data.pullback(flat)
    rows = torch.randperm(30, generator=Streams(2).torch("real", 0))[:15]
    loss = 0.7 * torch.stack([-row.mean() for row in log_probabilities(data.generator, real.take(rows))]).mean()
    names = list(data.parameters())
    wanted = torch.autograd.grad(loss, [data.parameters()[name] for name in names])
    close(gradient_of(data), dict(zip(names, wanted, strict=True)))


def test_in_bfloat16_the_gradient_is_close_and_the_weights_keep_their_type() -> None:
    found: list[tuple[Pool, Tensor]] = []
    single = generator_of(torch.float32)
    learner = learner_of("mlp deep", torch.float32)
    for dtype in ("float32", "bfloat16"):
        settings = replace(SMALL, precision=dtype)
        data = GeneratorData(
            single, lambda a, b: (read(a, b)[0].float(), None), Streams(2), settings, sampling=SAMPLING
        )
        pool = data._present()
        data._pool = 0, pool if not found else found[0][0]  # sampling in another type says other things
        for value in data.parameters().values():
            value.grad = None
        start = Start(learner.init(generator(3)))
        (outcome,) = OBJECTIVE.evaluate(data, real_rows(dtype=torch.float32), learner, [start], Streams(0))
        data.pullback(outcome.gradients)
        found.append((pool, torch.cat([value.flatten() for value in gradient_of(data).values()])))
    (_, fine), (_, coarse) = found
    assert coarse.dtype == torch.float32
    assert not torch.equal(fine, coarse)
    # Forward and back through the blocks, each of which rounds the four products of attention, two of the MLP and what
    # lies between, 16 numbers in all.
    assert torch.cosine_similarity(fine, coarse, dim=0) > least_cosine(2 * 16 * 2)


def features_of(learner: Learner) -> Any:
    params = learner.init(Streams(9).torch("features"))
    return Forward(learner, params).features


def run(
    folder: Path | None = None,
    stop_after: int | None = None,
    steps: int = 6,
    losses: list[float] | None = None,
    **more: Any,
) -> DistilledSet:
    """A whole distillation in this setting: token ids, networks trained on real rows, diverse pools, AdamW."""

    def watch(step: int, record: dict[str, float]) -> None:
        if losses is not None:
            losses.append(record["loss"])
        if step == stop_after:
            raise Stopped

    learner = token_learner()
    settings = PoolSettings(**{"batch": 3, "factor": 3, "every": 3, "micro_batch": 4, **more})
    synthetic = GeneratorData(
        fresh_writer(), read_ids, Streams(2), settings,
        sampling=SAMPLING, features=features_of(learner), clusters=clusters,
    )  # fmt: skip
    return distill(
        synthetic,
        replace(OBJECTIVE, batch=4),
        TokenRows(),
        learner=learner,
        starts=OnReal(learner, Streams(0, ("starts",)), matches=4, steps=2, batch=6, lr=0.01),
        outer=Outer(steps=steps, optimizer="adamw", lr=1e-3, betas=(0.9, 0.999), warmup=2),
        checkpoint=None if folder is None else Checkpoint(folder, every=1, resume=True),
        on_step=watch,
    )


@pytest.mark.parametrize("stop", [2, 4])  # where a pool is due, and within the next one
def test_interrupted_and_resumed_a_run_ends_with_the_same_bits(tmp_path: Path, stop: int) -> None:
    whole = run(tmp_path / "whole")
    ended = {name: value.detach().clone() for name, value in writer().parameters().items()}
    with pytest.raises(Stopped):
        run(tmp_path / "resumed", stop_after=stop)
    resumed = run(tmp_path / "resumed")
    assert all(torch.equal(value, ended[name]) for name, value in writer().parameters().items())
    assert not torch.equal(ended["transformer.wte.weight"], weights_of_a_generator()["transformer.wte.weight"])
    assert torch.equal(whole.inputs, resumed.inputs)
    assert whole.meta["texts"] == resumed.meta["texts"]
    assert (tmp_path / "whole/metrics.jsonl").read_text() == (tmp_path / "resumed/metrics.jsonl").read_text()


def test_steps_on_the_same_samples_lower_the_loss() -> None:
    losses: list[float] = []
    settings = replace(SMALL, factor=1, every=100, batch=6)
    data = data_of(settings)
    distill(
        data,
        replace(OBJECTIVE, batch=100),
        real_rows(),
        learner=LEARNER,
        starts=Fixed(LEARNER, Streams(0)),
        outer=Outer(steps=15, optimizer="adamw", lr=3e-3, schedule="constant"),
        on_step=lambda step, record: losses.append(record["loss"]),
    )
    assert losses[-1] < losses[0] - 0.02
    assert losses == sorted(losses, reverse=True)


def test_the_exported_set_is_written_by_the_generator_as_it_is_and_says_its_texts() -> None:
    data = data_of()
    first, again = data.export({"outer_steps": 3}), data.export()
    assert first.inputs.shape[:2] == (1, 15)
    assert torch.equal(first.inputs, again.inputs)
    assert torch.equal(first.inputs[0], read(first.meta["texts"], None)[0])
    assert first.meta["owners"] == first.targets[0].argmax(1).tolist() == [0] * 5 + [1] * 5 + [2] * 5
    assert first.meta["outer_steps"] == 3
    assert "pairs" not in first.meta
    with torch.no_grad():
        data.parameters()["transformer.wte.weight"][:, 3] *= -1
    assert data.export().meta["texts"] != first.meta["texts"]


def test_it_is_a_distilled_set_that_remembers_and_stores_no_pool_that_is_due() -> None:
    data = data_of()
    assert isinstance(data, Synthetic)
    assert isinstance(data, Remembers)
    assert data.state_dict() == {"step": 0, "tensors": {}}
    for step in range(3):
        data.draw(0)
        assert set(data.state_dict()["tensors"]) == {"ids", "mask", "labels", "groups"}, step
        data.project_()
    assert data.state_dict() == {"step": 3, "tensors": {}}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"batch": 0}, r"synthetic\.batch: 0; allowed: 1 or more"),
        ({"temperature": 0.0}, r"synthetic\.temperature: 0\.0; allowed: above 0"),
        ({"weighting": "token"}, r"synthetic\.weighting: 'token'; allowed: mean, sequence"),
        ({"penalty": 0.5}, r"synthetic\.penalty: 0\.5, but there are no real rows"),
        ({"diverse": True}, r"synthetic\.diverse: true, but there are no features"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        data_of(replace(SMALL, **settings))


def test_settings_of_sampling_are_told_beside_the_others() -> None:
    with pytest.raises(RecipeError, match=r"(?s)synthetic\.every: 0.*synthetic\.top_p: 2"):
        GeneratorData(writer(), read, Streams(0), replace(SMALL, every=0), sampling=Sampling(top_p=2.0))
