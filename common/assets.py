"""Files from packages that are pinned in assets.txt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Asset:
    """A file from a package pinned in assets.txt: shipped in the bundle, or used by a step to train or measure."""

    role: str
    package: str  # normalised name, as in assets.txt
    member: str  # path inside the archive, for `common.packages.read_member`
    name: str  # file name in the bundle
    sha256: str
    licence: str


# Returns an asset's bytes, verified by its sha256; steps pass it in, since settings decide where packages are.
Read = Callable[[Asset], bytes]
