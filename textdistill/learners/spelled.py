"""Maxima over time in texts given as words of a dictionary: every word meets every filter row once, however often it
is read.

A window's score is a sum over its words, ⟨w_f, x_{t..t+k}⟩ = Σ_j ⟨w_{f,j}, E_{id_{t+j}}⟩, and a text has few different
words: 5,000 reviews of 200 words have 22,000. So the dictionary is multiplied with the filters' rows once, and a score
is a sum of k numbers that are looked up. It is the same function as `text_conv.search`, on a CPU three times as fast.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

# Words whose scores are held at once: with 100 filters 1 MB for each core, about its second-level cache (measured best
# between 1,600 and 3,200).
CHUNK_WORDS = 2400


def distinct(
    ids: Int[Tensor, "n length"], table: Float[Tensor, "v d"]
) -> tuple[Int[Tensor, "n length"], Float[Tensor, "u d"]]:
    """The rows of `table` that are used, the last (padding) always among them, and `ids` as rows of those."""
    used = torch.zeros(len(table), dtype=torch.bool, device=table.device)
    used[-1] = True
    used[ids.flatten().long()] = True
    place = used.cumsum(0, dtype=torch.int32) - 1
    return place.index_select(0, ids.flatten()).view_as(ids), table[used]


@torch.no_grad()
def search_words(
    ids: Int[Tensor, "n length"],
    table: Float[Tensor, "v d"],
    weights: Sequence[Tensor],
    lengths: Int[Tensor, " n"] | None = None,
    places: bool = True,
) -> tuple[Float[Tensor, "n f"], list[Int[Tensor, "n _"]]]:
    """The maximum over time of the filters of all `weights` (f, k, d), side by side, and where their windows begin.

    As `text_conv.search` of `table[ids]`, and as there from `lengths` on only padding may follow, of which a chunk of
    texts is spared what its longest does not need. No text may be shorter than the widest window. Without `places`
    the second is empty.
    """
    n, length = ids.shape
    widest = max(weight.shape[1] for weight in weights)
    ends = [length] * n if lengths is None else (lengths + widest).clamp_max(length).tolist()
    size = max(1, CHUNK_WORDS // length)
    values, starts = [], []
    memory = table.new_empty(len(table) * max(weight.shape[0] * weight.shape[1] for weight in weights))
    for weight in weights:
        filters, width, dimension = weight.shape
        rows = weight.transpose(0, 1).reshape(width * filters, dimension)
        projected = memory[: len(table) * len(rows)].view(len(table), len(rows))
        torch.mm(table, rows.t(), out=projected)
        # Row v k + j of this is word v with row j of every filter: a window is one bag of k such rows.
        projected = projected.view(len(table) * width, filters)
        row = torch.arange(width, dtype=ids.dtype, device=ids.device)
        value, start = ids.new_empty(n, filters, dtype=table.dtype), []
        for first in range(0, n, size):
            last = min(n, first + size)
            windows = ids[first:last, : max(ends[first:last])].unfold(1, width, 1)
            count, times = windows.shape[:2]
            bags = torch.add(row, windows, alpha=width).reshape(count * times, width)
            scores = F.embedding_bag(bags, projected, mode="sum").view(count, times, filters)
            if places:
                best, where = F.adaptive_max_pool1d(scores.transpose(1, 2), 1, return_indices=True)
                value[first:last] = best[:, :, 0]
                start.append(where[:, :, 0])
            else:
                torch.amax(scores, 1, out=value[first:last])
        values.append(value)
        starts.extend([torch.cat(start)] if places else [])
    return torch.cat(values, 1), starts
