"""Folder of a training of a search: its checkpoints, and the figures of its epochs, which may end it."""

from __future__ import annotations

import os

VARIABLE = "_RUSHES_TRIAL"  # environment variable with its address; a nightly run sets none
CHECKPOINTS, EPOCHS = "checkpoints", "epochs.json"  # names in it


def trial_folder() -> str:
    """Address of the folder; empty if this is not a training of a search."""
    return os.environ.get(VARIABLE, "")
