"""Work that falls into independent pieces: spread over the processes of a group, and over the cores of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

from textdistill.core.processes import by_itself, count, lists_of_processes, own_share

Item = TypeVar("Item")
Result = TypeVar("Result")


def over_processes(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """`work` of every item, in order: each process does its share, and has the results of all.

    A single item is everybody's: whatever it spreads is spread then.
    """
    return _shared(lambda own: [work(item) for item in own], items)


def over_cores(work: Callable[[Item], Result], items: Sequence[Item], alone: bool = False) -> list[Result]:
    """`over_processes`, and in each of them as many at once as torch may use threads there, which they share.

    For pieces whose products are too small to be worth sharing: two pieces side by side keep two cores busy, where two
    threads of one product wait for each other. Within a piece it spreads over that piece's share of the threads.
    `alone` gives a piece one thread even where more are free: on cores that others use as well, two threads of small
    products took twenty times as long as one.
    The first fault is raised, and what has not begun by then never does.
    """
    return _shared(lambda own: _over_threads(work, own, alone), items)


def _shared(work: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item]) -> list[Result]:
    if count() == 1 or len(items) == 1:
        return work(items)
    share = own_share(len(items))
    with by_itself():
        own = work([items[number] for number in share])
    return lists_of_processes(own)


def _over_threads(work: Callable[[Item], Result], items: Sequence[Item], alone: bool) -> list[Result]:
    threads = torch.get_num_threads()
    if threads == 1 or not items or (len(items) == 1 and not alone):
        return [work(item) for item in items]
    together = min(threads, len(items))
    share = 1 if alone else threads // together

    def begin() -> None:
        torch.set_num_threads(share)
        threadpool_limits(limits=share, user_api="openmp")  # scikit-learn's loops, a number of this thread's own

    def one(item: Item) -> Result:
        with by_itself():  # threads cannot agree with those of other processes on who speaks when
            return work(item)

    pool = ThreadPoolExecutor(together, initializer=begin)
    try:
        # NumPy's products have one pool of threads for all: two pieces that both want it wait for each other, spinning.
        with threadpool_limits(limits=share, user_api="blas"):
            return list(pool.map(one, items))
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # what new threads begin with is everybody's, unlike a thread's own number
