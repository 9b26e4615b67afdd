"""Newest signed version of each family that this machine has seen; older versions are refused.

    STATE/seen/expression.json    {"version": 8, "time": "2031-05-01T12:00:00.000+00:00", "digests": [...]}

A signature stays valid for ever, so whoever controls a registry or a stick can offer an old bundle. The record on this
machine detects this. A version counts as newer by its number or by its time of signing: a registry that rolls back
signs the restored version again, and a clock that went backwards does not hide a higher version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from rushes.bundle.manifest import BundleError
from rushes.bundle.regular_files import read_regular
from rushes.bundle.signature import Trust, read_signature
from rushes.errors import RushesError, UserError
from rushes.inference.first_use import state_folder
from rushes.output_files import locked, write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from rushes.bundle.manifest import Bundle
    from rushes.bundle.signature import Statement

MAX_BYTES = 1 << 16


class NewestSigned(BaseModel):
    """Highest version and latest time of signing, possibly of two different bundles."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    version: int = 0
    time: str = ""

    def is_older(self, statement: Statement) -> bool:
        """True if a statement has no higher version and an earlier time."""
        return statement.version <= self.version and statement.time < self.time

    def with_(self, statement: Statement) -> NewestSigned:
        """Record updated with a statement."""
        return NewestSigned(version=max(self.version, statement.version), time=max(self.time, statement.time))


def check_fresh(bundle: Bundle, trust: Trust, *, version: int | None = None, allow_older: bool = False) -> None:
    """Refuses a signed bundle that is older than the newest seen, or offered as a version other than the signed one.

    Args:
        bundle: The bundle, with verified signature.
        trust: Trusted keys; if empty, nothing is checked.
        version: The version that the bundle is offered as, if known.
        allow_older: True to accept an older bundle.

    Raises:
        BundleError: The bundle is older, or signed as another version.
        UserError: The record cannot be read.
    """
    if not trust:
        return
    family, statement = bundle.manifest.family, _statement(bundle)
    if statement is not None and version is not None and statement.version != version:
        message = (
            f"{bundle.folder} is signed as {family} {statement.version} but offered as version {version}. "
            "Do not use it, and report it to the operator of the registry"
        )
        raise BundleError(message)
    seen = None if allow_older else _read(family)
    if seen is not None and (statement is None or seen.is_older(statement)):
        raise _older(bundle, statement, seen)


def remember(bundle: Bundle, trust: Trust, *, reset: bool = False) -> None:
    """Records a signed bundle as seen if it is newer, or always with `reset`.

    Raises:
        UserError: The record cannot be read or written.
    """
    if not trust:
        return
    family, statement = bundle.manifest.family, _statement(bundle)
    if statement is not None:
        with locked(_path(family).parent):  # two commands may run at once
            seen = NewestSigned() if reset else _read(family) or NewestSigned()
            _write(family, seen.with_(statement))
    elif reset:
        try:
            _path(family).unlink(missing_ok=True)
        except OSError as error:
            raise _unwritable(_path(family), error) from error


def _statement(bundle: Bundle) -> Statement | None:
    found = read_signature(bundle.folder)
    return found.statement if found else None


def _older(bundle: Bundle, statement: Statement | None, seen: NewestSigned) -> BundleError:
    family = bundle.manifest.family
    what = "has an older signature without a version"
    if statement:
        what = f"is {family} {statement.version}, signed on {statement.time[:19]}"
    return BundleError(
        f"{bundle.folder} {what}, and this machine has seen {family} {seen.version}, signed up to {seen.time[:19]}: "
        f"older versions are refused. To accept it, pull it again with --allow-older"
    )


def _path(family: str) -> Path:
    return state_folder() / "seen" / f"{family}.json"


def _read(family: str) -> NewestSigned | None:
    path = _path(family)
    try:
        return NewestSigned.model_validate_json(read_regular(path, MAX_BYTES))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValidationError, RushesError) as error:
        message = (
            f"{path}, the record of the newest version seen, cannot be read. Remove it: the next signed model then "
            "counts as the newest"
        )
        raise UserError(message) from error


def _write(family: str, seen: NewestSigned) -> None:
    path = _path(family)
    if _read(family) == seen:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, seen.model_dump_json().encode())
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> UserError:
    return UserError(
        f"{path}, the record of the newest version seen, cannot be written: {error.strerror or error}. "
        "Name another folder with RUSHES_MACHINE_STATE"
    )
