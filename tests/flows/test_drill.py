"""Killed at a random moment and run again, a checkout ends as if nobody had killed anything."""

from __future__ import annotations

import random

import pytest

from tests.support import drill

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """The tiny project, its databases made, and the end of a run that nobody disturbed."""
    return drill.prepare(tmp_path_factory.mktemp("drill"), ("prepared",))


def test_prefect_killed_in_mid_run(base, tmp_path):
    """Its server is started again at the same address: the run goes on, ends well, and so does the next one."""
    kill = drill.Kill("prefect", log="build/expression/augment.log")
    played = drill.play(base, tmp_path, kill, random.Random(1))  # noqa: S311 - draws nothing

    assert played.passed, played
    assert (played.first, "Prefect has died; it is started again" in played.said) == (0, True)


def test_kill_at_a_random_moment(base, tmp_path):
    """One kill of the parent alone; `python -m tests.support.drill 20` plays every way of killing, many times."""
    draw = random.Random(3)  # noqa: S311 - a moment, no secret
    played = drill.play(base, tmp_path, drill.Kill("parent", draw.random()), draw)

    assert played.passed, played
