"""A checkout killed at a random moment and run again ends like an undisturbed one."""

from __future__ import annotations

import random

import pytest

from tests.support import drill

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """The tiny project with its databases, and the end of an undisturbed run."""
    return drill.prepare(tmp_path_factory.mktemp("drill"), ("prepared",))


def test_prefect_killed_in_mid_run(base, tmp_path):
    """Its server is restarted at the same address: the run continues and succeeds, and so does the next one."""
    kill = drill.Kill("prefect", log="build/expression/augment.log")
    played = drill.play(base, tmp_path, kill, random.Random(1))  # noqa: S311 - not used to draw

    assert played.passed, played
    assert (played.first, "Prefect has died; it is started again" in played.output) == (0, True)


def test_kill_at_a_random_moment(base, tmp_path):
    """One kill of the parent alone; `python -m tests.support.drill 20` covers all kinds of kills, many times."""
    draw = random.Random(3)  # noqa: S311 - a moment, not a secret
    played = drill.play(base, tmp_path, drill.Kill("parent", draw.random()), draw)

    assert played.passed, played
