"""Stand-ins for the packages that assets.txt pins: wheels in a folder for pip, pinned by a copy of the project."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import torch

from common.packages import NESTED
from models.families import FAMILIES
from models.scene.metrics.extractor import EXTRACTOR, Extractor, prepared
from models.scene.texts import ENCODER, TOKENIZER
from tests.support.drawn import LABELS, scenes
from tests.support.scenes import write_encoder, write_tokenizer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from common.assets import Asset

PLAIN = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}


def plant_packages(root: Path, folder: Path, contents: Mapping[Asset, bytes] | None = None) -> None:
    """Writes a wheel into `folder` for every asset of any family, and its hashes into a copy of the project.

    Args:
        root: The copy; its assets.txt and the modules that name assets are changed.
        folder: The folder in which pip looks.
        contents: Contents of an asset's file; a short text by default.
    """
    folder.mkdir()
    given = dict(contents or {})
    for asset in dict.fromkeys(asset for family in FAMILIES for asset in (*family.assets, *family.instruments)):
        content = given.get(asset, f"stands for {asset.name}".encode())
        _pin(root / "assets.txt", asset, folder, content)
        modules = [path for package in ("curation", "models") for path in (root / package).rglob("*.py")]
        held = [path for path in modules if asset.sha256 in path.read_text()]
        assert held, f"no module names the sha256 of {asset.name}"
        for path in held:
            path.write_text(path.read_text().replace(asset.sha256, hashlib.sha256(content).hexdigest()))


def _pin(pins: Path, asset: Asset, folder: Path, content: bytes) -> None:
    pinned = re.search(rf"^{asset.package}==(\S+) --hash=sha256:([0-9a-f]{{64}})", pins.read_text(), re.MULTILINE)
    assert pinned is not None, f"{pins.name} has no line of {asset.package}"
    digest = write_package(folder, asset, pinned[1], content)
    pins.write_text(pins.read_text().replace(pinned[2], digest))


def write_package(folder: Path, asset: Asset, version: str, content: bytes) -> str:
    """Writes a wheel with this file and those that it already has; returns its sha256."""
    name = f"{asset.package.replace('-', '_')}-{version}"
    path = folder / f"{name}-py3-none-any.whl"
    metadata = f"Metadata-Version: 2.1\nName: {asset.package}\nVersion: {version}\n"
    wheel = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {
        f"{name}.dist-info/{file}": text.encode()
        for file, text in {"METADATA": metadata, "WHEEL": wheel, "RECORD": ""}.items()
    }
    files |= _unzipped(path.read_bytes()) if path.exists() else {}
    outer, _, inner = asset.member.partition(NESTED)
    if inner:
        content = _zipped((_unzipped(files[outer]) if outer in files else {}) | {inner: content})
    path.write_bytes(_zipped(files | {outer: content}))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _zipped(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def _unzipped(packed: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def scene_contents(scratch: Path) -> dict[Asset, bytes]:
    """Contents of the scene family's packages: an encoder with a dozen words, and an untrained extractor."""
    write_encoder(scratch / ENCODER.name)
    write_tokenizer(scratch / TOKENIZER.name)
    contents = {asset: (scratch / asset.name).read_bytes() for asset in (ENCODER, TOKENIZER)}
    return contents | {EXTRACTOR: extractor_weights()}


def extractor_weights() -> bytes:
    """Random weights, and norms fitted to some pictures, so that two pictures differ in their features."""
    labels = np.arange(32) % len(LABELS)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        extractor = Extractor().train()
        for norm in (part for part in extractor.modules() if isinstance(part, torch.nn.BatchNorm2d)):
            norm.momentum = 1.0  # the running statistics are those of this batch
        extractor(prepared(scenes(labels, np.random.default_rng(0))))
    file = io.BytesIO()
    torch.save({_as_packed(name): tensor for name, tensor in extractor.state_dict().items()}, file)
    return file.getvalue()


def _as_packed(name: str) -> str:
    """`blocks.0.bn1.weight` -> `_blocks.0._bn1.weight`."""
    return ".".join(part if part.isdigit() or part in PLAIN else f"_{part}" for part in name.split("."))
