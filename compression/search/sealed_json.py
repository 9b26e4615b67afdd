"""JSON files with checksums of themselves and of the files beside them.

Files that compression keeps between runs are read back days later: a flipped bit in a figure, in reference outputs or
in a student's weights would be shipped without a warning.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from common.atomic import replacing
from rushes.bundle.manifest import sha256_file
from rushes.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class DamagedFileError(UserError):
    """A file, or one beside it, is not what was written; the message names it."""


def write_sealed(path: Path, content: object, beside: Iterable[str] = ()) -> None:
    """Writes JSON, with the sha256 of itself and of files beside it, whole or not at all.

    Args:
        path: Where it goes.
        content: What is to be kept.
        beside: The names of files in the same folder that belong to it; each is complete by now.
    """
    kept = {"content": content, "files": {name: sha256_file(path.parent / name) for name in beside}}
    with replacing(path) as partial:
        partial.write_text(json.dumps(kept | {"sha256": _checksum(kept)}, indent=1) + "\n", encoding="utf-8")


def read_sealed(path: Path) -> Any:  # noqa: ANN401  # any JSON
    """The content of a file, verified together with the files beside it.

    Raises:
        FileNotFoundError: There is none.
        DamagedFileError: It, or a file beside it, is not what was written.
    """
    text = path.read_bytes()
    try:
        kept = json.loads(text)
        checksum = kept.pop("sha256")
        files = dict(kept["files"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"{path} is damaged: it is not what was written"
        raise DamagedFileError(message) from error
    if checksum != _checksum(kept):
        message = f"{path} is damaged: its content does not match its checksum"
        raise DamagedFileError(message)
    for name, expected in files.items():
        _check(path.parent / name, expected)
    return kept["content"]


def _check(path: Path, expected: str) -> None:
    if not path.is_file():
        message = f"{path} is missing"
        raise DamagedFileError(message)
    if sha256_file(path) != expected:
        message = f"{path} is damaged: its content does not match its checksum"
        raise DamagedFileError(message)


def _checksum(kept: object) -> str:
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
