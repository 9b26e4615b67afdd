"""Keeps starter samples and real ones apart; the starter set is removed when real data arrives."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from curation.errors import DataError
from curation.medium import by_name
from curation.store.index import collection_folder, sources
from curation.store.source_info import read_metadata, real_sources

if TYPE_CHECKING:
    from pathlib import Path

    from curation.intake.job import Job

GONE = ".gone-"


def check_starter(job: Job) -> None:
    """Checks that starter and real samples are not mixed, except where a collection keeps both.

    Raises:
        DataError: They would be.
    """
    real = real_sources(job.root, job.collection)
    if job.starter and real and not by_name(job.params.medium).adds_to_starter(job.params):
        message = f"{job.collection} holds real samples ({', '.join(real)}); the starter set is not mixed in"
        raise DataError(message, "leave the starter out")
    if not job.starter and read_metadata(job.folder).get("starter"):
        message = f"{job.source!r} is the starter set's name"
        raise DataError(message, "give the source another name: --source NAME")


def drop_starters(job: Job) -> bool:
    """Removes the starter sets of a collection; True if there were any."""
    real = real_sources(job.root, job.collection)
    starters = [job.folder.with_name(name) for name in sources(job.root, job.collection) if name not in real]
    for starter in starters:
        gone = starter.with_name(f"{GONE}{starter.name}")
        starter.rename(gone)  # atomic, so that no half of it is ever used for training
        shutil.rmtree(gone)
    return bool(starters)


def sweep_collection(root: Path, collection: str) -> None:
    """Completes a removal that a killed run began."""
    for path in collection_folder(root, collection).glob(f"{GONE}*"):
        shutil.rmtree(path)
