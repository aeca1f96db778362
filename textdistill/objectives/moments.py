"""What statistics of a class are matched: rows by class, their means and covariances."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from textdistill.core.batch import Batch, RealData
from textdistill.core.errors import RecipeError
from textdistill.core.processes import count, own_share, sum_over_processes
from textdistill.core.schedule import Draw, Outcome, Synthetic

Rows = TypeVar("Rows")


def whole_set(synthetic: Synthetic) -> list[Draw]:
    """The draws of one epoch of the schedule: every batch of the set once."""
    draws: list[Draw] = []
    seen: set[int] = set()
    for step in range(synthetic.length):
        draw = synthetic.draw(step)
        if draw.batch.inputs.data_ptr() in seen:
            break  # a later epoch shows the same numbers again
        seen.add(draw.batch.inputs.data_ptr())
        draws.append(draw)
    return draws


def matched_rows(
    synthetic: Synthetic, real: RealData, most: int, rng: torch.Generator
) -> tuple[list[Draw], dict[int, Int[Tensor, " b"]]]:
    """The whole set, and up to `most` real rows of each class that it has samples of, drawn without replacement.

    A sample belongs to the class of its largest label. Errors: `RecipeError` where no class has both.
    """
    rows, draws = rows_by_class(real, most, rng), whole_set(synthetic)
    present = set(torch.cat([draw.batch.targets for draw in draws]).argmax(1).tolist())
    rows = {label: found for label, found in rows.items() if label in present}
    if not rows:
        raise RecipeError(["synthetic: no sample belongs to a class that has real rows; nothing can be matched"])
    return draws, rows


def taught_leaves(draws: Sequence[Draw], trains: frozenset[str]) -> list[Tensor]:
    """The leaves of the draws that an objective trains, draw by draw."""
    return [leaf for draw in draws for name, leaf in draw.leaves().items() if name in trains]


def sent_back(loss: float, gradients: Iterable[Tensor], draws: Sequence[Draw], trains: frozenset[str]) -> Outcome:
    """The outcome of a loss with these gradients at the `taught_leaves`."""
    following = iter(gradients)
    by_step = [
        (draw.step, {name: next(following) for name in draw.leaves() if name in trains})  # in the order of the leaves
        for draw in draws
    ]
    return Outcome(loss, by_step)


def differentiated(loss: Tensor, draws: Sequence[Draw], trains: frozenset[str]) -> Outcome:
    """The loss and its gradients at those leaves of the draws that the objective trains.

    Of several processes each has the loss of its own classes (`own_classes`); all are added.
    """
    leaves = taught_leaves(draws, trains)
    if loss.requires_grad:
        gradients = torch.autograd.grad(loss, leaves, allow_unused=count() > 1, materialize_grads=count() > 1)
    else:  # more processes than classes
        gradients = tuple(torch.zeros_like(leaf) for leaf in leaves)
    loss, *totals = sum_over_processes([loss.detach(), *gradients])
    return sent_back(float(loss), totals, draws, trains)


def own_classes(rows: Mapping[int, Rows]) -> dict[int, Rows]:
    """The classes of `rows` that are this process's share."""
    labels = list(rows)
    return {labels[number]: rows[labels[number]] for number in own_share(len(labels))}


def joined(batches: Sequence[Batch]) -> Batch:
    """The rows of several batches as one; those without weights weigh alike."""
    if len(batches) == 1:
        return batches[0]
    weights = None
    if any(batch.weights is not None for batch in batches):
        weights = torch.cat([_weights(batch) for batch in batches])
    masks = [batch.mask for batch in batches if batch.mask is not None]
    return Batch(
        torch.cat([batch.inputs for batch in batches]),
        torch.cat([batch.targets for batch in batches]),
        weights,
        torch.cat(masks) if len(masks) == len(batches) else None,
    )


def _weights(batch: Batch) -> Tensor:
    return batch.targets.new_full((len(batch),), 1 / len(batch)) if batch.weights is None else batch.weights


def part_of(batch: Batch, rows: Int[Tensor, " b"] | slice) -> Batch:
    """These rows of a batch."""
    return Batch(
        batch.inputs[rows],
        batch.targets[rows],
        None if batch.weights is None else batch.weights[rows],
        None if batch.mask is None else batch.mask[rows],
    )


@runtime_checkable
class ChoosesRows(Protocol):
    """Real data that say themselves which rows stand for each class."""

    def rows_by_class(self, most: int, rng: torch.Generator) -> dict[int, Int[Tensor, " b"]]:
        """Up to `most` rows of every class that has any."""
        ...


def rows_by_class(real: RealData, most: int, rng: torch.Generator) -> dict[int, Int[Tensor, " b"]]:
    """Up to `most` rows of every class that has any: the data's own choice, else drawn without replacement."""
    if isinstance(real, ChoosesRows):
        return real.rows_by_class(most, rng)
    chosen = {}
    for label in range(len(real.classes)):
        rows = torch.nonzero(real.labels.cpu() == label)[:, 0]
        if len(rows):
            chosen[label] = rows[torch.randperm(len(rows), generator=rng)[:most]]
    return chosen


def shares(batch: Batch) -> Float[Tensor, "c n"]:
    """The share of each row in the mean of its class, the largest target's: its weight over that of the whole class."""
    members = torch.nn.functional.one_hot(batch.targets.detach().argmax(1), batch.targets.shape[1])
    weighted = members.t().to(batch.targets) * _weights(batch)
    return weighted / weighted.sum(1, keepdim=True).clamp_min(torch.finfo(weighted.dtype).tiny)


def class_means(values: Tensor, share: Float[Tensor, "c n"]) -> Float[Tensor, "c f"]:
    """μ_c = Σ_i a_ci v_i for rows v_i of any shape, flattened."""
    return share @ values.flatten(1)


def class_covariance(
    values: Float[Tensor, "n f"], share: Float[Tensor, " n"], mean: Float[Tensor, " f"]
) -> Float[Tensor, "f f"]:
    """Σ_i a_i (v_i − μ)(v_i − μ)ᵀ: of one row alone it is zero."""
    centred = values - mean
    return (centred * share[:, None]).t() @ centred
