"""Work that falls into independent pieces, spread over the cores: several at once, each with its share of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


def over_cores(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """`work` of every item, in order; as many at once as torch may use threads here, which they share.

    For pieces whose products are too small to be worth sharing: two pieces side by side keep two cores busy, where two
    threads of one product wait for each other. Within a piece it spreads over that piece's share of the threads.
    The first fault is raised, and what has not begun by then never does.
    """
    threads = torch.get_num_threads()
    if threads == 1 or len(items) < 2:
        return [work(item) for item in items]
    # A thread's number of threads is its own, but the number that new threads begin with is everybody's.
    count = min(threads, len(items))
    pool = ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(threads // count,))
    try:
        return list(pool.map(work, items))
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)
