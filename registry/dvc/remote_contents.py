"""Checks the objects of a data version in the remote, and sends the missing ones.

DVC takes the list of a version in the remote as proof of all its files. Here every object is checked: it must exist
with the size that it has in this checkout and, on request, with the content that its name states.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.commands import python
from registry.dvc import remote_objects
from registry.dvc.config import read_config
from registry.dvc.dataset import listing_of, md5_of, object_path
from registry.dvc.faults import classify
from registry.dvc.records import DATA, VersionError, parse_listing
from registry.dvc.remote_objects import MISSING
from registry.subprocesses import Result, dvc_environment
from rushes.errors import UserError
from rushes.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

LIST = "the list of its files"
SHOWN = 3  # names in a message
SHORTEST = 6  # minimum number of digits that identify a version
PATIENCE_S, PATIENCE_PER_OBJECT_S = 60.0, 0.05  # 5,000 sizes: 1 s from a folder, 32 s from an S3 test server


class RemoteError(UserError):
    """Raised if the remote cannot be queried or written; `done` is the output of DVC's library."""

    def __init__(self, done: Result) -> None:
        super().__init__(done.reason)
        self.done = done


def complete(root: Path, md5: str, *, verify: bool = False) -> list[str]:
    """Sends the objects of a version that the remote lacks or has with another size; correct ones stay.

    Args:
        root: The checkout, with a default remote in DVC's configuration.
        md5: The md5 of the version, as in datasets.dvc.
        verify: Also read every object in the remote, and replace those whose content does not match their name.

    Returns:
        Names of the files that were sent; empty if the remote had all of them.

    Raises:
        RemoteError: The remote cannot be queried or written to.
        VersionError: The list or a file that the remote lacks is missing or damaged here too, or the remote does not
            keep what it was sent.
    """
    cache = read_config(root).cache
    names = _names(cache, md5)
    wrong = _wrong(root, {oid: object_path(cache, oid) for oid in names}, verify=verify)
    if not wrong:
        return []
    sources = {oid: _source(root, cache, oid, names) for oid in wrong}
    _ask(root, "send", {oid: str(path) for oid, path in sources.items()})
    if lost := _wrong(root, sources, verify=verify):
        message = f"the remote does not keep what it is sent: {listed(names[oid] for oid in lost)}"
        raise VersionError(message, "df -h   # on the machine of the remote: is its disk full?")
    return [names[oid] for oid in wrong]


@dataclass(frozen=True)
class Gaps:
    """Files of a version that a remote lacks, or has in a damaged state."""

    lost: list[str]  # missing
    damaged: list[str]  # present with another content


def find_gaps(root: Path, md5: str) -> Gaps:
    """Files of a version that neither the remote nor the cache has; reads the list, but not the files.

    Raises:
        RemoteError: The remote cannot be queried.
    """
    cache = read_config(root).cache
    names = {md5: LIST}
    if (listing := listing_of(cache, md5)) is None:
        text = _ask(root, "texts", [md5])[md5]
        if not text:
            return Gaps([LIST], [])
        if not _is_named(text, md5):
            return Gaps([], [LIST])
        listing = parse_listing(text) or {}
    names |= {oid: f"{DATA}/{name}" for name, oid in listing.items()}
    wanted = [oid for oid in names if not object_path(cache, oid).is_file()]
    found = _ask(root, "sizes", wanted)
    return Gaps([names[oid] for oid in wanted if found[oid] == MISSING], [])


def _is_named(text: str, md5: str) -> bool:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() == md5.removesuffix(".dir")


def find_version(root: Path, text: str) -> str:
    """The full md5 of the version with these first digits, among those whose list is in the cache.

    Raises:
        VersionError: There is none, or more than one.
    """
    cache, digits = read_config(root).cache, text.removesuffix(".dir")
    readable = len(digits) >= SHORTEST and digits.isalnum()
    found = sorted((cache / digits[:2]).glob(f"{digits[2:]}*.dir")) if readable else []
    if len(found) == 1:
        return digits[:2] + found[0].name
    message = f"DVC's cache here has {len(found)} versions of {DATA}/ that begin with {text}; one is needed"
    raise VersionError(message, "git log --patch -- datasets.dvc   # the md5 of each version; try its own machine")


def push_command(md5: str, *, verify: bool = False) -> str:
    """The command that repairs a remote, to be run where the data still are."""
    flag = " --verify" if verify else ""
    return f"{python()} -m flows push{flag} {md5[:12]}   # on a machine that still has the data"


def listed(names: Iterable[str]) -> str:
    """The first few names, and the number of the others."""
    all_names = list(names)
    more = f" and {len(all_names) - SHOWN} more" if len(all_names) > SHOWN else ""
    return f"{', '.join(all_names[:SHOWN])}{more}"


def is_rotten(path: Path, oid: str) -> bool:
    """True if a file exists and its content does not match the name of its object."""
    return path.is_file() and md5_of(path) != oid.removesuffix(".dir")


def _names(cache: Path, md5: str) -> dict[str, str]:
    """Object -> name of every file of a version, and of its list."""
    listing = listing_of(cache, md5)
    if listing is None:
        message = f"the list of version {md5[:12]} of {DATA}/ is not in DVC's cache here, so it cannot be pushed"
        raise VersionError(message, f"{python()} -m dvc fetch datasets.dvc   # or push on the machine that made it")
    return {oid: f"{DATA}/{name}" for name, oid in listing.items()} | {md5: LIST}


def _wrong(root: Path, kept: Mapping[str, Path], *, verify: bool) -> list[str]:
    """Objects that the remote lacks, or has with another size or content than the files here."""
    found = _ask(root, "sizes", [*kept])
    wrong = [oid for oid, path in kept.items() if found[oid] == MISSING or _differs(path, found[oid])]
    if not verify:
        return wrong
    given = _ask(root, "digests", [oid for oid in kept if oid not in wrong])
    return [oid for oid in kept if given.get(oid) != oid.removesuffix(".dir")]


def _differs(kept: Path, size_bytes: int | None) -> bool:
    """True if the remote's object has another size than ours; false if either is unknown."""
    return size_bytes is not None and kept.is_file() and kept.stat().st_size != size_bytes


def _source(root: Path, cache: Path, oid: str, names: Mapping[str, str]) -> Path:
    """A local file whose content matches the object's name: the remote must not receive damaged ones."""
    kept = object_path(cache, oid)
    for path in (kept, root / names[oid]):
        if path.is_file() and not is_rotten(path, oid):
            return path
    if kept.is_file():
        message = f"DVC's cache is damaged: {kept} ({names[oid]}) does not match its name, so it is not pushed"
        raise VersionError(message, f"rm -f {shlex.quote(str(kept))} && make nightly")
    message = f"the remote lacks {names[oid]}, and it is not in DVC's cache here either"
    raise VersionError(message, push_command(list(names)[-1]))


def _ask(root: Path, act: str, objects: Sequence[str] | Mapping[str, str]) -> dict[str, Any]:
    if not objects:
        return {}
    patience_s = PATIENCE_S + PATIENCE_PER_OBJECT_S * len(objects) if act == "sizes" else None
    command = [sys.executable, "-P", str(Path(remote_objects.__file__))]
    request = json.dumps({"act": act, "objects": objects if isinstance(objects, dict) else list(objects)})
    env = dvc_environment(os.environ)
    try:
        done = subprocess.run(
            command, cwd=root, env=env, input=request, capture_output=True, text=True, check=False, timeout=patience_s
        )
    except subprocess.TimeoutExpired as error:
        raise RemoteError(Result(1, "", f"the remote did not answer within {patience_s:.0f} s")) from error
    if done.returncode:
        raise RemoteError(_last_words(root, done))
    return dict(json.loads(done.stdout))


def _last_words(root: Path, done: subprocess.CompletedProcess[str]) -> Result:
    """The last line of a traceback.

    Raises:
        VersionError: It is a fault of this checkout, not of the remote.
    """
    if fault := classify(root, done.stderr):
        raise VersionError(fault.message, fault.remedy, transient=fault.transient)
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return Result(done.returncode, "", redact(lines[-1] if lines else f"exit status {done.returncode}"))
