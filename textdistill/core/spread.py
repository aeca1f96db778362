"""Work that falls into independent pieces, spread over the cores: several at once, each with its share of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

Item = TypeVar("Item")
Result = TypeVar("Result")


def over_cores(work: Callable[[Item], Result], items: Sequence[Item], alone: bool = False) -> list[Result]:
    """`work` of every item, in order; as many at once as torch may use threads here, which they share.

    For pieces whose products are too small to be worth sharing: two pieces side by side keep two cores busy, where two
    threads of one product wait for each other. Within a piece it spreads over that piece's share of the threads.
    `alone` gives a piece one thread even where more are free: on cores that others use as well, two threads of small
    products took twenty times as long as one.
    The first fault is raised, and what has not begun by then never does.
    """
    threads = torch.get_num_threads()
    if threads == 1 or not items or (len(items) == 1 and not alone):
        return [work(item) for item in items]
    count = min(threads, len(items))
    share = 1 if alone else threads // count

    def begin() -> None:
        torch.set_num_threads(share)
        threadpool_limits(limits=share, user_api="openmp")  # scikit-learn's loops, a number of this thread's own

    pool = ThreadPoolExecutor(count, initializer=begin)
    try:
        # NumPy's products have one pool of threads for all: two pieces that both want it wait for each other, spinning.
        with threadpool_limits(limits=share, user_api="blas"):
            return list(pool.map(work, items))
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # what new threads begin with is everybody's, unlike a thread's own number
