"""Raw samples in: from a folder, a table or the inbox into datasets/C/SOURCE, or into quarantine with a reason.

The source is never touched. The inbox is emptied: what was taken in is removed from it, what was refused is moved.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

from curation.errors import DataError, explained
from curation.inbox.stability import INBOX
from curation.intake.job import IngestResult, Job, name_of, slug
from curation.intake.starter_policy import sweep_collection
from curation.medium import intake_of

if TYPE_CHECKING:
    from pathlib import Path

    from curation.params import CollectionParams

__all__ = ["IngestResult", "inbox", "ingest", "slug", "source_name"]


def ingest(
    path: Path,
    root: Path,
    collection: str,
    params: CollectionParams,
    *,
    source: str | None = None,
    layout: str | None = None,
    votes: Path | None = None,
    starter: bool = False,
    move: bool = False,
    licence: str = "",
    credit: str = "",
) -> IngestResult:
    """Takes pictures, films or scripts into a collection; safe to repeat.

    Args:
        path: A folder, a CSV file, a film or a script; never touched, unless `move`.
        root: The checkout.
        collection: The collection's name.
        params: Its section of params.yaml.
        source: The name of the source; None: that of the folder.
        layout: How the files lie, such as `{label}/{performer}/*`; None: found out.
        votes: A CSV of votes, such as FER+; None: one found in the folder or beside it.
        starter: This is the starter set, which the first real samples replace.
        move: Take files out of where they are, as from the inbox.
        licence: For source.json.
        credit: Who must be named wherever a picture made from it is shown; for source.json.

    Raises:
        DataError: Nothing was taken in, and the message says why.
    """
    with explained():
        real = _checked(path, root)
    name = source_name(real, source)
    job = Job(root, collection, params, name, starter=starter, licence=licence, credit=credit, move=move)
    return cast("IngestResult", intake_of(params.medium).take_in(job, real, layout=layout, votes=votes))


def source_name(path: Path, source: str | None) -> str:
    """The name of the source that data become: the one asked for, or that of their folder or file."""
    return slug(source if source is not None else name_of(path))


def inbox(root: Path, collection: str, params: CollectionParams, *, now: float | None = None) -> list[IngestResult]:
    """Takes in whatever lies in inbox/C: each entry is a source, loose class folders together are `inbox`.

    What was taken in is removed from the inbox, what was refused is moved to quarantine. An entry that cannot be read
    as samples stays where it is; its result names the problem, and the others are taken in all the same. A source that
    is still being written to stays until the next night.

    Args:
        root: The checkout.
        collection: The collection's name.
        params: Its section of params.yaml.
        now: Seconds since 1970; None: now.
    """
    folder = root / INBOX / collection
    if not folder.is_dir():
        return []
    sweep_collection(root, collection)
    job = Job(root, collection, params, INBOX, move=True)
    return list(intake_of(params.medium).inbox(folder.resolve(), job, time.time() if now is None else now))


def _checked(path: Path, root: Path) -> Path:
    if not path.exists():
        message = f"{path} does not exist"
        raise DataError(message, "check the path; a folder, a CSV file, a film or a script is wanted")
    real, datasets = path.resolve(), (root / "datasets").resolve()
    if real.is_relative_to(datasets):
        message = f"{path} lies in datasets/, which is what ingest writes"
        raise DataError(message, "give the folder that the samples came from")
    if datasets.is_relative_to(real):
        message = f"{path} holds this checkout"
        raise DataError(message, "give the folder of the samples alone")
    return real
