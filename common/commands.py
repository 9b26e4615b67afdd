"""Commands that a message prints, for a person to paste into a shell in the root of the checkout."""

from __future__ import annotations

import os
import shlex
import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

AWAY = ".state/damaged"


def python() -> str:
    """This interpreter as typed in the checkout: `.venv/bin/python`, since a bare machine has no `python`."""
    path, root = Path(sys.executable), Path(__file__).resolve().parents[1]
    return shlex.quote(str(path.relative_to(root) if path.is_relative_to(root) else path))


def more_groups(collection: str) -> str:
    """Remedy for a split with too few samples: a source with a group for each split."""
    return f"ingest a source of at least 3 groups: {python()} -m flows ingest {collection} PATH"


def show_access(place: Path) -> str:
    """Command that shows the mount, owner and mode of a path, or of the nearest folder that exists, and who asks."""
    there = next(folder for folder in (place, *place.absolute().parents) if os.path.exists(folder))  # noqa: PTH110  # Path.exists raises below a closed folder
    shown = shlex.quote(str(there))
    return f"findmnt --target {shown}; ls -ld {shown}; id"


def unused(path: str, root: Path) -> str:
    """The path, or the first of `path.2`, `path.3`, ... that does not exist: a second use overwrites nothing."""
    names = (path if number == 1 else f"{path}.{number}" for number in count(1))
    return next(name for name in names if not (root / name).exists())


def set_aside(names: Iterable[str], root: Path) -> str:
    """Command that moves files of the checkout to the same paths below .state/damaged."""
    moves = {name: unused(f"{AWAY}/{name}", root) for name in names}
    folders = dict.fromkeys(place.rpartition("/")[0] for place in moves.values())
    steps = [f"mv {shlex.quote(name)} {shlex.quote(place)}" for name, place in moves.items()]
    return " && ".join([f"mkdir -p {shlex.join(folders)}", *steps])


def restore_committed(path: Path, root: Path) -> str:
    """Command that sets one file of datasets/ aside and restores it from the last commit of datasets.dvc.

    The rest of datasets/ stays: samples ingested since are in no version yet. The version in datasets.dvc may hold the
    damaged file, since each run commits one.
    """
    name = path.relative_to(root).as_posix()
    one = shlex.quote(name)
    return f"{set_aside([name], root)} && {python()} -m dvc get --rev HEAD . {one} -o {one}   # or ingest it again"
