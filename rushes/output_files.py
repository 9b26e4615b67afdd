"""Writes files atomically or by one process alone, and checks in advance that an output can be written."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from io import FileIO
from typing import TYPE_CHECKING

from rushes.errors import MisuseError, UserError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
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


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Waits until no other process has locked a folder, and locks it until the end of the block.

    Windows and some file systems cannot lock folders: there nothing is locked.
    """
    descriptor = None
    with suppress(OSError):
        if fcntl is not None:
            descriptor = os.open(folder, os.O_RDONLY)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def open_alone(path: Path, shown: Path | None = None, *, empty: bool = True) -> FileIO:
    """Opens a file for writing, unless another process writes it already; on Windows it does not look.

    Args:
        path: The file.
        shown: Its name in the message, if that is another one.
        empty: False to leave its content.

    Raises:
        OSError: The file cannot be written.
        UserError: Another process writes it. Its content stays.
    """
    file = FileIO(path, "wb", opener=lambda name, flags: os.open(name, flags & ~os.O_TRUNC, 0o666))
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):  # several may write to a terminal or the null device
        return file
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        name = shown or path
        message = f"{name} is being written by another program, such as a second capture: end it, or name another file"
        raise UserError(message) from error
    except OSError:  # a file system without locks
        pass
    if empty:
        file.truncate()
    return file


def check_free(option: str, path: Path) -> None:
    """Checks before a command's work that a file that is there can be written over. It is not changed.

    Raises:
        MisuseError: It cannot be written.
        UserError: Another process writes it.
    """
    if not path.is_file():  # opening a named pipe would block
        return
    try:
        open_alone(path, empty=False).close()
    except OSError as error:
        message = f"{option} {path} cannot be written ({error.strerror}): name another file"
        raise MisuseError(message) from error


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
