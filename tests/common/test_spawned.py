"""Work in spawned processes: beside the caller, in order, and ended with it."""

import os
import threading

import pytest

from common.spawned import beside

LATEST_S = 60.0


def process_and(item):
    """The process, and the item."""
    return os.getpid(), item


def wait_for(pipe):
    """Opens a pipe, as soon as somebody writes to it; leaves a file."""
    with pipe.open() as opened:
        opened.read()
    pipe.with_name("ended").touch()


def test_items_are_worked_on_in_one_other_process():
    """In their order."""
    with beside(process_and, ["a", "b"]) as results:
        (first, a), (second, b) = results()

    assert (a, b) == ("a", "b")
    assert first == second != os.getpid()


def test_the_work_ends_with_a_caller_that_is_stopped(tmp_path):
    """At once: an ingest may have minutes to go."""
    os.mkfifo(pipe := tmp_path / "pipe")
    late = threading.Timer(LATEST_S, pipe.write_text, ["the work goes on"])  # lets a process go that was not ended
    late.daemon = True
    late.start()
    with pytest.raises(SystemExit), beside(wait_for, [pipe]):
        raise SystemExit
    late.cancel()

    assert not (tmp_path / "ended").exists()
