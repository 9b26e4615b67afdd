"""An ingest killed at any point ends in the same state when repeated."""

import itertools
import os
import shutil
import sys

import cv2
import pytest

from curation.ingest import inbox, ingest
from tests.curation.planted import LATER, PARAMS, fill_inbox, picture, plant, state

CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir")


def die_before(step):
    """Ends this process, as if killed, right before the step-th change to the disk."""
    steps = itertools.count(1)

    def hook(event, _):
        if event in CHANGES and next(steps) == step:
            os._exit(9)

    sys.addaudithook(hook)


def run(act, step):
    """Runs a function in a process that dies before a step; returns True if it reached the end."""
    child = os.fork()
    if child == 0:
        die_before(step)
        try:
            act()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def changes_that_may_be_killed(tmp_path, prepare):
    """Kills an act before each change to the disk, in a new folder each time, and repeats it: all end in one state.

    Args:
        tmp_path: Where the new folders are made.
        prepare: Fills a new folder, and returns the act there.

    Returns:
        Number of tries, the last of which reached the end.
    """
    ends, finished = [], False
    cv2.setNumThreads(1)  # a fork may copy a lock of OpenCV's threads in mid-use, and then waits for ever
    for step in itertools.count(1):
        if finished:
            break
        place = tmp_path / str(step)
        act = prepare(place)
        finished = run(act, step)
        act()
        ends.append({file.removeprefix(str(place)): lines for file, lines in state(place).items()})
    cv2.setNumThreads(-1)
    for number, end in enumerate(ends, 1):
        assert end == ends[-1], f"killed before change {number}"
    return len(ends)


def act_on(root, folder, kind):
    """An ingest with names and faults over a starter, or an inbox."""
    if kind == "inbox":
        return lambda: inbox(root, "faces", PARAMS, now=LATER)
    return lambda: ingest(folder, root, "faces", PARAMS, layout="{label}/{performer}/*")


def make(place, kind):
    """A checkout before the task, and a folder to ingest."""
    root, folder = place / "checkout", place / "cast"
    root.mkdir(parents=True)
    for label, name in itertools.product(("happy", "sad"), ("Ann", "Bob", "Cid")):
        picture(folder / label / name / "1.png", len(label) * 10 + ord(name[0]))
    (folder / "sad" / "Ann" / "bad.png").write_text("no picture", encoding="utf-8")
    ingest(plant(place / "drawn", 3), root, "faces", PARAMS, source="starter", starter=True)
    if kind == "inbox":
        fill_inbox(root)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["path", "inbox"])
def test_killed_anywhere_and_run_again_ends_in_the_same_state(tmp_path, monkeypatch, kind):
    """Before each single change to the disk, one after another."""
    monkeypatch.setattr("os.fsync", lambda _: None)  # a kill does not affect the disk's cache
    ids = {"ann": "p-1", "bob": "p-2", "cid": "p-3", "dee": "p-4"}
    monkeypatch.setattr(
        "curation.intake.pseudonyms.People.id_of",
        lambda self, name: name and self.ids.setdefault(name.casefold(), ids[name.casefold()]),
    )
    make(tmp_path / "before", kind)

    def prepare(place):
        shutil.copytree(tmp_path / "before", place)
        return act_on(place / "checkout", place / "cast", kind)

    assert changes_that_may_be_killed(tmp_path, prepare) > 20
