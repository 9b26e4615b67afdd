"""Reads arrays from the bytes of an .npz file of unknown origin."""

from __future__ import annotations

import io
import zipfile

import numpy as np

from rushes.bundle.regular_files import FileError


def unpack_arrays(content: bytes, max_bytes: int) -> dict[str, np.ndarray]:
    """Arrays by name; pickled objects are never read.

    Args:
        content: The file.
        max_bytes: Maximum size of all arrays together.

    Raises:
        FileError: The file is damaged, has something else than arrays, or unpacks to more than `max_bytes`.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size_bytes = sum(entry.file_size for entry in archive.infolist())
            if size_bytes <= max_bytes:
                return {name.removesuffix(".npy"): _array(archive.read(name)) for name in archive.namelist()}
    except Exception as error:  # NumPy, zipfile, zlib and tokenize each raise errors of their own for a damaged file
        message = f"{type(error).__name__}: {error}"
        raise FileError(message) from error
    message = f"it unpacks to {size_bytes:,} bytes, more than {max_bytes:,}"
    raise FileError(message)


def _array(content: bytes) -> np.ndarray:
    return np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
