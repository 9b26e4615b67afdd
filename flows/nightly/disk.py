"""Estimate of the disk space for a run, made before it starts, so that it does not fail in its third hour."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curation.params import CollectionParams
from flows.nightly.data_tasks import needed
from registry.dvc.faults import FREE_CACHE
from rushes.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

MB = 1_000_000
# Models, checkpoints, scores, logs, the report, the servers' databases: measured, and rounded up.
FIXED_BYTES = 500 * MB
# The starters: packages, and the faces rendered from them, or the film or the plays in them; and each rendered take.
STARTER_BYTES = {"faces": 400 * MB, "films": 250 * MB, "scripts": 50 * MB, "takes": 50 * MB}
TAKE_BYTES = MB // 2
# Copies of an image or a text as an array: in the clean set, and in a family's set itself and its balanced copies.
CLEAN_COPIES, SET_COPIES = 1, 3


class DiskFullError(UserError):
    """Raised if there is too little space for the run's output; `remedy` states how much to free, and how."""

    def __init__(self, needed: int, free: int, where: Path) -> None:
        super().__init__(
            f"{where} has {free / MB:,.0f} MB free, and this run needs about {needed / MB:,.0f} MB",
            f"{FREE_CACHE}   # removes what no branch and no registered version needs; or free space yourself",
        )


@dataclass(frozen=True)
class Estimate:
    """Bytes by purpose."""

    parts: Mapping[str, int]

    @property
    def total(self) -> int:
        """Sum of all parts."""
        return sum(self.parts.values())


def estimate(root: Path, values: Mapping[str, Any], families: Sequence[str], *, starters: Iterable[str]) -> Estimate:
    """Bytes that a run over these families will write; a rough, rather high estimate.

    Raises:
        KeyError: The params do not have a family.
    """
    from curation.medium import by_name  # noqa: PLC0415 - pandas

    parts = {"models, logs, report": FIXED_BYTES, "starter": sum(_starter_bytes(values, name) for name in starters)}
    samples: dict[str, int] = {}
    for name in needed(values, families):
        section = CollectionParams.model_validate(values["collections"][name])
        medium = by_name(section.medium)
        samples[name] = _rows(root, name) * medium.max_samples(section) + samples.get(section.parent or "", 0)
        learners = sum(values["families"][family] == name for family in families)
        packed = medium.packing.size_bytes(samples[name], _size(root / "datasets" / name), section)
        parts[name] = packed * (CLEAN_COPIES + SET_COPIES * learners)
        parts[f"inbox/{name}"] = 2 * _size(root / "inbox" / name)  # in datasets/, and in DVC's cache if it cannot link
    return Estimate(parts)


def _starter_bytes(values: Mapping[str, Any], name: str) -> int:
    if name != "takes":
        return STARTER_BYTES[name]
    section = CollectionParams.model_validate(values["collections"][name])
    return STARTER_BYTES[name] + section.take.starter_performers * TAKE_BYTES


def check(need: Estimate, where: Path, disk_usage: Callable[[Path], Any] = shutil.disk_usage) -> None:
    """Raises if the run would not fit on the disk.

    Raises:
        DiskFullError: There is less space than it needs.
    """
    free = disk_usage(where).free
    if free < need.total:
        raise DiskFullError(need.total, free, where)


def _rows(root: Path, collection: str) -> int:
    from pyarrow import parquet  # noqa: PLC0415 - a tenth of a second

    indices = (root / "datasets" / collection).glob("*/index.parquet")
    return sum(parquet.read_metadata(path).num_rows for path in indices)


def _size(folder: Path) -> int:
    return sum((Path(at) / name).lstat().st_size for at, _, names in os.walk(folder) for name in names)
