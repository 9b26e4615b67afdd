"""Resuming: every process chooses the same checkpoint by reading alone; then the first one removes damaged files."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pytorch_lightning.callbacks import Callback

from common.atomic import PARTIAL
from rushes.errors import TransientError, UserError
from training import storage
from training.checkpoints import BEST, LAST, PREVIOUS, DamagedCheckpointError, read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytorch_lightning import LightningModule, Trainer

    from training.storage import Place

NEEDED = ("epoch", "global_step", "state_dict", "optimizer_states", "loops", "callbacks")
ROWS = "History"  # key under `callbacks`: one row per epoch


@dataclass(frozen=True)
class ResumePoint:
    """Checkpoint from which a training resumes, and what has to be cleaned up first.

    Attributes:
        folder: Folder of this training's checkpoints.
        name: Name of the checkpoint; empty if training starts at the beginning.
        epochs: Number of epochs in it.
        damaged: Unusable checkpoints, each with the reason.
        best_from: Checkpoint of the same epoch from which a lost best one is restored.
        best_lost: True if training starts again because the weights of the best epoch are lost.
    """

    folder: Place
    name: str = ""
    epochs: int = 0
    damaged: Mapping[str, str] = field(default_factory=dict)
    best_from: str = ""
    best_lost: bool = False

    @property
    def path(self) -> str | None:
        """Path for Lightning's Trainer."""
        return str(self.folder / self.name) if self.name else None

    def clean_up(self) -> None:
        """Reports and removes unusable checkpoints, so that they never replace an intact one; restores the best one."""
        if isinstance(self.folder, Path):
            for left in self.folder.glob(f".*{PARTIAL}"):
                left.unlink(missing_ok=True)
        for name, why in self.damaged.items():
            _report(f"{why}: it is passed over")
            storage.remove(self.folder / name)
        best = self.folder / BEST
        if self.best_from:
            storage.copy(self.folder / self.best_from, BEST)
            _report(f"{best} is restored from {self.best_from}, which is of the same epoch")
        if self.best_lost:
            _report(f"the weights of the best epoch so far are lost with {best}: training starts again")


def resume_point(
    folder: Place, module: LightningModule, best_epoch: Callable[[Sequence[dict[str, float]]], int]
) -> ResumePoint:
    """Newest usable checkpoint, from which training resumes; only reads.

    A damaged best checkpoint is replaced by another checkpoint of the same epoch; if there is none, its weights are
    lost, and training starts again.

    Args:
        folder: Folder of this training's checkpoints.
        module: The complete module to train; a checkpoint with other layers or widths is refused.
        best_epoch: Function (rows, one per epoch) -> the best epoch, counted from 0.

    Raises:
        StorageError: S3 cannot be used.
    """
    usable, damaged = {}, {}
    for name in (LAST, PREVIOUS, BEST):
        try:
            usable[name] = _checked(folder / name, module)
        except FileNotFoundError:
            continue
        except DamagedCheckpointError as error:
            damaged[name] = str(error)
    newest = next((name for name in (LAST, PREVIOUS) if name in usable), None)
    if newest is None:
        return ResumePoint(folder, damaged=damaged)
    epochs, best_from = int(usable[newest]["epoch"]) + 1, ""
    if BEST not in usable:
        best = best_epoch(usable[newest]["callbacks"].get(ROWS, {}).get("rows", []))
        best_from = next((name for name in (LAST, PREVIOUS) if name in usable and usable[name]["epoch"] == best), "")
        if not best_from:
            return ResumePoint(folder, damaged=damaged, best_lost=True)
    return ResumePoint(folder, newest, epochs, damaged, best_from)


def _checked(path: Place, module: LightningModule) -> dict[str, Any]:
    """Reads a checkpoint that fits the module.

    Raises:
        FileNotFoundError: There is none.
        DamagedCheckpointError: It cannot be used.
    """
    try:
        checkpoint = read(path)
    except DamagedCheckpointError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise error.__cause__ from None
        raise
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
    return checkpoint


class ResumeTogether(Callback):
    """Refuses processes that see other checkpoints than the first one, which then cleans up.

    Each process reads before it joins the others, so damaged files are removed only after all have joined. A folder
    that is not shared would otherwise be noticed only at the end, when each process loads the best weights.
    """

    def __init__(self, point: ResumePoint) -> None:
        self.point = point

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Compares with the first process and cleans up; Lightning restores the checkpoint later.

        Raises:
            UserError: Not all processes use the same folder.
            TransientError: A process still saw former checkpoints.
        """
        del pl_module, stage
        if trainer.world_size > 1:
            self._compare(trainer)
        if trainer.is_global_zero:
            self.point.clean_up()

    def _compare(self, trainer: Trainer) -> None:
        mark = self.point.folder / f".shared-{uuid4().hex}"
        if trainer.is_global_zero:
            storage.replace(mark, b"rushes")
        elif isinstance(self.point.folder, Path):  # makes NFS forget that there was none
            self.point.folder.mkdir(parents=True, exist_ok=True)
        name, chosen = trainer.strategy.broadcast((mark.name, (self.point.name, self.point.epochs)))
        try:
            shared = trainer.strategy.reduce_boolean_decision(storage.exists(mark.with_name(name)))
            same = trainer.strategy.reduce_boolean_decision((self.point.name, self.point.epochs) == chosen)
        finally:
            if trainer.is_global_zero:
                storage.remove(mark)
        if not shared:
            message = f"not all processes find the first one's files in {self.point.folder}"
            raise UserError(message, "set training.storage to a folder or s3:// address that every node reaches")
        if not same:
            message = f"not all processes find the same checkpoints in {self.point.folder}: the first one {chosen}"
            raise TransientError(message, "run again: a network file system may show former files for a minute")


def _report(line: str) -> None:
    """Writes a line to the stage's log."""
    sys.stdout.write(f"checkpoint: {line}\n")
    sys.stdout.flush()
