"""A model store with a tiny model of each family."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rushes.bundle.manifest import read_head
from rushes.store.store import CHAMPION, NEWEST, folder_name, point
from tests.support import runtime, scenes, written

if TYPE_CHECKING:
    from pathlib import Path

WRITERS = {"expression": runtime.write_bundle, "scene": scenes.write_bundle, "script": written.write_bundle}
VERSION = 7


def fill(store: Path) -> Path:
    """Puts version 7 of each family into the store, as newest and as champion; returns the store."""
    for family, write_bundle in WRITERS.items():
        write_bundle(store / family / "new")
        folder = store / family / folder_name(VERSION, read_head(store / family / "new").digest)
        (store / family / "new").rename(folder)
        point(store / family, NEWEST, folder)
        point(store / family, CHAMPION, folder)
    return store
