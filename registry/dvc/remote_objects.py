"""Queries and fills a DVC remote object by object; a separate program, like every use of DVC's library.

`dvc push` takes the list of a folder (`.dir`) in a remote as proof that the remote has every file of that folder, so it
cannot see that one was lost or truncated. The request is read from standard input and the answer written to standard
output, both as JSON:

    {"act": "sizes", "objects": [OID, ...]}         -> {OID: bytes; null if unknown; -1 if missing}
    {"act": "digests", "objects": [OID, ...]}       -> {OID: md5 of the remote's content; "" if missing}
    {"act": "texts", "objects": [OID, ...]}         -> {OID: the remote's content as UTF-8; "" if missing}
    {"act": "send", "objects": {OID: PATH, ...}}    -> {}, once all of them exist; lists of folders are sent last
"""

from __future__ import annotations

import hashlib
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

AT_ONCE = 32  # concurrent requests: latency dominates, not work on this machine
MISSING = -1


def sizes(odb: Any, oids: Sequence[str]) -> dict[str, int | None]:  # noqa: ANN401  # DVC has no types
    """Bytes of each object; None if the remote does not report a size, MISSING if it has no such object."""
    paths = [odb.oid_to_path(oid) for oid in oids]
    found = odb.fs.info(paths, batch_size=max(odb.fs.jobs, AT_ONCE), return_exceptions=True)
    return {oid: _size(one) for oid, one in zip(oids, found, strict=True)}


def _size(found: dict[str, Any] | Exception) -> int | None:
    if isinstance(found, FileNotFoundError | NotADirectoryError):
        return MISSING
    if isinstance(found, Exception):
        raise found
    return found.get("size") if found.get("type", "file") == "file" else MISSING


def digests(odb: Any, oids: Sequence[str]) -> dict[str, str]:  # noqa: ANN401  # DVC has no types
    """The md5 of the remote's content of each object, which is read completely; empty if there is no such object."""
    with ThreadPoolExecutor(max_workers=odb.fs.jobs) as pool:
        return dict(zip(oids, pool.map(lambda oid: _digest(odb, oid), oids), strict=True))


def _digest(odb: Any, oid: str) -> str:  # noqa: ANN401  # DVC has no types
    found = hashlib.md5(usedforsecurity=False)
    try:
        with odb.fs.open(odb.oid_to_path(oid), "rb") as file:
            while chunk := file.read(1 << 20):
                found.update(chunk)
    except FileNotFoundError:
        return ""
    return found.hexdigest()


def texts(odb: Any, oids: Sequence[str]) -> dict[str, str]:  # noqa: ANN401  # DVC has no types
    """The content of each object, for lists of folders; empty if the remote has no such object."""
    return {oid: _text(odb, oid) for oid in oids}


def _text(odb: Any, oid: str) -> str:  # noqa: ANN401  # DVC has no types
    try:
        with odb.fs.open(odb.oid_to_path(oid), "rb") as file:
            return str(file.read().decode("utf-8", "replace"))
    except FileNotFoundError:
        return ""


def send(odb: Any, objects: Mapping[str, str]) -> dict[str, str]:  # noqa: ANN401  # DVC has no types
    """Uploads files, overwriting existing objects; a folder's list last, since it stands for its files."""
    from dvc_objects.fs.local import localfs  # noqa: PLC0415  # DVC takes a second, and only a program needs it

    for is_list in (False, True):
        chosen = {oid: path for oid, path in objects.items() if oid.endswith(".dir") == is_list}
        if chosen:
            odb.add([*chosen.values()], localfs, [*chosen], check_exists=False, verify=False)
    return {}


ACTS: dict[str, Callable[..., Any]] = {"sizes": sizes, "digests": digests, "texts": texts, "send": send}


def main() -> None:
    """Executes the request, with the default remote of the current checkout."""
    from dvc.repo import Repo  # noqa: PLC0415  # as above

    request = json.load(sys.stdin)
    with Repo() as repo:
        odb = repo.cloud.get_remote_odb(command="push")
        json.dump(ACTS[request["act"]](odb, request["objects"]), sys.stdout)


if __name__ == "__main__":
    main()
