"""The media of collections, and the interface of a medium to the code that serves all of them.

A medium is a package of this folder, with the name that params.yaml uses and fixed names inside:

    curation/MEDIUM/__init__.py   `medium`, a Medium: its names, its packing, its reasons to drop a sample
    curation/MEDIUM/ingest.py     `take_in` and `inbox`: files into datasets/C/SOURCE
    curation/MEDIUM/clean.py      `examine`: every sample with its statistics and its reason

A package is imported on first use, and no other with it, so a stage depends only on its own medium's code.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from curation.params import MEDIA

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from common.assets import Asset
    from curation.params import CollectionParams
    from curation.store.packing import Packing


def _one(_params: CollectionParams) -> int:
    return 1


@dataclass(frozen=True)
class Medium:
    """One medium.

    Attributes:
        name: Name of the medium in `collections.C.medium`.
        rows: Plural name of a row of the index, such as "shots".
        samples: Plural name of what clean judges and packs, such as "frames" of a shot.
        packing: Arrays that a packed set is made of.
        reasons: Every reason to drop a sample, in the order of the checks, and the param that loosens the check, as a
            path below the collection.
        labelled: True if ingest refuses a sample without a label.
        max_samples: Maximum number of samples that clean takes from one row of the index.
        columns: Columns of the index that only this medium has, with their Arrow types, such as `{"fps": "float64"}`.
        slow: True if clean reads every file to its end; the preview of an ingest then examines only the new source.
        assets: Files from packages that clean needs; `examine` of such a medium has a fourth argument, their reader.
        keeps_starter: True if real samples are always added to the starter, as the equal of any source: it has what no
            studio has, such as the face of a hundred people with known units.
    """

    name: str
    rows: str
    samples: str
    packing: Packing
    reasons: Mapping[str, str]
    labelled: bool = False
    max_samples: Callable[[CollectionParams], int] = _one
    columns: Mapping[str, str] = field(default_factory=dict)
    slow: bool = False
    assets: tuple[Asset, ...] = ()
    keeps_starter: bool = False

    def adds_to_starter(self, params: CollectionParams) -> bool:
        """True if real samples of a collection are added to its starter, not put in its place."""
        return self.keeps_starter or params.starter_share > 0

    def sets_apart(self, params: CollectionParams) -> bool:
        """True if samples without a label are kept apart, for students; with a parent they get a style cluster."""
        return self.labelled and params.parent is None


def by_name(name: str) -> Medium:
    """The medium of that name.

    Raises:
        KeyError: There is none; the message lists the available ones.
    """
    return cast("Medium", _package(name, "").medium)


def intake_of(name: str) -> ModuleType:
    """The module with `take_in` and `inbox` of a medium.

    Raises:
        KeyError: There is no such medium.
    """
    return _package(name, ".ingest")


def clean_of(name: str) -> ModuleType:
    """The module with `examine` of a medium.

    Raises:
        KeyError: There is no such medium.
    """
    return _package(name, ".clean")


def _package(name: str, module: str) -> ModuleType:
    if name not in MEDIA:
        message = f"no medium {name!r}; there are: {', '.join(MEDIA)}"
        raise KeyError(message)
    return importlib.import_module(f"curation.{name}{module}")
