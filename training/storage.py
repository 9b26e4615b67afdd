"""Storage of checkpoints: a folder, or an s3:// address, whose objects take the place of files.

A file is replaced by a rename in its own folder, an object by one PUT: a reader finds the former or the new content.
The endpoint and the credentials of S3 are those of the AWS tools: AWS_ENDPOINT_URL, AWS_PROFILE, AWS_ACCESS_KEY_ID, ...
"""

from __future__ import annotations

import errno
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from upath import UPath

from common.atomic import replacing
from rushes.errors import UserError
from rushes.redaction import split_login

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from common.settings import Settings

Place = Path | UPath  # a UPath only on S3
# Other processes write too, so no listing is remembered. An endpoint that refuses connections is given up after 7 s.
S3_OPTIONS: dict[str, Any] = {
    "use_listings_cache": False,
    "config_kwargs": {
        "connect_timeout": 10,
        "read_timeout": 60,
        "retries": {"mode": "standard", "max_attempts": 3},
    },
}
# Codes that s3fs gives an answer of 503, 500 or an unknown error; macOS lacks the second.
TRANSIENT = {errno.EBUSY, getattr(errno, "EREMOTEIO", errno.EIO), errno.EIO}
ELSEWHERE = "or change training.storage in settings.toml"


class StorageError(UserError):
    """Storage of checkpoints that cannot be used; transient if its service is not available."""


def place_of(address: str | os.PathLike[str] | Place) -> Place:
    """Folder or file of an address: a path, or s3://BUCKET/PATH.

    Raises:
        StorageError: The address has another scheme, or contains a login.
    """
    if isinstance(address, Path | UPath):
        return address
    scheme, separator, _rest = str(address).partition("://")
    if not separator:
        return Path(address).expanduser()
    shown, login = split_login(str(address))
    if scheme != "s3" or login:
        message = f"training.storage cannot be {shown}{' with a login' if login else ''}"
        remedy = "set training.storage to a folder or s3://BUCKET/PATH, and AWS_PROFILE to the login's profile"
        raise StorageError(message, remedy)
    return UPath(str(address), protocol="s3", **S3_OPTIONS)


def checkpoint_folder(settings: Settings, family: str, key: str) -> Place:
    """Folder of the checkpoints of one training: in `training.storage`, by default in `state`; nothing is read.

    Args:
        settings: The settings.
        family: Name of the family.
        key: Key of the train stage: a training with other data, params or code has another folder.

    Raises:
        StorageError: `training.storage` is not an address that can be used.
    """
    base = settings.training.storage
    return (place_of(base) if base else settings.state / "checkpoints") / family / key[:16]


def check_storage(address: str) -> None:
    """Proves that checkpoints can be written, read and removed at `training.storage`; does nothing if it is empty.

    Raises:
        StorageError: The folder or bucket does not exist, may not be used, or cannot be reached.
    """
    if not address:
        return
    base = place_of(address)
    probe = base / f".probe-{uuid4().hex}"
    try:
        if isinstance(base, Path) and not base.is_dir():  # never created: it may be the mount point of a missing disk
            raise FileNotFoundError(errno.ENOENT, "there is no such folder")
        exists(probe)  # needs the permission to list
        replace(probe, b"rushes")
        read(probe)
        remove(probe)
    except OSError as error:  # of a folder; the errors of S3 are StorageErrors by now
        if error.errno in {errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EDQUOT}:
            raise  # the stage reports these with their remedies
        message = f"training.storage: {base} cannot be used: {error.strerror}"
        raise StorageError(message, f"mount or create it, {ELSEWHERE}") from error


def exists(path: Place) -> bool:
    """True if there is a file or a folder."""
    if isinstance(path, Path):
        return path.exists()
    with _reaching(path):
        return bool(path.fs.exists(path.path))


def read(path: Place) -> bytes:
    """Content of a file.

    Raises:
        FileNotFoundError: It does not exist.
        OSError: It cannot be read from the disk.
        StorageError: S3 cannot be used; this does not mean that the file is missing or damaged.
    """
    if isinstance(path, Path):
        return path.read_bytes()
    with _reaching(path, may_be_absent=True):
        content: bytes = path.fs.cat_file(path.path)
    return content


def replace(path: Place, content: bytes, keep: str = "", *, durable: bool = True) -> None:
    """Writes a file atomically.

    Args:
        path: The file.
        content: Its new content.
        keep: Name beside `path` that the former content is kept under.
        durable: Wait for the disk; S3 always does.
    """
    if isinstance(path, Path):
        with replacing(path, durable=durable, shared=True) as partial:
            partial.write_bytes(content)
            if keep and path.is_file():
                path.replace(path.with_name(keep))
        return
    if keep:
        copy(path, keep)
    with _reaching(path):
        path.fs.pipe_file(path.path, content)


def copy(path: Place, name: str) -> None:
    """Copies a file atomically to another name beside it, on S3 within the service; does nothing if there is none."""
    if isinstance(path, Path):
        if path.is_file():
            replace(path.with_name(name), path.read_bytes())
    else:
        with suppress(FileNotFoundError), _reaching(path, may_be_absent=True):
            path.fs.cp_file(path.path, path.with_name(name).path)


def remove(path: Place) -> None:
    """Removes a file, if there is one."""
    if isinstance(path, Path):
        path.unlink(missing_ok=True)
        return
    with _reaching(path):
        path.fs.rm_file(path.path)


def remove_folder(folder: Place) -> None:
    """Removes a folder with all its files, if there is one."""
    if isinstance(folder, Path):
        shutil.rmtree(folder, ignore_errors=True)
    elif exists(folder):
        with _reaching(folder):
            folder.fs.rm(folder.path, recursive=True)


def last_write_s(folder: Place) -> float:
    """Time of the last write to a folder or one of its files, in seconds since the epoch; 0 if there is none."""
    if isinstance(folder, Path):
        return max(_written_s(path) for path in (folder, *folder.rglob("*")))
    with _reaching(folder):
        every = folder.fs.find(folder.path, detail=True)
    return max((one["LastModified"].timestamp() for one in every.values()), default=0.0)


def _written_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # it has just been replaced
        return 0.0


def files(folder: Place, pattern: str) -> list[Place]:
    """Files of a folder that match a pattern, by name."""
    with _reaching(folder):
        return sorted(folder.glob(pattern))


@contextmanager
def _reaching(path: Place, *, may_be_absent: bool = False) -> Iterator[None]:
    """Context in which errors of S3 become StorageErrors, but for that of an object that may be absent."""
    if isinstance(path, Path):
        yield
        return
    from botocore import exceptions as s3  # noqa: PLC0415  # only where S3 is used

    try:
        yield
    except (OSError, s3.BotoCoreError) as error:
        message = f"training.storage: {path} cannot be used: {error}"
        if isinstance(error, FileNotFoundError):
            if may_be_absent:
                raise
            raise StorageError(message, f"create the bucket, {ELSEWHERE}") from error
        away = isinstance(error, s3.ConnectionError | s3.HTTPClientError) and not isinstance(error, s3.SSLError)
        if away or isinstance(error, TimeoutError) or getattr(error, "errno", None) in TRANSIENT:
            remedy = "see whether the service runs and AWS_ENDPOINT_URL is its address; then run again"
            raise StorageError(message, remedy, kind="transient") from error
        rights = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, to an account that may list, read, "
        raise StorageError(message, f"{rights}write and delete there, {ELSEWHERE}") from error
