"""Placement of a set for training: on the GPU if it fits, else batches that a thread copies there ahead of their use.

On a CPU nothing is moved and no thread is started.
"""

from __future__ import annotations

import dataclasses
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from pytorch_lightning import LightningDataModule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AHEAD = 2  # batches that are ready or on their way while one is used
CPU = torch.device("cpu")

Batches = TypeVar("Batches")


class PlacedData(LightningDataModule):
    """Data module that knows its process, and where its tensors belong."""

    resident_share = 0.25
    """Share of the device's free memory up to which a split is kept there."""

    @property
    def device(self) -> torch.device:
        """Device of the training; the CPU outside of one."""
        return self.trainer.strategy.root_device if self.trainer else CPU

    def process(self) -> tuple[int, int]:
        """Index of this process, and their number."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def home_of(self, size_bytes: int) -> torch.device:
        """The GPU for tensors that fit into its share, else the CPU."""
        if is_gpu(self.device) and size_bytes <= self.resident_share * free_bytes(self.device):
            return self.device
        return CPU

    def ahead(self, batches: Batches, home: torch.device) -> Batches | Prefetched:
        """The batches as they are, or copied ahead of their use if the training is on a GPU and they are not."""
        return Prefetched(batches, self.device) if is_gpu(self.device) and home == CPU else batches


def is_gpu(device: torch.device) -> bool:
    """True of a device with a memory of its own."""
    return device.type == "cuda"


def free_bytes(device: torch.device) -> int:
    """Free memory of a GPU."""
    return int(torch.cuda.mem_get_info(device)[0])


class Prefetched:
    """Batches on a device: a thread takes each from its source, and copies it there while the one before is used.

    On CUDA the copy goes through pinned memory and a stream of its own, beside the kernels of the step.

    Args:
        batches: Dataclasses with tensors in memory; an iteration is one pass.
        device: Where they are used.
    """

    def __init__(self, batches: Any, device: torch.device) -> None:  # noqa: ANN401  # iterable with a length
        self.batches, self.device = batches, device

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        made: SimpleQueue[Any] = SimpleQueue()
        room, ended = threading.Semaphore(AHEAD + 1), threading.Event()
        thread = threading.Thread(target=self._make, args=(made, room, ended), name="prefetch", daemon=True)
        thread.start()
        try:
            while (item := made.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield self._received(*item)
                room.release()
        finally:
            # The thread may be waiting for room: wake it, and let it see that nobody takes another batch.
            ended.set()
            room.release()
            thread.join()

    def _make(self, made: SimpleQueue[Any], room: threading.Semaphore, ended: threading.Event) -> None:
        try:
            stream = torch.cuda.Stream(self.device) if self.device.type == "cuda" else None  # type: ignore[no-untyped-call]  # torch's own
            for batch in self.batches:
                room.acquire()
                if ended.is_set():
                    return
                made.put(self._copied(batch, stream))
            made.put(None)
        except BaseException as error:  # noqa: BLE001  # raised again where the batch is taken
            made.put(error)

    def _copied(self, batch: Any, stream: torch.cuda.Stream | None) -> tuple[Any, torch.cuda.Event | None]:  # noqa: ANN401  # see __init__
        if stream is None:
            return _each(batch, lambda tensor: tensor.to(self.device)), None
        with torch.cuda.stream(stream):
            moved = _each(batch, lambda tensor: tensor.pin_memory().to(self.device, non_blocking=True))
            return moved, stream.record_event()

    def _received(self, batch: Any, ready: torch.cuda.Event | None) -> Any:  # noqa: ANN401  # see __init__
        """The batch, once the kernels that follow are ordered after its copy."""
        if ready is not None:
            current = torch.cuda.current_stream(self.device)
            current.wait_event(ready)
            # Its memory belongs to the other stream: do not use it again before these kernels are done.
            _each(batch, lambda tensor: tensor.record_stream(current))
        return batch


def _each(batch: Any, call: Callable[[torch.Tensor], Any]) -> Any:  # noqa: ANN401  # a dataclass
    """The batch with the result of a call in place of each tensor."""
    values = {field.name: getattr(batch, field.name) for field in dataclasses.fields(batch)}
    return dataclasses.replace(
        batch, **{name: call(value) for name, value in values.items() if isinstance(value, torch.Tensor)}
    )
