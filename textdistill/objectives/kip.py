"""Kernel inducing points: learn the rows from which kernel ridge regression predicts the real ones (KIP)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from textdistill.core import machine
from textdistill.core.batch import Batch, RealData
from textdistill.core.bounds import Count, Doc
from textdistill.core.inner import SGD
from textdistill.core.learner import Learner, Params
from textdistill.core.processes import own_share, sum_over_processes
from textdistill.core.ridge import kernel_ridge
from textdistill.core.schedule import DistilledSet, Draw, Outcome, Synthetic
from textdistill.core.starts import Start
from textdistill.core.streams import Streams
from textdistill.core.unroll import Inner
from textdistill.objectives.kernels.analytic import NTK
from textdistill.objectives.kernels.base import Kernel
from textdistill.objectives.kernels.blocks import Blocks, Inputs
from textdistill.objectives.moments import whole_set

# Numbers of a kernel, over its pairs and what each pair keeps, that a full-data score may cost: a minute of one core
# for the NTK (390 ns a pair at depth 1), in which time as many rows are factorised, too.
WORK = 2**31


@dataclass(frozen=True)
class KIP:
    """L = ½ mean_t ‖K_ts (K_ss + λI)⁻¹ ỹ_s − y_t‖² with λ = `regularisation` · tr(K_ss)/n (Nguyen et al. 2021, Eq. 7).

    s are all samples of the synthetic set, t are `batch` real rows (every row, and nothing random, when that is all of
    them). Real labels are one-hot minus 1/C; the set's labels count as 1/C more than the ỹ_s of the formula, so that
    one-hot ones begin as centred as the real. The authors' code takes the mean over classes, too, which is nothing to
    Adam, and draws as many target rows of each class; here they are drawn from all rows alike. All is computed in
    float64, by all processes of a group together.
    """

    kernel: Annotated[Kernel, Doc("the similarity of two rows")] = field(default_factory=NTK)
    regularisation: Annotated[float, Doc("λ, as a share of the kernel's mean diagonal")] = 1e-6
    batch: Annotated[Count | None, Doc("real rows that a step sees; none: every one")] = 5000
    memory_mib: Annotated[float, Doc("about the most MiB that a block of the kernel takes")] = 512.0

    name: ClassVar[str] = "kip"
    trains: ClassVar[frozenset[str]] = frozenset({"inputs", "targets"})
    starts: ClassVar[frozenset[str]] = frozenset({"fixed", "fresh"})

    @property
    def takes(self) -> frozenset[str]:
        """The kinds of input that its kernel takes."""
        return self.kernel.takes

    def inner(self, learner: Learner, streams: Streams) -> Inner:
        """Networks are trained by plain descent: kernel regression trains none."""
        return Inner(learner, SGD())

    def real_rows(self, real: RealData, streams: Streams) -> Tensor:
        """The real rows t of one outer step, none twice."""
        if self.batch is None or self.batch >= len(real):
            return torch.arange(len(real))
        return torch.randperm(len(real), generator=streams.torch("real"))[: self.batch]

    def evaluate(
        self, synthetic: Synthetic, real: RealData, learner: Learner, starts: Sequence[Start], streams: Streams
    ) -> list[Outcome]:
        """One outcome for each start, all on the same real rows; equal ones where the kernel asks no network."""
        rows = self.real_rows(real, streams)
        share = own_share(len(rows))
        batch = real.batch(rows[share.start : share.stop]) if len(share) else None
        draws = whole_set(synthetic)
        if self.kernel.uses_learner:
            return [self._outcome(draws, batch, len(rows), learner, start.params) for start in starts]
        return [self._outcome(draws, batch, len(rows), learner, None)] * len(starts)

    def predict(
        self, distilled: DistilledSet, batch: Batch, learner: Learner | None, params: Params | None
    ) -> Float[Tensor, "n c"]:
        """The kernel regression's scores of a batch, in float64: K_ts (K_ss + λI)⁻¹ ỹ_s + 1/C."""
        return self.regression(distilled, learner, params)(batch)

    def regression(
        self, distilled: DistilledSet, learner: Learner | None, params: Params | None
    ) -> Callable[[Batch], Float[Tensor, "n c"]]:
        """What `predict` asks for each batch, solved once for all of them.

        Takes as much memory as three square matrices of the set's samples in float64, and time cubic in them.
        """
        pooled = distilled.pooled()
        support = Inputs(pooled.inputs.detach().double())
        blocks = self.blocks(support, learner, params if params is not None else distilled.theta0)
        centre = 1.0 / pooled.targets.shape[1]
        dual = self.dual(blocks.values(support, support), pooled.targets.detach().double() - centre)

        def scores(batch: Batch) -> Float[Tensor, "n c"]:
            predicted = dual.new_empty(len(batch), dual.shape[1])

            def fill(rows: slice, cross: Float[Tensor, "b n"]) -> Float[Tensor, "b n"]:
                torch.matmul(cross, dual, out=predicted[rows])
                return cross

            blocks.stream(Inputs(batch.inputs, batch.mask), support, [], fill)  # a test split's kernel is never whole
            return predicted + centre

        return scores

    def affordable_rows(self, shape: Sequence[int], tests: int) -> int:
        """How many real rows of this shape a regression can be made of here, with so many rows to be predicted.

        By memory, a quarter of this machine's for three square matrices; and by time, some minutes (`WORK`).
        """
        by_memory = math.isqrt(machine.memory_mib() * 2**20 // 4 // (3 * 8))
        each = max(1, self.kernel.floats(shape, shape))
        # the larger root of n (n + tests) = WORK / each
        by_work = int((math.sqrt(tests**2 + 4 * WORK / each) - tests) / 2)
        return max(1, min(by_memory, by_work))

    def blocks(self, support: Inputs, learner: Learner | None, params: Params | None) -> Blocks:
        """The kernel as it stands for this support and network, in blocks."""
        return Blocks(self.kernel.prepare(support.inputs.detach(), learner, params), self.memory_mib)

    def dual(self, within: Float[Tensor, "n n"], targets: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
        """(K_ss + λI)⁻¹ ỹ_s."""
        return kernel_ridge(within, targets, self.penalty(within))

    def penalty(self, within: Float[Tensor, "n n"]) -> Tensor:
        """λ, which follows the kernel's own scale."""
        return self.regularisation * within.diagonal().mean()

    def _outcome(
        self, draws: Sequence[Draw], batch: Batch | None, total: int, learner: Learner, params: Params | None
    ) -> Outcome:
        inputs = torch.cat([draw.batch.inputs for draw in draws]).detach().double()
        centre = 1.0 / draws[0].batch.targets.shape[1]
        targets = (torch.cat([draw.batch.targets for draw in draws]).detach().double() - centre).requires_grad_()
        taught = draws[0].leaves().keys() & self.trains
        leaves = [inputs.requires_grad_()] if "inputs" in taught else []
        support, blocks = Inputs(inputs), self.blocks(Inputs(inputs), learner, params)

        share = own_share(len(support))
        within = torch.zeros(len(support), len(support), dtype=torch.float64, device=inputs.device)
        within[share.start : share.stop] = blocks.values(support.part(share), support)
        within = sum_over_processes([within])[0].requires_grad_()
        graph = self.dual(within, targets)
        dual = graph.detach()
        loss, of_dual = dual.new_zeros(()), torch.zeros_like(dual)

        # Row t of the derivative by K_ts needs the dual weights and row t alone, so that blocks pass by but once.
        def adjoint(rows: slice, cross: Tensor) -> Tensor:
            wrong = (cross @ dual - (wanted[rows] - centre)) / total
            loss.add_(0.5 * total * wrong.square().sum())
            of_dual.addmm_(cross.T, wrong)
            return wrong @ dual.T

        gradients = [torch.zeros_like(leaf) for leaf in leaves]
        if batch is not None:
            wanted = batch.targets.double()
            gradients = blocks.stream(Inputs(batch.inputs, batch.mask), support, leaves, adjoint)
        loss, of_dual = sum_over_processes([loss, of_dual])
        of_within, of_targets = torch.autograd.grad(graph, (within, targets), of_dual)
        if leaves:
            own = of_within[share.start : share.stop]
            more = blocks.pullback(support.part(share), support, own, leaves)
            gradients = sum_over_processes([a + b for a, b in zip(gradients, more, strict=True)])
        return Outcome(float(loss), _dealt_out(draws, gradients[0] if gradients else None, of_targets))


def _dealt_out(
    draws: Sequence[Draw], of_inputs: Tensor | None, of_targets: Tensor
) -> list[tuple[int, dict[str, Tensor]]]:
    """The gradients of all samples, given back to the draws that they came from in their own types."""
    sizes = [len(draw.batch) for draw in draws]
    parts = {"targets": of_targets.split(sizes), **({} if of_inputs is None else {"inputs": of_inputs.split(sizes)})}
    return [
        (draw.step, {name: parts[name][k].to(leaf.dtype) for name, leaf in draw.leaves().items() if name in parts})
        for k, draw in enumerate(draws)
    ]
