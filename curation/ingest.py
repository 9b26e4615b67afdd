"""Ingests raw samples from a folder, a table or the inbox into datasets/C/SOURCE, or into quarantine with a reason.

The source is never modified. The inbox is emptied: ingested files are removed from it, refused files are moved.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

from curation.errors import DataError, explained
from curation.inbox.stability import INBOX
from curation.intake.job import IngestResult, Job, name_of, source_slug
from curation.intake.starter_policy import sweep_collection
from curation.medium import intake_of

if TYPE_CHECKING:
    from pathlib import Path

    from curation.params import CollectionParams

__all__ = ["IngestResult", "inbox", "ingest", "source_name", "source_slug"]


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
    """Ingests images, films, scripts or takes into a collection; safe to repeat.

    Args:
        path: A folder, a CSV file, a film or a script; never touched, unless `move`.
        root: The checkout.
        collection: The collection's name.
        params: Its section of params.yaml.
        source: Name of the source; None: the name of the folder.
        layout: Layout of the files, such as `{label}/{performer}/*`; None: detect it.
        votes: A CSV of votes, such as FER+; None: one found in the folder or beside it.
        starter: True for the starter set, which the first real samples replace.
        move: Remove the files from where they are, as from the inbox.
        licence: For source.json.
        credit: Credit line required wherever an image made from it is shown; for source.json.

    Raises:
        DataError: Nothing was ingested; the message gives the reason.
    """
    with explained():
        real = _checked(path, root)
    name = source_name(real, source)
    job = Job(root, collection, params, name, starter=starter, licence=licence, credit=credit, move=move)
    return cast("IngestResult", intake_of(params.medium).take_in(job, real, layout=layout, votes=votes))


def source_name(path: Path, source: str | None) -> str:
    """Name of the source: the one asked for, or that of the folder or file."""
    return source_slug(source if source is not None else name_of(path))


def inbox(root: Path, collection: str, params: CollectionParams, *, now: float | None = None) -> list[IngestResult]:
    """Ingests everything in inbox/C: each entry is a source; loose class folders together form the source `inbox`.

    Ingested files are removed from the inbox, refused ones are moved to quarantine. An entry that cannot be read as
    samples stays where it is; its result states the problem, and the others are ingested all the same. A source that is
    still being written to stays until the next nightly run.

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
        raise DataError(message, "check the path; it must be a folder, a CSV file, a film or a script")
    real, datasets = path.resolve(), (root / "datasets").resolve()
    if real.is_relative_to(datasets):
        message = f"{path} lies in datasets/, which ingest writes"
        raise DataError(message, "give the folder that the samples came from")
    if datasets.is_relative_to(real):
        message = f"{path} contains this checkout"
        raise DataError(message, "give a folder that contains only the samples")
    return real
