"""The checkout as Ray's working_dir: the files that git knows or would add, as they are now."""

from __future__ import annotations

import subprocess
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LEFT_OUT = ("docs/",)
EPOCH = (1980, 1, 1, 0, 0, 0)  # Ray names the archive by its content: the same files are sent once


def pack(root: Path, target: Path) -> Path:
    """Writes an archive of the checkout; ignored files, such as settings.toml and data, are left out.

    Ray's own packing would hash every file of the folder, data included.
    """
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],  # noqa: S607 - git of the path
        cwd=root,
        check=True,
        capture_output=True,
    ).stdout.decode()
    names = sorted({name for name in listed.split("\0") if name and not name.startswith(LEFT_OUT)})
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            if (root / name).is_file():
                archive.writestr(zipfile.ZipInfo(name, EPOCH), (root / name).read_bytes())
    return target
