"""Label solve: the labels of given rows from which kernel ridge regression predicts the real ones best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from textdistill.core import stopping, watch
from textdistill.core.batch import RealData
from textdistill.core.bounds import Count, Doc
from textdistill.core.errors import RecipeError
from textdistill.core.learner import Learner
from textdistill.core.processes import own_share, rows_of_processes
from textdistill.core.ridge import penalised_factor
from textdistill.core.schedule import Synthetic
from textdistill.core.streams import Streams
from textdistill.objectives.kernels.blocks import Inputs
from textdistill.objectives.kip import KIP
from textdistill.objectives.moments import whole_set

# Singular values of A below this share of the largest are rounding: what (K_ss + λI)⁻¹ leaves of rows that are equal.
RANK = 1e-8
HELD_ROWS = 4096  # of the real data are numbers at once, or as many as one block of the kernel takes


@dataclass(frozen=True)
class LabelSolve(KIP):
    """argmin over ỹ of KIP's loss: the least-squares solution of A ỹ = y_t, A = K_ts (K_ss + λI)⁻¹.

    (Nguyen et al. 2021, Eq. 8.) The shortest such ỹ where several are as good. The rows of [A | y_t] are folded into
    one triangle as they pass by (QR, so that the condition number is not squared), those of other processes at the end.
    """

    batch: Annotated[Count | None, Doc("real rows that count; none: every one")] = None

    name: ClassVar[str] = "label_solve"
    trains: ClassVar[frozenset[str]] = frozenset({"targets"})

    def solve(self, synthetic: Synthetic, real: RealData, learner: Learner, streams: Streams) -> dict[str, Tensor]:
        """The labels' own numbers. Errors: `RecipeError` where those are not the labels themselves (softmax)."""
        raw = synthetic.parameters()["targets"]
        draws = whole_set(synthetic)
        if not torch.equal(raw.detach().flatten(0, -2), torch.cat([d.batch.targets for d in draws]).detach()):
            raise RecipeError(["synthetic.labels: a closed form is for the labels themselves; choose unrestricted"])
        rows = self.real_rows(real, streams)
        share = own_share(len(rows))
        support = Inputs(torch.cat([draw.batch.inputs for draw in draws]).detach().double())
        centre = 1.0 / raw.shape[-1]
        blocks = self.blocks(support, learner, None)
        within = blocks.values(support, support)
        factor = penalised_factor(within, self.penalty(within))
        triangle = support.inputs.new_zeros(len(support) + raw.shape[-1], len(support) + raw.shape[-1])
        if len(share):
            own = rows[share.start : share.stop]
            one = real.batch(own[:1]).inputs
            size = blocks.streamed(Inputs(one.expand(len(own), *one.shape[1:])), support)
            with watch.counting("real rows", "rows") as told:
                told(0, len(own))
                # Some blocks' rows at a time: bytes become numbers of four times their size.
                for part in torch.split(torch.arange(len(own)), max(1, HELD_ROWS // size) * size):
                    batch = real.batch(own[part])
                    wanted, before = batch.targets.double() - centre, int(part[0])

                    def fold(
                        some: slice,
                        cross: Float[Tensor, "b n"],
                        wanted: Float[Tensor, "r c"] = wanted,
                        before: int = before,
                    ) -> Float[Tensor, "b n"]:
                        design = torch.cholesky_solve(cross.T, factor).T
                        triangle.copy_(_triangle(torch.cat([triangle, torch.cat([design, wanted[some]], 1)])))
                        told(before + some.stop, len(own))
                        stopping.end_if_asked()  # nothing of this is kept, and it can take an hour
                        return cross

                    blocks.stream(Inputs(batch.inputs, batch.mask), support, [], fold)
        triangle = _triangle(rows_of_processes(triangle))
        size = len(support)
        # On the CPU, where a solver for systems without full rank can be had.
        left, right = triangle[:size, :size].cpu(), triangle[:size, size:].cpu()
        solved = torch.linalg.lstsq(left, right, rcond=RANK, driver="gelsd").solution
        return {"targets": (solved + centre).contiguous().view(raw.shape).to(raw)}


def _triangle(rows: Float[Tensor, "b f"]) -> Float[Tensor, "f f"]:
    """R of the QR decomposition of at least as many rows as columns."""
    triangle: Tensor = torch.linalg.qr(rows, mode="r").R
    return triangle
