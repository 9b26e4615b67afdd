"""Progress lines of a training."""

import re
from types import SimpleNamespace

import pytest

from models.expression.definition import family
from models.expression.params import TrainParams
from tests.support.sets import small_set
from tests.training.test_fit import CPU, SMALL
from training.fit import fit
from training.monitoring.pace import Pace
from training.monitoring.time_left import left, span

TRAINER = SimpleNamespace(current_epoch=2, is_global_zero=True)


def lines_of(steps_s):
    """The lines logged for steps of these durations."""
    now, lines = [0.0], []
    pace = Pace(lambda: now[0], lines.append)
    for taken_s in steps_s:
        pace.on_train_batch_start()
        now[0] += taken_s
        pace.on_train_batch_end(TRAINER)
    return lines


def test_steps_of_three_times_their_usual_are_reported_once():
    """At the beginning of a slowdown, with both figures, and at that of the next one."""
    usual, slow = [0.04] * 40, [0.2] * 60

    assert lines_of(usual + slow) == [
        "epoch 3: steps take 200 ms, 5.0 times their usual 40 ms: this machine is busy with something else\n"
    ]
    assert len(lines_of(usual + slow + usual + slow)) == 2


@pytest.mark.parametrize("steps_s", [[0.1] * 100, [0.04] * 40 + [0.1] * 40, ([0.04] * 19 + [3.0]) * 5])
def test_what_is_usual_is_not_reported(steps_s):
    """Nor are steps twice as slow, nor a single step that waited for a disk."""
    assert lines_of(steps_s) == []


def test_the_time_that_is_left_follows_from_the_pace():
    """From the epochs of this process; none at the end, or before the first."""
    assert left(2, 10, 60.0) == "about 4 min left"
    assert (left(0, 10, 60.0), left(10, 10, 60.0)) == ("", "")
    assert [span(seconds) for seconds in (40, 200, 4900)] == ["40 s", "3 min", "1 h 21 min"]


def test_every_epoch_but_the_last_logs_the_time_left(tmp_path, capsys):
    """In the stage's log, after the figures."""
    samples = small_set(tmp_path / "set", {"train": 16, "validation": 8})
    fit(family, TrainParams(**SMALL), samples, tmp_path / "ck", devices=CPU, title="student 8: ")
    line = re.compile(r"^student 8: epoch (\d) of 3  train/loss .*?(about \d+ s left)?$", re.MULTILINE)
    lines = line.findall(capsys.readouterr().out)

    assert [(epoch, bool(rest)) for epoch, rest in lines] == [("1", True), ("2", True), ("3", False)]
