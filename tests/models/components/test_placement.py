"""Sets that fit are kept on the device; of others a thread copies batches ahead, in order, and ends when it should."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
import torch

from models.components import placement
from models.components.batches import Batch, PackedPictures, Shuffled
from models.components.placement import AHEAD, CPU, Prefetched
from models.expression.params import TrainParams
from tests.support.sets import small_set

DEVICES = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
PARAMS = TrainParams(batch_size=16, norm_samples=16)


class FailingError(Exception):
    """Represents a disk that fails."""


class Counted:
    """Batches of one number each; counts those that were taken."""

    def __init__(self, count: int, *, fails: bool = False) -> None:
        self.count, self.fails = count, fails
        self.taken = threading.Semaphore(0)

    def __len__(self) -> int:
        return self.count

    def __iter__(self):
        for step in range(self.count):
            self.taken.release()
            yield Batch(torch.full((2, 1, 1, 1), step, dtype=torch.uint8), torch.ones(2, 1), 0, step)
        if self.fails:
            raise FailingError


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


@DEVICES
def test_batches_arrive_in_order_with_all_that_they_have(device):
    """Texts of a scene too; the same ones in each pass."""
    pictures_nhwc = torch.arange(64, dtype=torch.uint8).view(64, 1, 1, 1)
    source = Shuffled(pictures_nhwc, torch.eye(64), 16, 16, seed=0, extra=torch.arange(64.0)[:, None])
    ahead = Prefetched(source, torch.device(device))

    for _ in range(2):
        for ours, theirs in zip(ahead, source, strict=True):
            assert ours.pictures_nhwc.device.type == device
            for part in ("pictures_nhwc", "targets_nl", "extra"):
                assert torch.equal(getattr(ours, part).cpu(), getattr(theirs, part))
            assert (ours.step, ours.first_chunk) == (theirs.step, theirs.first_chunk)
    assert len(ahead) == len(source) == 4
    assert not threads()


@DEVICES
def test_a_slow_step_is_not_overrun(device):
    """While a batch is used, only so many are taken from the source."""
    source = Counted(20)
    steps = iter(Prefetched(source, torch.device(device)))
    next(steps)
    taken = [source.taken.acquire(timeout=10) for _ in range(AHEAD + 2)]  # the last one waits for room

    assert all(taken)
    assert not source.taken.acquire(timeout=0.2)
    steps.close()
    assert not threads()


def test_an_error_of_the_source_is_raised_where_it_is_used():
    """After the batches before it."""
    got = []
    with pytest.raises(FailingError):
        got.extend(batch.step for batch in Prefetched(Counted(3, fails=True), CPU))

    assert got == [0, 1, 2]
    assert not threads()


@pytest.mark.parametrize(("share", "kept"), [(1.0, True), (0.5, True), (0.01, False), (0.0, False)])
def test_a_set_is_kept_on_the_device_if_it_fits(share, kept, tmp_path, monkeypatch):
    """Images and targets together: 24 of 16x16 pixels with three float32 each need 6,432 bytes of 10,000."""
    monkeypatch.setattr(placement, "is_gpu", lambda _device: True)
    monkeypatch.setattr(placement, "free_bytes", lambda _device: 12_864)
    data = PackedPictures(small_set(tmp_path / "set", {"train": 8, "validation": 8}), PARAMS)
    data.trainer = SimpleNamespace(
        strategy=SimpleNamespace(root_device=torch.device("meta")), global_rank=0, world_size=1, current_epoch=0
    )
    data.resident_share = share
    loader = data.train_dataloader()

    assert isinstance(loader, Prefetched) != kept
    batches = loader if kept else loader.batches
    assert {batches.pictures_nhwc.device.type, batches.targets_nl.device.type} == {"meta" if kept else "cpu"}


def test_on_a_cpu_there_is_no_thread(tmp_path):
    """The set stays memory-mapped."""
    data = PackedPictures(small_set(tmp_path / "set", {"train": 8, "validation": 8}), PARAMS)
    data.resident_share = 0.0

    assert isinstance(data.train_dataloader(), Shuffled)
