"""Processes that train together resume from the same checkpoint, or report why they cannot."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from flows.servers.servers import free_port
from models.expression.definition import family
from models.expression.params import TrainParams
from rushes.errors import TransientError, UserError
from tests.support.sets import small_set
from tests.training.test_fit import CPU, ROOT, SMALL, DieAt, KilledError
from training import storage
from training.checkpoints import LAST, PREVIOUS, sealed
from training.fit import fit
from training.resume import ResumePoint, ResumeTogether

PARAMS = TrainParams(**SMALL | {"epochs": 5})
MARK = ".shared-of-the-first"


def second(folder, chosen, *, first_is_elsewhere=False):
    """Trainer of the second process, as the first one has chosen."""
    if not first_is_elsewhere:
        storage.replace(folder / MARK, b"")
    agreed = SimpleNamespace(broadcast=lambda _: (MARK, chosen), reduce_boolean_decision=lambda own: own)
    return SimpleNamespace(world_size=2, is_global_zero=False, strategy=agreed)


def test_the_first_process_alone_removes_what_is_damaged(place):
    """The others may still be reading."""
    storage.replace(place / LAST, b"")
    point = ResumePoint(place, PREVIOUS, 3, {LAST: "last.ckpt is damaged"})
    ResumeTogether(point).setup(second(place, (PREVIOUS, 3)), None, "fit")
    assert storage.exists(place / LAST)
    ResumeTogether(point).setup(SimpleNamespace(world_size=1, is_global_zero=True), None, "fit")

    assert not storage.exists(place / LAST)


def test_former_files_of_a_network_file_system_are_transient(place):
    """A process that resumed from another epoch would wait for the others for ever."""
    storage.replace(place / LAST, sealed({"epoch": 1}))
    with pytest.raises(TransientError, match="the first one"):
        ResumeTogether(ResumePoint(place, LAST, 2)).setup(second(place, (LAST, 3)), None, "fit")

    ResumeTogether(ResumePoint(place, LAST, 3)).setup(second(place, (LAST, 3)), None, "fit")  # a minute later


def test_a_folder_of_its_own_is_refused(place):
    """Otherwise each process would find no best weights at the end; in a folder that both reach it goes on."""
    start = ResumeTogether(ResumePoint(place))
    with pytest.raises(UserError, match="not all processes find the first one's files") as caught:
        start.setup(second(place, ("", 0), first_is_elsewhere=True), None, "fit")

    assert caught.value.remedy == "set training.storage to a folder or s3:// address that every node reaches"
    start.setup(second(place, ("", 0)), None, "fit")


def two_processes(folder, outs):
    """Status and log of two processes that are started from outside, as torchrun does."""
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    words = [sys.executable, ROOT / "tests/support/fit_script.py", folder / "set", PARAMS.model_dump_json()]
    ranks = [{"LOCAL_RANK": str(rank), "NODE_RANK": "0", "RANK": str(rank), "WORLD_SIZE": "2"} for rank in range(2)]
    running = [
        subprocess.Popen(
            [*words, out, "-1", "2"],
            env=os.environ | address | rank | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for out, rank in zip(outs, ranks, strict=True)
    ]
    return [(process.communicate(timeout=240)[0], process.returncode) for process in running]


@pytest.mark.slow
def test_processes_started_by_another_program_resume_together(tmp_path):
    """From the checkpoint before the damaged one; where each has a folder of its own, both end at once."""
    samples, broken = small_set(tmp_path / "set", {"train": 48, "validation": 16}), tmp_path / "broken"
    with pytest.raises(KilledError):
        fit(family, PARAMS, samples, broken / "ck", devices=CPU, callbacks=[DieAt(3)])
    (broken / "ck" / LAST).write_bytes(b"")
    apart = two_processes(tmp_path, [broken, tmp_path / "elsewhere"])
    assert (broken / "ck" / LAST).exists()
    together = two_processes(tmp_path, [broken, broken])

    assert all(status and "not all processes find" in log for log, status in apart), apart
    assert [status for _, status in together] == [0, 0], together
    lines = [line for log, _ in together for line in log.splitlines() if line.startswith(("checkpoint: ", "epoch "))]
    assert f"{LAST} is damaged" in lines[0]
    assert [line.split()[1] for line in lines[1:]] == ["3", "4", "5"]
