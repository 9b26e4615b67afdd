"""File with the figures of each epoch, for a search, which may end a training because of them."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "_RUSHES_EPOCHS"  # environment variable with its path; a nightly run sets none


def epochs_file() -> Path | None:
    """Path of the file; None if nobody reads it."""
    path = os.environ.get(VARIABLE)
    return Path(path) if path else None
