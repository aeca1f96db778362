"""A distilled set that is what a language model writes: matched through the weights of its samples (DiLM)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from textdistill.core.batch import Batch
from textdistill.core.bounds import faults_of
from textdistill.core.errors import RecipeError
from textdistill.core.precision import products_in
from textdistill.core.processes import count, own_share, sum_over_processes
from textdistill.core.schedule import DistilledSet, Draw
from textdistill.core.streams import Streams
from textdistill.synthetic.generator import Generator, Sampling, Sentences, sample
from textdistill.synthetic.generator_pool import ClustersOf, FeaturesOf, Pool, PoolSettings, Read

__all__ = ["GeneratorData", "PoolSettings"]


class GeneratorData:
    """Samples x̃_i ~ p_φ, each with the weight a_i that its probability gives it (Maekawa et al. 2024, section 3.3).

    What a text says has no derivative; what the generator thinks of it has: a class's weights are a softmax over
    its samples' log-probabilities, and gradients reach φ through them alone (Eqs. 4 and 5). All weights sum to one, a
    class's to 1/C.

    `read` is the learner's own. `features` and `clusters` (such as `selection.clusters`) make batches diverse, and are
    needed where `settings.diverse`; `real`, the real rows in the generator's vocabulary, where there is a `penalty`.
    The generator is taken as it is: what it drops out would differ between the two passes, so it stays in `eval` (the
    paper's Table 6 has dropout of 0.1). A pool is written like the finished samples, by `sampling` (top-p), and what is
    no text of the task is drawn again; the paper samples x̃ ~ p_φ. With `weighting` `mean` and temperature 1, c_i is
    the reward of the paper's Appendix A, a_i {g(x̃_i) − g(X̃)}ᵀ(−∂L/∂g(X̃)), exactly; Eq. 5 as printed (`sequence`) has
    a factor |x̃_i| beside it.

    Errors: `RecipeError` for settings out of range and for what is needed and missing.
    """

    learned = frozenset({"weights"})

    def __init__(
        self,
        generator: Generator,
        read: Read,
        streams: Streams,
        settings: PoolSettings | None = None,
        *,
        sampling: Sampling | None = None,
        features: FeaturesOf | None = None,
        clusters: ClustersOf | None = None,
        real: Sentences | None = None,
    ):
        self.generator, self.read, self.streams = generator, read, streams
        self.settings, self.sampling = settings or PoolSettings(), sampling or Sampling()
        self.features, self.clusters, self.real = features, clusters, real
        faults = [f"synthetic.{fault}" for fault in (*faults_of(self.settings), *faults_of(self.sampling))]
        if self.settings.diverse and (features is None or clusters is None):
            faults.append(
                "synthetic.diverse: true, but there are no features to cluster; give them, or set it to false"
            )
        if self.settings.penalty and (real is None or not len(real)):
            faults.append(f"synthetic.penalty: {self.settings.penalty}, but there are no real rows for it; give them")
        if faults:
            raise RecipeError(faults)
        self.classes = generator.vocabulary.classes
        self._step = 0
        self._pool: tuple[int, Pool] | None = None  # with the number of the pool
        self._forget()

    def _forget(self) -> None:
        """Drop what holds for one step and one φ."""
        self._shown: tuple[Sentences, Batch] | None = None
        self._graph: tuple[int, Tensor] | None = None  # of the scores of one micro-batch
        self._penalised = False

    @property
    def length(self) -> int:
        """One: every step sees another batch, and there is no schedule of them."""
        return 1

    def parameters(self) -> dict[str, Tensor]:
        """φ, by the generator's names."""
        return {name: value for name, value in self.generator.parameters().items() if value.requires_grad}

    def draw(self, step: int, grad: bool = True) -> Draw:
        """The batch of the present outer step, whichever `step` of the schedule is asked for; its weights are a leaf.

        There is no learning rate: networks do not train on it (`starts: on_real`).
        """
        if self._shown is None:
            pool = self._present()
            rows = pool.rows(self.settings.batch, self.streams.child("batch", self._step))
            sentences = pool.sentences.take(rows)
            self._shown = sentences, self._weighted(sentences, pool.batch(rows, self.classes))
        batch = self._shown[1]
        assert batch.weights is not None
        return Draw(step, batch if grad else replace(batch, weights=batch.weights.detach()))

    def pullback(self, gradients: list[tuple[int, dict[str, Tensor]]]) -> None:
        """Add ∇_φ Σ_i c_i l_i to the parameters' `.grad`, with c_i = ∂L/∂l_i as constants.

        c comes from the gradients at the weights through the softmax, in float64; then one micro-batch after another
        is scored again and sent back: exactly ∇_φ L, in the memory of one micro-batch. The first pullback of a step
        adds the penalty's λ/n Σ_i l_i over real rows.
        """
        self.draw(0)
        assert self._shown is not None
        sentences, batch = self._shown
        of_weights = [slopes["weights"].double().cpu() for _, slopes in gradients if "weights" in slopes]
        if of_weights:
            assert batch.weights is not None
            slopes = torch.stack(of_weights).sum(0)
            share = batch.weights.detach().double().cpu()
            # within a class Σ a = 1/C, and ∂a_j/∂s_i = a_i (1[i = j] − C a_j)
            mean = torch.zeros(self.classes, dtype=torch.float64)
            mean.index_add_(0, sentences.labels, share * slopes * self.classes)
            self._send_back(sentences, share * (slopes - mean[sentences.labels]) * self._rate(sentences), self._graph)
            self._graph = None
        if self.settings.penalty and not self._penalised and self.real is not None:
            self._penalised = True
            rng = self.streams.torch("real", self._step)
            rows = torch.randperm(len(self.real), generator=rng)[: self.settings.batch * self.classes]
            even = torch.full((len(rows),), self.settings.penalty / len(rows), dtype=torch.float64)
            self._send_back(self.real.take(rows), even)

    def project_(self) -> None:
        """A step is over: the next one sees other samples, scored by other weights."""
        self._step += 1
        self._forget()

    def export(self, meta: dict[str, Any] | None = None) -> DistilledSet:
        """`batch` new samples of every class by the generator as it is now; `meta` says their texts.

        The random numbers are the same whenever it is asked: sets of different φ can be compared.
        """
        sentences = self._written("export", self.settings.batch)
        texts, pairs = self.generator.vocabulary.decode(sentences)
        pool = Pool(sentences, *self.read(texts, pairs), torch.zeros_like(sentences.labels))
        batch = pool.batch(torch.arange(len(sentences)), self.classes)
        facts = {"texts": texts, "owners": sentences.labels.tolist()} | ({} if pairs is None else {"pairs": pairs})
        rates = torch.full((1, 1), self.settings.lr)
        return DistilledSet(batch.inputs[None], batch.targets[None], rates, meta={**(meta or {}), **facts})

    def state_dict(self) -> dict[str, Any]:
        """The number of the step, and the pool that its samples are from: the φ that wrote it is gone."""
        due = self._pool is None or self._pool[0] != self._step // self.settings.every
        return {"step": self._step, "tensors": {} if due or self._pool is None else self._pool[1].tensors()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self._step, self._pool = int(state["step"]), None
        self._forget()
        if state["tensors"]:
            pool = Pool.again(state["tensors"], self.generator.vocabulary.decode, self.read)
            self._pool = self._step // self.settings.every, pool

    def _present(self) -> Pool:
        number = self._step // self.settings.every
        if self._pool is None or self._pool[0] != number:
            sentences = self._written(f"pool {number}", self.settings.batch * self.settings.factor)
            pool = Pool.of(sentences, self.generator.vocabulary.decode, self.read)
            if self.settings.diverse and self.features is not None and self.clusters is not None:
                streams = self.streams.child("pool", number)
                pool = pool.clustered(self.settings.batch, self.features, self.clusters, streams)
            self._pool = number, pool
        return self._pool[1]

    def _written(self, name: str, each: int) -> Sentences:
        with products_in(self.generator.device, self.settings.precision):
            parts = [
                sample(self.generator, label, each, self.streams.torch(name, label), self.sampling).sentences
                for label in range(self.classes)
            ]
        return Sentences.join(parts)

    def _rate(self, sentences: Sentences) -> Float[Tensor, " n"]:
        """∂s_i/∂l_i of the scores s whose softmax the weights are."""
        lengths = sentences.lengths.double() if self.settings.weighting == "sequence" else torch.ones(len(sentences))
        return -lengths.double() / self.settings.temperature

    def _weighted(self, sentences: Sentences, batch: Batch) -> Batch:
        """The batch with the weights that the generator gives its samples, on the generator's device."""
        scores = self._scored(sentences) * self._rate(sentences)
        weights = torch.empty_like(scores)
        for label in sentences.labels.unique().tolist():
            mine = sentences.labels == label
            weights[mine] = torch.softmax(scores[mine], 0) / self.classes
        own = torch.promote_types(next(iter(self.parameters().values())).dtype, torch.float32)
        shown = replace(batch, weights=weights).to(self.generator.device, own)
        assert shown.weights is not None
        return replace(shown, weights=shown.weights.requires_grad_())

    def _scored(self, sentences: Sentences) -> Float[Tensor, " n"]:
        """l_i of every sample; the graph of the last micro-batch is kept, and need not be built again."""
        parts, losses = self._parts(sentences), torch.zeros(len(sentences), dtype=torch.float64)
        mine = own_share(len(parts))
        for at in mine:
            with torch.set_grad_enabled(at == mine[-1]):
                scores = self._nll(sentences.take(parts[at]))
            losses[parts[at]] = scores.detach().double().cpu()
            if at == mine[-1]:
                self._graph = at, scores
        return sum_over_processes([losses])[0]

    def _send_back(
        self, sentences: Sentences, slopes: Float[Tensor, " n"], graph: tuple[int, Tensor] | None = None
    ) -> None:
        """Add ∇_φ Σ_i `slopes`_i l_i to the parameters' `.grad`, every process its share of the micro-batches."""
        parts, leaves = self._parts(sentences), list(self.parameters().values())
        before = [leaf.grad for leaf in leaves]
        if count() > 1:
            for leaf in leaves:
                leaf.grad = None
        for at in reversed(own_share(len(parts))):  # that of the kept graph first: then it is gone
            with torch.enable_grad():
                kept = graph is not None and graph[0] == at
                scores = graph[1] if graph is not None and kept else self._nll(sentences.take(parts[at]))
                total = (slopes[parts[at]].to(scores) * scores).sum()
            torch.autograd.backward(total, inputs=leaves)
        if count() > 1:
            own = [torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in leaves]
            for leaf, old, new in zip(leaves, before, sum_over_processes(own), strict=True):
                leaf.grad = new if old is None else old + new

    def _nll(self, sentences: Sentences) -> Float[Tensor, " n"]:
        with products_in(self.generator.device, self.settings.precision):
            return self.generator.nll(sentences)

    def _parts(self, sentences: Sentences) -> list[Int[Tensor, " m"]]:
        """The rows of each micro-batch, alike in length: what is filled up is computed too."""
        return list(torch.argsort(sentences.lengths, stable=True).split(self.settings.micro_batch))
