"""Reliable checkpoints: written atomically, sealed with a checksum, and verified before use.

A file consists of the output of `torch.save` followed by the checksum, which `torch.load` ignores. The last two are
kept in addition to the best.
"""

from __future__ import annotations

import hashlib
import io
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning_fabric.plugins.io.checkpoint_io import CheckpointIO
from pytorch_lightning.callbacks import ModelCheckpoint

from rushes.errors import UserError
from training import storage
from training.storage import place_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from training.storage import Place

LAST, PREVIOUS, BEST = "last.ckpt", "previous.ckpt", "best.ckpt"
SEAL = b"sha256:"
SEAL_BYTES = len(SEAL) + 2 * hashlib.sha256().digest_size


class DamagedCheckpointError(UserError):
    """Checkpoint that cannot be used; the message gives the reason."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "run again: what is damaged is passed over")


class KeptCheckpoint(ModelCheckpoint):
    """Checkpoint callback with a fixed name in a folder; its record of the best epoch stays valid if the folder moves.

    Lightning's own callback loses the best score if the checkout has moved, and treats the next epoch as the best one.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores the state from a checkpoint that may have been written under another path."""
        moved = {name: self._here(state_dict[name]) for name in ("best_model_path", "kth_best_model_path")}
        scores = {self._here(path): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict(state_dict | moved | {"dirpath": self.dirpath, "best_k_models": scores})

    def _here(self, path: str) -> str:
        return os.path.join(self.dirpath or "", Path(path).name) if path else ""  # noqa: PTH118  # it may be on S3


def kept_checkpoints(folder: Place, monitor: str, mode: str) -> list[ModelCheckpoint]:
    """Callbacks that save the weights of the best epoch (the first callback) and of the last one, after every epoch.

    Lightning's own `save_last` would write the last checkpoint only in epochs that are the best so far.

    Args:
        folder: Folder of the checkpoints.
        monitor: The figure that decides.
        mode: `min`, `max`, or `last`: the last epoch is the best one.
    """
    kept = partial(KeptCheckpoint, str(folder), enable_version_counter=False)
    if mode == "last":
        return [kept(Path(BEST).stem, save_last=True)]
    return [kept(Path(BEST).stem, monitor=monitor, mode=mode), kept(Path(LAST).stem)]


class SealedCheckpointIO(CheckpointIO):
    """Writes checkpoints atomically in their own folder, with a checksum; the previous last one is kept.

    Lightning's own implementation writes to the system's temporary folder and moves the file, which is not atomic
    between file systems, and does not wait for the disk.
    """

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | os.PathLike[str],
        storage_options: object = None,
    ) -> None:
        """Writes a checkpoint; Lightning calls this only in the first process."""
        del storage_options
        target = place_of(path)
        storage.replace(target, sealed(checkpoint), PREVIOUS if target.name == LAST else "")

    def load_checkpoint(
        self,
        path: str | os.PathLike[str],
        map_location: Any = None,  # noqa: ANN401  # Lightning's own
        weights_only: bool | None = None,  # Lightning's own
    ) -> dict[str, Any]:
        """Reads a checkpoint; unpickles only tensors and plain values, whatever the arguments.

        Raises:
            DamagedCheckpointError: The checkpoint does not match its checksum.
        """
        del weights_only
        return read(place_of(path), map_location)

    def remove_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Removes a checkpoint."""
        storage.remove(place_of(path))


def sealed(checkpoint: Mapping[str, Any]) -> bytes:
    """Bytes of a checkpoint followed by their checksum."""
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    digest = hashlib.sha256(buffer.getbuffer()).hexdigest()
    buffer.seek(0, os.SEEK_END)
    buffer.write(SEAL + digest.encode())
    return buffer.getvalue()


def read(path: Place, map_location: Any = "cpu") -> dict[str, Any]:  # noqa: ANN401  # as torch.load takes it
    """Reads a checkpoint and verifies its checksum.

    Raises:
        DamagedCheckpointError: The file cannot be read or does not match its checksum.
        StorageError: S3 cannot be used.
    """
    try:
        content = storage.read(path)
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror or error}"
        raise DamagedCheckpointError(message) from error
    body, seal = content[:-SEAL_BYTES], content[-SEAL_BYTES:]
    if seal != SEAL + hashlib.sha256(body).hexdigest().encode():
        message = f"{path} is damaged: its {len(content):,} bytes do not match their checksum"
        raise DamagedCheckpointError(message)
    loaded: dict[str, Any] = torch.load(io.BytesIO(body), map_location=map_location, weights_only=True)
    return loaded


def epochs_done(folder: Place) -> int | None:
    """Number of epochs in the newest intact checkpoint of a folder; None if there is none."""
    for name in (LAST, PREVIOUS):
        try:
            return int(read(folder / name)["epoch"]) + 1
        except DamagedCheckpointError:
            continue
    return None
