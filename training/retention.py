"""Retention of what trainings leave behind: checkpoints of those that were given up, sets, compiled kernels.

A training marks what it uses, and writes a checkpoint after each epoch. What is not marked or written for
`training.keep_days` is of no training in progress, and is removed by the next one.
"""

from __future__ import annotations

import re
import shutil
import sys
import time
from typing import TYPE_CHECKING

from training import storage
from training.storage import StorageError, checkpoint_folder, place_of

if TYPE_CHECKING:
    from pathlib import Path

    from common.settings import Settings
    from training.storage import Place

DAY_S = 86_400
MARK = ".used"
KEY = re.compile("[0-9a-f]{16}")  # name of each folder that is removed: nothing else in the storage is ours


def mark_used(folder: Place) -> None:
    """Notes that a training uses a folder now."""
    storage.replace(folder / MARK, b"", durable=False)


def remove_abandoned(settings: Settings, family: str, key: str) -> None:
    """Removes what no training of the family, but that of this key, has used for `training.keep_days`.

    Sets stay while there is a checkpoint of another training: it may need its set for longer than that.
    """
    days, own = settings.training.keep_days, checkpoint_folder(settings, family, key)
    try:
        if storage.exists(own):
            mark_used(own)  # it may be old, and is resumed now
        others = remove_unused(settings.state / "checkpoints" / family, days, own.name)
        if settings.training.storage:
            others += remove_unused(own.parent, days, own.name)
            if not others:
                remove_unused(place_of(settings.training.storage) / "sets" / family, days)
    except (OSError, StorageError) as error:  # the training does not need it
        sys.stdout.write(f"checkpoint: those of former trainings are left behind: {error}\n")
    remove_kernels(settings.state / "inductor", days)


def remove_unused(parent: Place, days: int, own: str = "") -> list[Place]:
    """Removes folders named by a key or a digest that were not written to for some days.

    Returns:
        Those that stay, without one's own.
    """
    if not storage.exists(parent):
        return []
    found = [folder for folder in storage.files(parent, "*") if KEY.fullmatch(folder.name) and folder.name != own]
    old = [folder for folder in found if storage.last_write_s(folder) < time.time() - days * DAY_S]
    for folder in old:
        storage.remove_folder(folder)
    return [folder for folder in found if folder not in old]


def remove_kernels(cache: Path, days: int) -> None:
    """Removes folders of compiled kernels, all of whose files were neither read nor written for some days.

    Each is removed as a whole, as a kernel consists of several files.
    """
    limit_s = time.time() - days * DAY_S
    for folder in {path.parent for path in cache.rglob("*") if path.is_file()}:
        found = [path.stat() for path in folder.rglob("*") if path.is_file()]
        if all(max(one.st_atime, one.st_mtime) < limit_s for one in found):
            shutil.rmtree(folder, ignore_errors=True)
