"""Records in a model store, beside the bundles: time and registry of each pull, and versions that were rolled back.

    STORE/expression/.records.json    {"pulled": {"v7-0123456789ab": {...}}, "rejected": {"0123456789ab": {...}}}

The file is copied with the store, including onto a stick. Commands that use a rolled back bundle print a warning.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from rushes.bundle.manifest import DIGEST_CHARS
from rushes.bundle.regular_files import read_regular
from rushes.errors import RushesError, plain
from rushes.output_files import locked, write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAME = ".records.json"  # no alias starts with a full stop
MAX_BYTES = 4 << 20
MAX_REASON_CHARS = 500


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Rejection(_Frozen):
    """Version that a registry has permanently rolled back."""

    version: int
    when: str = ""
    why: str = ""

    def __str__(self) -> str:
        """Text for display after the name of a version."""
        when, why = plain(self.when[:10]), plain(self.why[:MAX_REASON_CHARS])
        return f"was rolled back{when and ' on '}{when}{why and ': '}{why}"


class PullRecord(_Frozen):
    """Record of one pull."""

    pulled: str  # in UTC
    registry: str


class Records(_Frozen):
    """Records of one family: pulls by folder name, rejections by the start of the digest."""

    pulled: dict[str, PullRecord] = {}
    rejected: dict[str, Rejection] = {}

    def rejection(self, digest: str) -> Rejection | None:
        """Rejection of the bundle with this digest; None if it is not known to be rolled back."""
        return self.rejected.get(digest[:DIGEST_CHARS])


def read_records(family_folder: Path) -> Records:
    """Reads the records of a family; empty if there are none or they cannot be read."""
    with contextlib.suppress(OSError, RushesError, ValidationError):
        return Records.model_validate_json(read_regular(family_folder / NAME, MAX_BYTES))
    return Records()


def record_pull(family_folder: Path, name: str, registry: str, rejected: Mapping[str, Rejection]) -> None:
    """Records a pull, and the versions that the registry has rolled back.

    Raises:
        OSError: The store cannot be written.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    with locked(family_folder):  # a capture and a pull may run at once
        before = read_records(family_folder)
        there = {kept: record for kept, record in before.pulled.items() if (family_folder / kept).is_dir()}
        records = Records(
            pulled=there | {name: PullRecord(pulled=now, registry=registry)}, rejected={**before.rejected, **rejected}
        )
        write_whole(family_folder / NAME, records.model_dump_json(indent=1).encode())
