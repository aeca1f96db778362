"""Recurrent sequences with hand-written first and second derivatives.

Unrolled distillation differentiates the gradient of a recurrent network once more. Left to autograd, every time step of
every inner step becomes some hundred tiny graph nodes, and a CPU spends its time on their bookkeeping. Here a whole
sequence is one node: the backward pass and its own derivative are written as loops over time that hold only what must
be sequential, while everything that can be done for all time steps at once is done outside of them. Same derivatives as
autograd (tests compare both, in float64).

Notation: a_t = p_t + U h_{t-1} are the pre-activations, H all states, g the gradient of the loss with respect to H. For
the second derivative let L = ⟨g, H(p, U)⟩ and λ the cotangent of ∇L: then ∂⟨λ, ∇L⟩/∂g is H's tangent in direction
λ, and ∂⟨λ, ∇L⟩/∂(p, U) is the tangent of ∇L in direction λ (the Hessian is symmetric). So one tangent pass
forward and one back are all it takes.

Shapes: p (2, N, G) with G = h for the tanh cell and 4h for the LSTM, U (2, G, h), H (2, N, h); the first axis is the
direction of reading. The N rows are packed: first those of step 0, then those of step 1, which fewer sentences reach,
and so on, longest sentence first, so that no padding is computed. `Steps` says how many there are at each.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor


@dataclass(frozen=True)
class Steps:
    """How many sentences are still being read at each step: `counts` never grow."""

    counts: tuple[int, ...]

    @cached_property
    def spans(self) -> list[tuple[int, int]]:
        """The first row of each step and the first behind it."""
        out, start = [], 0
        for count in self.counts:
            out.append((start, start + count))
            start += count
        return out

    def before(self, states: Tensor) -> Tensor:
        """The state that each row behind step 0 began with, (2, N − n, h)."""
        if self.counts[0] == self.counts[-1]:
            return states[:, : -self.counts[0]]
        rows = [torch.arange(first, first + n) for (first, _), n in zip(self.spans, self.counts[1:], strict=False)]
        return states.index_select(1, torch.cat(rows).to(states.device))

    def outer(self, left: Tensor, states: Tensor) -> Tensor:
        """Σ over rows of left ⊗ the state before it: (2, N, a), (2, N, b) → (2, a, b)."""
        return torch.bmm(left[:, self.counts[0] :].transpose(1, 2), self.before(states))


@runtime_checkable
class Cell(Protocol):
    """The four passes of a recurrent cell."""

    @staticmethod
    def forward(p: Tensor, u: Tensor, steps: Steps) -> tuple[Tensor, ...]:
        """H, then whatever the other passes want to keep."""
        ...

    @staticmethod
    def backward(g: Tensor, u: Tensor, kept: tuple[Tensor, ...], steps: Steps) -> tuple[Tensor, ...]:
        """∂L/∂a for all steps, then what the tangent wants to keep."""
        ...

    @staticmethod
    def tangent(
        dp: Tensor, u: Tensor, du: Tensor, kept: tuple[Tensor, ...], back: tuple[Tensor, ...], steps: Steps
    ) -> tuple[Tensor, Tensor]:
        """The tangents of H and of ∂L/∂a, when p moves along `dp` and U along `du`."""
        ...


def _drive(dp: Tensor, du: Tensor, states: Tensor, steps: Steps) -> Tensor:
    """The part of the pre-activations' tangent that does not go through the state: dp_t + dU h_{t−1}."""
    first = steps.counts[0]
    return torch.cat([dp[:, :first], torch.baddbmm(dp[:, first:], steps.before(states), du.transpose(1, 2))], dim=1)


class Tanh:
    """h_t = tanh(a_t)."""

    @staticmethod
    def forward(p: Tensor, u: Tensor, steps: Steps) -> tuple[Tensor, ...]:
        """H alone is enough."""
        out, ut = torch.empty_like(p), u.transpose(1, 2)
        h = p[:, :0]
        for first, last in steps.spans:
            at = p[:, first:last]
            h = torch.baddbmm(at, h[:, : last - first], ut).tanh_() if first else at.tanh()
            out[:, first:last] = h
        return (out,)

    @staticmethod
    def backward(g: Tensor, u: Tensor, kept: tuple[Tensor, ...], steps: Steps) -> tuple[Tensor, ...]:
        """∂L/∂a_t = (1 − h_t²) ∂L/∂h_t; keeps ∂L/∂h."""
        (h,) = kept
        slope, da, dh = 1 - h * h, torch.empty_like(h), g.clone()
        a = h[:, :0]
        for first, last in reversed(steps.spans):
            if a.shape[1]:
                dh[:, first : first + a.shape[1]].baddbmm_(a, u)
            a = dh[:, first:last] * slope[:, first:last]
            da[:, first:last] = a
        return da, dh

    @staticmethod
    def tangent(
        dp: Tensor, u: Tensor, du: Tensor, kept: tuple[Tensor, ...], back: tuple[Tensor, ...], steps: Steps
    ) -> tuple[Tensor, Tensor]:
        """Both recursions, differentiated."""
        (h,), (da, dh) = kept, back
        ut, slope, drive, moved = u.transpose(1, 2), 1 - h * h, _drive(dp, du, h, steps), torch.empty_like(h)
        state = h[:, :0]
        for first, last in steps.spans:
            at = drive[:, first:last]
            state = (torch.baddbmm(at, state[:, : last - first], ut) if first else at) * slope[:, first:last]
            moved[:, first:last] = state
        push, out = torch.bmm(da, du), -2 * h * moved * dh
        behind = slice(0, 0)
        for first, last in reversed(steps.spans):
            some = slice(first, first + behind.stop - behind.start)
            if first != some.stop:
                out[:, some].addcmul_(torch.baddbmm(push[:, behind], out[:, behind], u), slope[:, some])
            behind = slice(first, last)
        return moved, out


class LSTM:
    """i, f, o = σ(a), z = tanh(a); c_t = f c_{t−1} + i z; h_t = o tanh(c_t). Gates in the order i, f, z, o."""

    @staticmethod
    def forward(p: Tensor, u: Tensor, steps: Steps) -> tuple[Tensor, ...]:
        """H, the gates' values (2, N, 4, h), and the memory C."""
        _, count, rows = p.shape
        size = rows // 4
        gates, memory, states = p.new_empty(2, count, 4, size), *(p.new_empty(2, count, size) for _ in "ch")
        ut, h = u.transpose(1, 2), p[:, :0]
        c = h
        for first, last in steps.spans:
            n, x = last - first, p[:, first:last]
            z = (torch.baddbmm(x, h[:, :n], ut) if first else x).unflatten(2, (4, size))
            at = torch.sigmoid(z)
            at[:, :, 2] = torch.tanh(z[:, :, 2])
            new = at[:, :, 0] * at[:, :, 2]
            c = torch.addcmul(new, at[:, :, 1], c[:, :n]) if first else new
            h = torch.tanh(c).mul_(at[:, :, 3])
            gates[:, first:last], memory[:, first:last], states[:, first:last] = at, c, h
        return states, gates, memory

    @staticmethod
    def _coefficients(kept: tuple[Tensor, ...], steps: Steps) -> tuple[Tensor, ...]:
        """Gate slopes D, partners K (∂c/∂a = K D for i, f, z; ∂h/∂a = K D for o), K D, tanh C, and q = ∂h/∂c."""
        _, gates, memory = kept
        squashed, first = torch.tanh(memory), steps.counts[0]
        slopes = torch.addcmul(gates, gates, gates, value=-1)
        slopes[:, :, 2].add_(1 - gates[:, :, 2])  # z − z² + 1 − z
        partners = torch.empty_like(gates)
        partners[:, :, 0], partners[:, :, 2], partners[:, :, 3] = gates[:, :, 2], gates[:, :, 0], squashed
        partners[:, :first, 1], partners[:, first:, 1] = 0, steps.before(memory)
        q = torch.addcmul(gates[:, :, 3], gates[:, :, 3], squashed * squashed, value=-1)
        return slopes, partners, partners * slopes, squashed, q

    @staticmethod
    def backward(g: Tensor, u: Tensor, kept: tuple[Tensor, ...], steps: Steps) -> tuple[Tensor, ...]:
        """∂L/∂a, keeping ∂L/∂h and ∂L/∂c."""
        gates = kept[1]
        _, _, weight, _, q = LSTM._coefficients(kept, steps)
        da, dh, dc = torch.empty_like(gates), g.clone(), torch.zeros_like(g)
        behind = slice(0, 0)
        for first, last in reversed(steps.spans):
            here, count = slice(first, last), behind.stop - behind.start
            step, carried = dh[:, here], dc[:, here]
            if count:
                step[:, :count].baddbmm_(da[:, behind].flatten(2), u)
                torch.mul(dc[:, behind], gates[:, behind, 1], out=carried[:, :count])
            carried.addcmul_(step, q[:, here])
            torch.mul(weight[:, here, :3], carried[:, :, None], out=da[:, here, :3])
            torch.mul(weight[:, here, 3], step, out=da[:, here, 3])
            behind = here
        return da.flatten(2), dh, dc

    @staticmethod
    def tangent(
        dp: Tensor, u: Tensor, du: Tensor, kept: tuple[Tensor, ...], back: tuple[Tensor, ...], steps: Steps
    ) -> tuple[Tensor, Tensor]:
        """Both recursions, differentiated."""
        (states, gates, _), (da, dh, dc) = kept, back
        slopes, partners, weight, squashed, q = LSTM._coefficients(kept, steps)
        drive, ut = _drive(dp, du, states, steps).unflatten(2, gates.shape[2:]), u.transpose(1, 2)
        moved, moved_h, moved_c = torch.empty_like(gates), torch.empty_like(states), torch.empty_like(states)
        h = c = states[:, :0]
        for first, last in steps.spans:
            n, x = last - first, drive[:, first:last]
            a = torch.baddbmm(x.flatten(2), h[:, :n], ut).view_as(x) if first else x
            part = a * weight[:, first:last]
            new = part[:, :, :3].sum(2)
            c = new.addcmul_(c[:, :n], gates[:, first:last, 1]) if first else new
            h = torch.addcmul(part[:, :, 3], c, q[:, first:last])
            moved[:, first:last], moved_c[:, first:last], moved_h[:, first:last] = a, c, h

        # What ∂L/∂a and ∂L/∂c gain at each step from the moved states, before anything comes back from later steps:
        # the tangents of K D and of q = o (1 − tanh² C), times what is already there.
        moved.mul_(slopes)
        bent = torch.addcmul(moved, gates, moved, value=-2)
        bent[:, :, 2].sub_(moved[:, :, 2])
        squared = squashed * squashed
        moved_squashed = torch.addcmul(moved_c, moved_c, squared, value=-1)
        moved_partners, start = torch.empty_like(gates), steps.counts[0]
        moved_partners[:, :, 0], moved_partners[:, :, 2] = moved[:, :, 2], moved[:, :, 0]
        moved_partners[:, :start, 1], moved_partners[:, start:, 1] = 0, steps.before(moved_c)
        moved_partners[:, :, 3] = moved_squashed
        out = bent.mul_(partners).addcmul_(moved_partners, slopes)
        out[:, :, :3].mul_(dc[:, :, None])
        out[:, :, 3].mul_(dh)
        moved_q = torch.addcmul(moved[:, :, 3], moved[:, :, 3], squared, value=-1)
        moved_q.addcmul_(gates[:, :, 3] * squashed, moved_squashed, value=-2)
        gain, back_to_c = moved_q.mul_(dh), dc * moved[:, :, 1]

        push, behind = torch.bmm(da, du), slice(0, 0)
        for first, last in reversed(steps.spans):
            here, count = slice(first, last), behind.stop - behind.start
            carried = gain[:, here]
            if count:
                some = slice(first, first + count)
                step = torch.baddbmm(push[:, behind], out[:, behind].flatten(2), u)
                carried[:, :count].add_(back_to_c[:, behind]).addcmul_(gain[:, behind], gates[:, behind, 1])
                carried[:, :count].addcmul_(step, q[:, some])
                out[:, some, 3].addcmul_(weight[:, some, 3], step)
            out[:, here, :3].addcmul_(weight[:, here, :3], carried[:, :, None])
            behind = here
        return moved_h, out.flatten(2)


class _Backward(torch.autograd.Function):
    """(g, p, U) → (∂L/∂p, ∂L/∂U), differentiable once more by the tangent pass."""

    @staticmethod
    def forward(
        ctx: Any, cell: type[Cell], steps: Steps, g: Tensor, p: Tensor, u: Tensor, *kept: Tensor
    ) -> tuple[Tensor, Tensor]:
        back = cell.backward(g, u, kept, steps)
        ctx.cell, ctx.steps, ctx.count = cell, steps, len(kept)
        ctx.save_for_backward(u, *kept, *back)
        return back[0], steps.outer(back[0], kept[0])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, dp: Tensor, du: Tensor) -> tuple[Tensor | None, ...]:
        u, *rest = ctx.saved_tensors
        kept, back = tuple(rest[: ctx.count]), tuple(rest[ctx.count :])
        moved, out = ctx.cell.tangent(dp, u, du, kept, back, ctx.steps)
        grad_u = ctx.steps.outer(out, kept[0]) + ctx.steps.outer(back[0], moved)
        return (None, None, moved, out, grad_u, *([None] * ctx.count))


class _Forward(torch.autograd.Function):
    """(p, U) → H."""

    @staticmethod
    def forward(ctx: Any, cell: type[Cell], steps: Steps, p: Tensor, u: Tensor) -> Tensor:
        states, *others = cell.forward(p, u, steps)
        ctx.cell, ctx.steps = cell, steps
        ctx.save_for_backward(p, u, states, *others)
        return states

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        p, u, *kept = ctx.saved_tensors
        # What is kept is a function of p and U; its part in the second derivative is inside the tangent pass already.
        grad_p, grad_u = _Backward.apply(ctx.cell, ctx.steps, g, p, u, *(k.detach() for k in kept))
        return None, None, grad_p, grad_u


def sequence(cell: type[Cell], p: Tensor, u: Tensor, steps: Steps) -> Tensor:
    """All states H (2, N, h) of `cell` on packed projected inputs `p` (2, N, G), recurrent weights `u` (2, G, h)."""
    return _Forward.apply(cell, steps, p, u)  # type: ignore[no-any-return]
