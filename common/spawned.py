"""Work on many items in processes of one thread each, with a result that does not depend on their number."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
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


@contextmanager
def beside(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Callable[[], list[Result]]]:
    """Works on items in a process of its own while the caller works; yields a function that waits for the results.

    The process has no progress bars, which would overwrite those of the caller. It is ended where the block fails.

    Args:
        work: A function that can be pickled.
        items: The items, one after another.
    """
    spawned, others = multiprocessing.get_context("spawn"), set(multiprocessing.active_children())
    with ProcessPoolExecutor(1, spawned, initializer=_set_up_quiet_worker) as pool:
        done = [pool.submit(work, item) for item in items]
        own = set(multiprocessing.active_children()) - others
        try:
            yield lambda: [one.result() for one in done]
        except BaseException:
            for process in own:
                process.terminate()
            raise
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


def _set_up_quiet_worker() -> None:
    _set_up_worker()
    sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # as long as the process


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
