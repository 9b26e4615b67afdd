import os

import pytest
import torch

from flows.data import PATIENCE_S, await_copies, resumes
from registry.key import stage_key
from tests.support.repos import code_repo


def test_resume_is_told_of_this_very_training(tmp_path):
    """The next epoch, as people count; a checkpoint of other params is none, and without deps nobody knows."""
    tree, state = code_repo(tmp_path / "tree"), tmp_path / "state"
    without_data = resumes(tree, state, "train@expression")
    (tree / "build/clean/faces").mkdir(parents=True)
    folder = state / "checkpoints/expression" / stage_key(tree, "train", "expression")[:16]
    folder.mkdir(parents=True)
    torch.save({"epoch": 4}, folder / "last.ckpt")
    told = resumes(tree, state, "train@expression")
    other = resumes(tree, state, "compress@expression")
    (tree / "params.yaml").write_text((tree / "params.yaml").read_text().replace("epochs: 3", "epochs: 4"))

    assert (without_data, told, other) == ("", "resumes at epoch 6", "")
    assert resumes(tree, state, "train@expression") == ""


@pytest.mark.parametrize(("endless", "seconds"), [(False, 50), (True, PATIENCE_S)])
def test_copy_under_way_is_waited_for(tmp_path, endless, seconds):
    """Until a minute after its last byte; what goes on for longer is left. What lies there for long holds up nobody."""
    file, clock = tmp_path / "inbox/faces/day-2/1.png", [1000.0]
    file.parent.mkdir(parents=True)
    file.touch()
    os.utime(file, (990, 990))

    def wait(seconds):
        clock[0] += seconds
        if endless:
            os.utime(file, (clock[0], clock[0]))

    await_copies(tmp_path, {"collections": {"faces": {}}}, lambda: clock[0], wait)
    assert clock[0] == 1000 + seconds

    os.utime(file, (1, 1))
    await_copies(tmp_path, {"collections": {"faces": {}}}, lambda: clock[0], pytest.fail)
