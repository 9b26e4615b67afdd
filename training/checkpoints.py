"""Reliable checkpoints: written atomically, sealed with a checksum, and verified before use.

A file consists of the output of `torch.save` followed by the checksum, which `torch.load` ignores. The last two are
kept in addition to the best; a damaged checkpoint is reported, removed and skipped.
"""

from __future__ import annotations

import hashlib
import io
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from lightning_fabric.plugins.io.checkpoint_io import CheckpointIO
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.utilities import rank_zero_only

from common.atomic import PARTIAL, replacing
from rushes.errors import UserError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from pytorch_lightning import LightningModule

from pathlib import Path

LAST, PREVIOUS, BEST = "last.ckpt", "previous.ckpt", "best.ckpt"
SEAL = b"sha256:"
SEAL_BYTES = len(SEAL) + 2 * hashlib.sha256().digest_size
NEEDED = ("epoch", "global_step", "state_dict", "optimizer_states", "loops", "callbacks")
ROWS = "History"  # key under `callbacks`: one row per epoch


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
        return str(Path(self.dirpath or "") / Path(path).name) if path else ""


def kept_checkpoints(folder: Path, monitor: str, mode: str) -> list[ModelCheckpoint]:
    """Callbacks that save the weights of the best epoch (the first callback) and of the last one, after every epoch.

    Lightning's own `save_last` would write the last checkpoint only in epochs that are the best so far.

    Args:
        folder: Folder of the checkpoints.
        monitor: The figure that decides.
        mode: `min`, `max`, or `last`: the last epoch is the best one.
    """
    kept = partial(KeptCheckpoint, folder, enable_version_counter=False)
    if mode == "last":
        return [kept(Path(BEST).stem, save_last=True)]
    return [kept(Path(BEST).stem, monitor=monitor, mode=mode), kept(Path(LAST).stem)]


class SealedCheckpointIO(CheckpointIO):
    """Writes checkpoints atomically in their own folder, with a checksum; the previous last one is renamed first.

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
        target = Path(path)
        with replacing(target) as partial:
            partial.write_bytes(sealed(checkpoint))
            if target.name == LAST and target.is_file():
                target.replace(target.with_name(PREVIOUS))

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
        return read(Path(path), map_location)

    def remove_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Removes a checkpoint."""
        Path(path).unlink(missing_ok=True)


def sealed(checkpoint: Mapping[str, Any]) -> bytes:
    """Bytes of a checkpoint followed by their checksum."""
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    content = buffer.getvalue()
    return content + SEAL + hashlib.sha256(content).hexdigest().encode()


def read(path: Path, map_location: Any = "cpu") -> dict[str, Any]:  # noqa: ANN401  # as torch.load takes it
    """Reads a checkpoint and verifies its checksum.

    Raises:
        DamagedCheckpointError: The file cannot be read or does not match its checksum.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise DamagedCheckpointError(message) from error
    body, seal = content[:-SEAL_BYTES], content[-SEAL_BYTES:]
    if seal != SEAL + hashlib.sha256(body).hexdigest().encode():
        message = f"{path} is damaged: its {len(content):,} bytes do not match their checksum"
        raise DamagedCheckpointError(message)
    loaded: dict[str, Any] = torch.load(io.BytesIO(body), map_location=map_location, weights_only=True)
    return loaded


def epochs_done(folder: Path) -> int | None:
    """Number of epochs in the newest intact checkpoint of a folder; None if there is none."""
    for name in (LAST, PREVIOUS):
        try:
            return int(read(folder / name)["epoch"]) + 1
        except DamagedCheckpointError:
            continue
    return None


def resume_point(
    folder: Path, module: LightningModule, best_epoch: Callable[[Sequence[dict[str, float]]], int]
) -> tuple[Path | None, int]:
    """Newest usable checkpoint, from which training resumes, and its number of epochs.

    Unusable checkpoints are reported and removed, so that they never replace an intact one. A damaged best checkpoint
    is replaced by another checkpoint of the same epoch; if there is none, its weights are lost, and training starts
    again.

    Args:
        folder: Folder of this training's checkpoints.
        module: The complete module to train; a checkpoint with other layers or widths is refused.
        best_epoch: Function (rows, one per epoch) -> the best epoch, counted from 0.

    Returns:
        The checkpoint and its number of epochs; None and 0 if training starts at the beginning.
    """
    for left in folder.glob(f".*{PARTIAL}"):
        left.unlink(missing_ok=True)
    usable = {name: found for name in (LAST, PREVIOUS, BEST) if (found := _usable(folder / name, module)) is not None}
    newest = next((name for name in (LAST, PREVIOUS) if name in usable), None)
    if newest is None:
        return None, 0
    if BEST not in usable and not _restore_best(
        folder, usable, best_epoch(usable[newest]["callbacks"].get(ROWS, {}).get("rows", []))
    ):
        _report(f"the weights of the best epoch so far are lost with {folder / BEST}: training starts again")
        return None, 0
    done = int(usable[newest]["epoch"]) + 1
    return folder / newest, done


def _usable(path: Path, module: LightningModule) -> dict[str, Any] | None:
    """Reads a checkpoint that fits the module; None if there is none; others are reported and removed."""
    if not path.exists():
        return None
    try:
        checkpoint = read(path)
        _check_fits(path, checkpoint, module)
    except DamagedCheckpointError as error:
        _report(f"{error}: it is passed over")
        path.unlink(missing_ok=True)
        return None
    return checkpoint


def _check_fits(path: Path, checkpoint: Mapping[str, Any], module: LightningModule) -> None:
    missing = [name for name in NEEDED if name not in checkpoint]
    if missing:
        message = f"{path} is not a checkpoint of a training: it lacks {', '.join(missing)}"
        raise DamagedCheckpointError(message)
    found = {name: tuple(value.shape) for name, value in checkpoint["state_dict"].items()}
    wanted = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    if found != wanted:
        name = next(iter(sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))))
        message = f"{path} is of another network: {name} is {found.get(name)} there and {wanted.get(name)} here"
        raise DamagedCheckpointError(message)


def _restore_best(folder: Path, usable: Mapping[str, dict[str, Any]], epoch: int) -> bool:
    """Restores the best checkpoint from another one of the same epoch; returns False if there is none."""
    for name in (LAST, PREVIOUS):
        if name in usable and int(usable[name]["epoch"]) == epoch:
            with replacing(folder / BEST) as partial:
                partial.write_bytes((folder / name).read_bytes())
            _report(f"{folder / BEST} is restored from {name}, which is of the same epoch")
            return True
    return False


@rank_zero_only
def _report(line: str) -> None:
    """Writes a line to the stage's log."""
    sys.stdout.write(f"checkpoint: {line}\n")
    sys.stdout.flush()
