"""Records of a store that several processes change at once."""

import threading
from functools import partial

import pytest

from rushes.store import records, swap_backs
from rushes.store.records import read_records, record_pull
from rushes.store.swap_backs import SwapBack, add_swap_back, read_swap_backs

LATE_S = 0.3  # within which another writer would be done, if it did not wait


@pytest.fixture
def meanwhile(monkeypatch):
    """Runs a writer, and another one that begins once the first has read, by the name of the reader in a module."""
    threads = []

    def run(module, name, write, other):
        read = getattr(module, name)

        def and_begin(*given):
            found = read(*given)
            if not threads:
                threads.append(threading.Thread(target=other))
                threads[0].start()
                threads[0].join(LATE_S)
            return found

        monkeypatch.setattr(module, name, and_begin)
        write()
        threads[0].join()

    return run


def test_two_pulls_at_once_are_both_recorded(tmp_path, meanwhile):
    """As of a capture and a person."""
    for name in ("v7", "v8"):
        (tmp_path / name).mkdir()
    first, second = (partial(record_pull, tmp_path, name, "here", {}) for name in ("v7", "v8"))
    meanwhile(records, "read_records", first, second)

    assert set(read_records(tmp_path).pulled) == {"v7", "v8"}


def test_two_swap_backs_at_once_are_both_remembered(tmp_path, meanwhile):
    """Of two captures that follow different aliases."""
    one = SwapBack(version=8, digest="0123456789ab", when="2031-05-01", why="slow")
    first, second = (partial(add_swap_back, tmp_path, alias, one) for alias in ("a", "b"))
    meanwhile(swap_backs, "read_swap_backs", first, second)

    assert set(read_swap_backs(tmp_path)) == {"a", "b"}
