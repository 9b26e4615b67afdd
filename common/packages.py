"""Data in packages, fetched through the user's own pip configuration and read as archives.

A mirror, a proxy or a folder of wheels that is configured for pip also applies here; no other address is contacted.
Archives are compared with the hashes of a requirements file, and are never installed.
"""

from __future__ import annotations

import io
import re
import shlex
import subprocess
import sys
import tarfile
import zipfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from common.hashing import sha256_of
from rushes.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# The only package whose data is not in a wheel: Big Buck Bunny is in moviepy's sdist.
SDISTS = "moviepy"
LAST_LINES = 12
NESTED = "!/"  # between the path of a zip file inside an archive and a path inside of it
ARCHIVES = (".whl", ".zip", ".tar.gz")


class PackageError(UserError):
    """Package that cannot be fetched or has unexpected content; the message ends with a remedy."""


def fetch(requirements: Path, to: Path, *, progress: bool = True) -> dict[str, Path]:
    """Fetches the packages of a hashed requirements file, unless they exist.

    A run that was killed can be repeated: complete files are kept, others are fetched again.

    Args:
        requirements: File with lines of `name==version --hash=sha256:...`.
        to: Folder for the archives, owned by the caller.
        progress: True to let pip show its progress, on standard error if that is a terminal.

    Returns:
        Archives by project name, normalised as in PEP 503.

    Raises:
        PackageError: pip failed, or the file names no hashed project.
    """
    wanted = wanted_hashes(requirements)
    to.mkdir(parents=True, exist_ok=True)
    found = _find(wanted, to)
    if wanted.keys() - found.keys():
        _download(requirements, to, progress=progress)
        found = _find(wanted, to)
    if lacking := wanted.keys() - found.keys():
        message = (
            f"pip ended well, yet {to} holds no file of {', '.join(sorted(lacking))} with a hash that {requirements} "
            f"names. What lies there under that name is another one: delete it and run again."
        )
        raise PackageError(message)
    return found


def wanted_hashes(requirements: Path) -> dict[str, set[str]]:
    """Content of a requirements file: normalised project name -> allowed sha256 sums.

    Raises:
        PackageError: A line names a project without a sha256, or none does.
    """
    wanted = {}
    lines = requirements.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    for line in filter(None, (line.partition("#")[0].strip() for line in lines)):
        wanted[normalise(re.split(r"[=<>!~;\[\s]", line, maxsplit=1)[0])] = set(
            re.findall(r"sha256:([0-9a-f]{64})", line)
        )
    if not wanted or not all(wanted.values()):
        bare = next((name for name, hashes in wanted.items() if not hashes), "no project at all")
        message = f"{requirements} names {bare} without a hash: write `name==version --hash=sha256:...`"
        raise PackageError(message)
    return wanted


def members(wheel: Path, pattern: str) -> list[str]:
    """Lists the files of a wheel whose path matches a pattern such as `plays/*/*.md`, in order.

    Raises:
        PackageError: No file matches, or the archive cannot be read.
    """
    try:
        with zipfile.ZipFile(wheel) as opened:
            found = [name for name in opened.namelist() if PurePosixPath(name).match(pattern)]
    except (OSError, zipfile.BadZipFile) as error:
        found, cause = [], f" ({error})"
    else:
        cause = ""
    if not found:
        message = f"{wheel} holds no {pattern} that can be read{cause}: delete the archive and run again"
        raise PackageError(message)
    return sorted(found)


def read_member(archive: Path, member: str) -> bytes:
    """Reads a file from a wheel, a zip file or an sdist.

    Args:
        archive: An archive from `fetch`.
        member: Path inside the archive; in an sdist, below its single folder NAME-VERSION. A file of a zip file inside
            the archive is written as `faces.zip!/face.bin`.

    Raises:
        PackageError: The file does not exist, or the archive cannot be read.
    """
    outer, _, inner = member.partition(NESTED)
    try:
        if archive.name.endswith(".tar.gz"):
            content = _read_sdist(archive, outer)
        else:
            with zipfile.ZipFile(archive) as wheel:
                content = wheel.read(outer)
        if not inner:
            return content
        with zipfile.ZipFile(io.BytesIO(content)) as nested:
            return nested.read(inner)
    except (KeyError, OSError, EOFError, tarfile.TarError, zipfile.BadZipFile) as error:
        message = f"{archive} holds no {member} that can be read ({error}): delete the archive and run again"
        raise PackageError(message) from error


def normalise(name: str) -> str:
    """Project name in the normalised form used by package indexes (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _read_sdist(archive: Path, member: str) -> bytes:
    with tarfile.open(archive, "r:gz") as sdist:
        top = archive.name.removesuffix(".tar.gz")
        file = sdist.extractfile(f"{top}/{member}")
        if file is None:
            message = f"{member} is a folder"
            raise KeyError(message)
        return file.read()


def _find(wanted: Mapping[str, set[str]], to: Path) -> dict[str, Path]:
    """Finds the wanted archives in a folder, by content and not only by name."""
    found = {}
    for archive in sorted(path for path in to.iterdir() if path.name.endswith(ARCHIVES)):
        for name, hashes in wanted.items():
            if normalise(archive.name).startswith(f"{name}-") and sha256_of(archive) in hashes:
                found[name] = archive
    return found


def _download(requirements: Path, to: Path, *, progress: bool) -> None:
    """Fetches with pip; its output shows progress, and its last lines are the reason of a failure."""
    words = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input"]
    words += ["--no-deps", "--require-hashes", "-r", str(requirements), "--no-binary", SDISTS, "-d", str(to)]
    shown = progress and sys.stderr.isatty()
    done = subprocess.run(
        words, stdout=sys.stderr if shown else subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        output = [line for line in f"{done.stdout or ''}\n{done.stderr}".splitlines() if line.strip()]
        last = "\n".join(f"  {line}" for line in output[-LAST_LINES:])
        message = f"pip could not fetch what {requirements} names:\n{last}\n{_remedy(output, words)}"
        raise PackageError(message)


def _remedy(output: list[str], words: list[str]) -> str:
    """Remedies for the user, with commands that are ready to paste."""
    text, config = "\n".join(output), shlex.join([sys.executable, "-m", "pip", "config", "list"])
    if "No module named pip" in text:
        return f"This Python has no pip. Run: {shlex.join([sys.executable, '-m', 'ensurepip'])}"
    if "DO NOT MATCH THE HASHES" in text or "Hashes are required" in text:
        return (
            "The index serves another file than the one that was tried and written down: do not use it. Ask whoever "
            f"runs the index that pip uses; this names it: {config}"
        )
    return (
        f"Try it by hand: {shlex.join(words)}\nWhich index, proxy and certificates pip uses: "
        f"{config}\nWithout a network, put the files that "
        f"{shlex.quote(words[words.index('-r') + 1])} names into {shlex.quote(words[-1])} yourself and run again."
    )
