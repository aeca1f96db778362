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

Shapes: p (2, L, n, G) with G = h for the tanh cell and 4h for the LSTM, U (2, G, h), H (2, L, n, h); the first axis is
the direction of reading.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class Cell(Protocol):
    """The four passes of a recurrent cell."""

    @staticmethod
    def forward(p: Tensor, u: Tensor) -> tuple[Tensor, ...]:
        """H, then whatever the other passes want to keep."""
        ...

    @staticmethod
    def backward(g: Tensor, u: Tensor, kept: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """∂L/∂a for all steps, then what the tangent wants to keep."""
        ...

    @staticmethod
    def tangent(
        dp: Tensor, u: Tensor, du: Tensor, kept: tuple[Tensor, ...], back: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor]:
        """The tangents of H and of ∂L/∂a, when p moves along `dp` and U along `du`."""
        ...


def _before(states: Tensor) -> Tensor:
    """The state that each step began with: H shifted by one, zero at first."""
    return torch.cat([torch.zeros_like(states[:, :1]), states[:, :-1]], dim=1)


def _outer(left: Tensor, right: Tensor) -> Tensor:
    """Σ over steps and rows of left ⊗ right: (2, L, n, a), (2, L, n, b) → (2, a, b)."""
    return torch.bmm(left.flatten(1, 2).transpose(1, 2), right.flatten(1, 2))


def _apply(values: Tensor, matrix: Tensor) -> Tensor:
    """Each row times a matrix per direction: (2, L, n, a), (2, a, b) → (2, L, n, b)."""
    return torch.bmm(values.flatten(1, 2), matrix).view(*values.shape[:3], -1)


class Tanh:
    """h_t = tanh(a_t)."""

    @staticmethod
    def forward(p: Tensor, u: Tensor) -> tuple[Tensor, ...]:
        """H alone is enough."""
        out = torch.empty_like(p)
        ut, h = u.transpose(1, 2), p.new_zeros(p[:, 0].shape)
        for t in range(p.shape[1]):
            h = torch.baddbmm(p[:, t], h, ut).tanh_()
            out[:, t] = h
        return (out,)

    @staticmethod
    def backward(g: Tensor, u: Tensor, kept: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """∂L/∂a_t = (1 − h_t²) ∂L/∂h_t; keeps ∂L/∂h."""
        (h,) = kept
        slope = 1 - h * h
        da, dh = torch.empty_like(h), torch.empty_like(h)
        step = g[:, -1]
        for t in range(h.shape[1] - 1, -1, -1):
            dh[:, t] = step
            a = step * slope[:, t]
            da[:, t] = a
            if t:
                step = torch.baddbmm(g[:, t - 1], a, u)
        return da, dh

    @staticmethod
    def tangent(
        dp: Tensor, u: Tensor, du: Tensor, kept: tuple[Tensor, ...], back: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor]:
        """Both recursions, differentiated."""
        (h,), (da, dh) = kept, back
        ut, slope = u.transpose(1, 2), 1 - h * h
        drive = dp + _apply(_before(h), du.transpose(1, 2))
        moved = torch.empty_like(h)
        state = torch.zeros_like(h[:, 0])
        for t in range(h.shape[1]):
            state = torch.baddbmm(drive[:, t], state, ut).mul_(slope[:, t])
            moved[:, t] = state
        push, bend = _apply(da, du), -2 * h * moved * dh
        out = torch.empty_like(h)
        step = torch.zeros_like(h[:, 0])
        for t in range(h.shape[1] - 1, -1, -1):
            a = torch.addcmul(bend[:, t], step, slope[:, t])
            out[:, t] = a
            if t:
                step = torch.baddbmm(push[:, t], a, u)
        return moved, out


class LSTM:
    """i, f, o = σ(a), z = tanh(a); c_t = f c_{t−1} + i z; h_t = o tanh(c_t). Gates in the order i, f, z, o."""

    @staticmethod
    def forward(p: Tensor, u: Tensor) -> tuple[Tensor, ...]:
        """H, the gates' values (2, L, n, 4, h), and the memory C."""
        two, length, n, rows = p.shape
        size = rows // 4
        gates, memory, states = p.new_empty(two, length, n, 4, size), *(p.new_empty(two, length, n, size) for _ in "ch")
        ut = u.transpose(1, 2)
        h = c = p.new_zeros(two, n, size)
        for t in range(length):
            z = torch.baddbmm(p[:, t], h, ut).view(two, n, 4, size)
            at = gates[:, t]
            torch.sigmoid(z, out=at)
            at[:, :, 2] = torch.tanh(z[:, :, 2])
            c = torch.addcmul(at[:, :, 1] * c, at[:, :, 0], at[:, :, 2])
            memory[:, t] = c
            h = torch.tanh(c).mul_(at[:, :, 3])
            states[:, t] = h
        return states, gates, memory

    @staticmethod
    def _coefficients(kept: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Gate slopes D, partners K (∂c/∂a = K D for i, f, z; ∂h/∂a = K D for o), tanh C, q = ∂h/∂c, C_{t−1}."""
        _, gates, memory = kept
        squashed, before = torch.tanh(memory), _before(memory)
        slopes = gates * (1 - gates)
        slopes[:, :, :, 2] = 1 - gates[:, :, :, 2] ** 2
        partners = torch.stack([gates[:, :, :, 2], before, gates[:, :, :, 0], squashed], dim=3)
        return slopes, partners, squashed, gates[:, :, :, 3] * (1 - squashed * squashed), before

    @staticmethod
    def backward(g: Tensor, u: Tensor, kept: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """∂L/∂a, keeping ∂L/∂h and ∂L/∂c."""
        gates = kept[1]
        slopes, partners, _, q, _ = LSTM._coefficients(kept)
        weight, forget = partners * slopes, gates[:, :, :, 1]
        da, dh, dc = torch.empty_like(gates), torch.empty_like(g), torch.empty_like(g)
        two, length, n, size = g.shape
        step, carried = g[:, -1], torch.zeros_like(g[:, 0])
        for t in range(length - 1, -1, -1):
            carried = torch.addcmul(carried, step, q[:, t])
            dh[:, t], dc[:, t] = step, carried
            at, w = da[:, t], weight[:, t]
            torch.mul(w[:, :, :3], carried[:, :, None], out=at[:, :, :3])
            torch.mul(w[:, :, 3], step, out=at[:, :, 3])
            if t:
                step = torch.baddbmm(g[:, t - 1], at.view(two, n, 4 * size), u)
                carried = carried * forget[:, t]
        return da.flatten(3), dh, dc

    @staticmethod
    def tangent(
        dp: Tensor, u: Tensor, du: Tensor, kept: tuple[Tensor, ...], back: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor]:
        """Both recursions, differentiated."""
        (states, gates, _), (da, dh, dc) = kept, back
        two, length, n, size = states.shape
        slopes, partners, squashed, q, _ = LSTM._coefficients(kept)
        weight, forget, ut = partners * slopes, gates[:, :, :, 1], u.transpose(1, 2)

        drive = dp + _apply(_before(states), du.transpose(1, 2))
        moved_a, moved_h, moved_c = torch.empty_like(gates), torch.empty_like(states), torch.empty_like(states)
        h = c = torch.zeros_like(states[:, 0])
        for t in range(length):
            a = torch.baddbmm(drive[:, t], h, ut).view(two, n, 4, size)
            moved_a[:, t] = a
            part = a * weight[:, t]
            c = torch.addcmul(part[:, :, :3].sum(2), c, forget[:, t])
            moved_c[:, t] = c
            h = torch.addcmul(part[:, :, 3], c, q[:, t])
            moved_h[:, t] = h

        moved_gates = slopes * moved_a
        bent = (1 - 2 * gates) * moved_gates
        bent[:, :, :, 2] = -2 * gates[:, :, :, 2] * moved_gates[:, :, :, 2]
        moved_squashed = (1 - squashed * squashed) * moved_c
        moved_partners = torch.stack(
            [moved_gates[:, :, :, 2], _before(moved_c), moved_gates[:, :, :, 0], moved_squashed], dim=3
        )
        moved_weight = moved_partners * slopes + partners * bent
        moved_q = (
            moved_gates[:, :, :, 3] * (1 - squashed * squashed) - 2 * gates[:, :, :, 3] * squashed * moved_squashed
        )

        upstream = torch.cat([dc[:, :, :, None].expand(-1, -1, -1, 3, -1), dh[:, :, :, None]], dim=3)
        bend, bend_c, bend_next = upstream * moved_weight, dh * moved_q, dc * moved_gates[:, :, :, 1]
        push = _apply(da, du)
        out = torch.empty_like(gates)
        step = carried = torch.zeros_like(states[:, 0])
        for t in range(length - 1, -1, -1):
            carried = torch.addcmul(carried + bend_c[:, t], step, q[:, t])
            at, w, b = out[:, t], weight[:, t], bend[:, t]
            at[:, :, :3] = torch.addcmul(b[:, :, :3], w[:, :, :3], carried[:, :, None])
            at[:, :, 3] = torch.addcmul(b[:, :, 3], w[:, :, 3], step)
            if t:
                step = torch.baddbmm(push[:, t], at.view(two, n, 4 * size), u)
                carried = torch.addcmul(bend_next[:, t], carried, forget[:, t])
        return moved_h, out.flatten(3)


class _Backward(torch.autograd.Function):
    """(g, p, U) → (∂L/∂p, ∂L/∂U), differentiable once more by the tangent pass."""

    @staticmethod
    def forward(ctx: Any, cell: type[Cell], g: Tensor, p: Tensor, u: Tensor, *kept: Tensor) -> tuple[Tensor, Tensor]:
        back = cell.backward(g, u, kept)
        ctx.cell, ctx.count = cell, len(kept)
        ctx.save_for_backward(u, *kept, *back)
        return back[0], _outer(back[0], _before(kept[0]))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, dp: Tensor, du: Tensor) -> tuple[Tensor | None, ...]:
        u, *rest = ctx.saved_tensors
        kept, back = tuple(rest[: ctx.count]), tuple(rest[ctx.count :])
        moved, out = ctx.cell.tangent(dp, u, du, kept, back)
        grad_u = _outer(out, _before(kept[0])) + _outer(back[0], _before(moved))
        return (None, moved, out, grad_u, *([None] * ctx.count))


class _Forward(torch.autograd.Function):
    """(p, U) → H."""

    @staticmethod
    def forward(ctx: Any, cell: type[Cell], p: Tensor, u: Tensor) -> Tensor:
        states, *others = cell.forward(p, u)
        ctx.cell = cell
        ctx.save_for_backward(p, u, states, *others)
        return states

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        p, u, *kept = ctx.saved_tensors
        # What is kept is a function of p and U; its part in the second derivative is inside the tangent pass already.
        grad_p, grad_u = _Backward.apply(ctx.cell, g, p, u, *(k.detach() for k in kept))
        return None, grad_p, grad_u


def sequence(cell: type[Cell], p: Tensor, u: Tensor) -> Tensor:
    """All states H (2, L, n, h) of `cell` on projected inputs `p` (2, L, n, G), recurrent weights `u` (2, G, h)."""
    return _Forward.apply(cell, p, u)  # type: ignore[no-any-return]
