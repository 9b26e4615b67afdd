"""Reads files of unknown origin: regular files only, no links, and no more bytes than allowed.

A named pipe can block its reader for ever, a device has no end, and a link can lead outside the folder, so none of them
is read here. The checks use the open file descriptor, so the checked file is the one that is read.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from typing import TYPE_CHECKING, BinaryIO

from rushes.errors import RushesError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHUNK_BYTES = 1 << 16
# Windows has only the first flag; there the code checks for a link before it opens the file.
_FLAGS = (
    getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOCTTY", 0)
)


class FileError(UserError):
    """File that is not regular or is larger than allowed."""


def open_regular(path: Path, max_bytes: int, *, follow: bool = False) -> BinaryIO:
    """Opens a regular file for reading; never blocks.

    Args:
        path: The file.
        max_bytes: Maximum size.
        follow: True to follow a link at this path, for files named by the user.

    Raises:
        FileNotFoundError: The file does not exist.
        FileError: The path is a link, a folder, a named pipe or a device, or the file is larger than allowed.
        RushesError: The file cannot be opened.
    """
    if not follow and path.is_symlink():
        raise _link(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | (_FLAGS & ~getattr(os, "O_NOFOLLOW", 0) if follow else _FLAGS))
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno == errno.ELOOP and not follow:
            raise _link(path) from error
        raise _unreadable(path, error) from error
    try:
        _check(path, os.fstat(descriptor), max_bytes)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _link(path: Path) -> FileError:
    return FileError(f"{path} is a link, and a bundle holds regular files: pull it again")


def _unreadable(path: Path, error: OSError) -> RushesError:
    return UserError(f"{path} cannot be read: {error.strerror or error}")


def _check(path: Path, status: os.stat_result, max_bytes: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        message = f"{path} is {_kind(status.st_mode)} and not a regular file: remove it, and pull the bundle again"
        raise FileError(message)
    if status.st_size > max_bytes:
        message = f"{path} has {status.st_size:,} bytes, more than the {max_bytes:,} allowed: pull the bundle again"
        raise FileError(message)


def _kind(mode: int) -> str:
    kinds = {stat.S_IFIFO: "a named pipe", stat.S_IFDIR: "a folder", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def read_regular(path: Path, max_bytes: int, *, follow: bool = False) -> bytes:
    """Reads a regular file.

    Raises:
        FileNotFoundError: The file does not exist.
        FileError: See `open_regular`; or the file grew while it was read.
    """
    return b"".join(regular_chunks(path, max_bytes, follow=follow))


def regular_chunks(path: Path, max_bytes: int, *, follow: bool = False) -> Iterator[bytes]:
    """Reads a regular file in chunks, so that a large file needs little memory.

    Raises:
        FileNotFoundError: The file does not exist.
        FileError: See `open_regular`; or the file grew while it was read.
    """
    read_bytes = 0
    with open_regular(path, max_bytes, follow=follow) as file:
        try:
            while chunk := file.read(CHUNK_BYTES):
                read_bytes += len(chunk)
                if read_bytes > max_bytes:
                    message = f"{path} is larger than {max_bytes:,} bytes and grows while it is read: pull it again"
                    raise FileError(message)
                yield chunk
        except OSError as error:
            raise _unreadable(path, error) from error


def sha256_regular(path: Path, max_bytes: int) -> str:
    """Sha256 of a regular file, in hex.

    Raises:
        FileNotFoundError: The file does not exist.
        FileError: See `open_regular`.
    """
    digest = hashlib.sha256()
    for chunk in regular_chunks(path, max_bytes):
        digest.update(chunk)
    return digest.hexdigest()
