"""The reader of assets: what it brings is what the family names, or nothing."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace

import pytest

from common.assets import Asset
from common.packages import PackageError
from common.settings import Settings
from registry.assets import asset_reader

ASSET = Asset("tool", "made-up", "made_up/tool.bin", "tool.bin", hashlib.sha256(b"tool").hexdigest(), "CC0-1.0")


@pytest.fixture
def reader(tmp_path):
    """A tree whose package lies there already, so that nothing is fetched."""
    folder = tmp_path / ".state" / "packages"
    folder.mkdir(parents=True)
    wheel = folder / "made_up-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(ASSET.member, b"tool")
    pinned = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (tmp_path / "assets.txt").write_text(f"made-up==1.0 --hash=sha256:{pinned}\n")
    return asset_reader(tmp_path, Settings(state=tmp_path / ".state"))


def test_it_brings_the_bytes(reader):
    """Out of the package that is pinned."""
    assert reader(ASSET) == b"tool"


def test_another_file_is_refused(reader):
    """A figure made with other weights would be compared with those of the right ones."""
    with pytest.raises(PackageError, match="as specified"):
        reader(replace(ASSET, sha256="0" * 64))
