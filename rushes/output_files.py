"""Writes files atomically, and checks in advance that an output can be written."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rushes.errors import MisuseError, UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file under a temporary name in the same folder, then renames it.

    Raises:
        OSError: The file cannot be written; no temporary file is left.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def save(path: Path, content: bytes) -> None:
    """Writes an output of a command atomically.

    Raises:
        UserError: The file cannot be written.
    """
    try:
        write_whole(path, content)
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}"
        raise UserError(message) from error


def check_out(path: Path, suffixes: Sequence[str], otherwise: str = "") -> None:
    """Checks before a command's work that its output can be written afterwards.

    Args:
        path: The output.
        suffixes: Allowed endings of its name.
        otherwise: Text for the message about a wrong ending that suggests an alternative.

    Raises:
        MisuseError: The name has another ending or is a folder, or its folder cannot be written to.
    """
    if path.suffix.lower() not in suffixes:
        message = f"--out {path}: the name must end in {' or '.join(suffixes)}{otherwise}"
        raise MisuseError(message)
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        why = "cannot be written to" if path.parent.is_dir() else "does not exist"
        message = f"--out {path}: the folder {path.parent} {why}"
        raise MisuseError(message)
    if path.is_dir():
        message = f"--out {path} is a folder: name a file"
        raise MisuseError(message)
