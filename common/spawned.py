"""Work on many items in processes of one thread each, with a result that does not depend on their number."""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import cv2

from common.memory import keep_freed_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Item = TypeVar("Item")
Result = TypeVar("Result")


def each(
    work: Callable[[Item], Result], items: Sequence[Item], workers: int | None = None, chunk: int = 1
) -> Iterator[Result]:
    """Results of the items, in their order.

    Args:
        work: A function that can be pickled.
        items: The items.
        workers: Number of spawned processes; by default one for each available processor. With 1, this process works.
        chunk: Number of items that a process takes at a time.
    """
    workers = min(workers or processors(), len(items))
    if workers <= 1:
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        try:
            yield from map(work, items)
        finally:
            cv2.setNumThreads(threads)
        return
    spawned = multiprocessing.get_context("spawn")  # a fork would inherit the locks of other threads
    with ProcessPoolExecutor(workers, spawned, initializer=_set_up_worker) as pool:
        try:
            yield from pool.map(work, items, chunksize=chunk)
        finally:
            pool.shutdown(cancel_futures=True)


def processors() -> int:
    """Number of processors available to this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _set_up_worker() -> None:
    """Sets a worker to one thread, and ends it with its parent: a pool's workers outlive a killed parent."""
    cv2.setNumThreads(1)
    keep_freed_memory()
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
