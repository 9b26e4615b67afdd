"""Reads and checks what DVC acts on, before DVC does: params.yaml, dvc.yaml, dvc.lock, datasets.dvc, lists of folders.

Whoever can push to the team's repository or remote writes these. DVC takes an md5 for a part of a path, and removes and
writes whatever path an out or a list names, `../..` and `.git` included. Here an md5 is 32 hex digits, outs lie in
build/, and the files of a version lie in datasets/. The commands in dvc.yaml are code, like the rest of the checkout.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any

import yaml

from common.yaml_files import read_yaml_file
from registry.dvc.faults import restore
from registry.dvc.stage_key import resolve
from rushes.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

DATA, VERSION, LOCK, GRAPH, PARAMS = "datasets", "datasets.dvc", "dvc.lock", "dvc.yaml", "params.yaml"
BUILD = "build"
MAX_FILES = 10_000_000
MAX_BYTES = 1 << 60
_MD5 = re.compile(r"[0-9a-f]{32}(?:\.dir)?", re.ASCII)
_NAME = re.compile(r"\w[\w.-]*")
# Keys of a .dvc file, and of an out in it or in dvc.lock. `cmd`, `deps` and `wdir` make a stage of a .dvc file; `files`
# and `cloud` name paths and addresses of their own.
_VERSION_KEYS = {"outs", "meta", "md5", "desc", "frozen"}
_OUT_KEYS = {"path", "md5", "size", "nfiles", "hash", "isexec", "desc", "type", "labels", "meta", "remote", "push",
             "cache", "persist"}  # fmt: skip


class VersionError(UserError):
    """Raised if data cannot be versioned or fetched; `remedy` is a command. `transient`: worth a retry."""

    def __init__(self, message: str, remedy: str, *, transient: bool = False) -> None:
        super().__init__(message, remedy, kind="transient" if transient else "user")


def read_record(root: Path, name: str) -> dict[str, Any]:
    """Reads one of the files as a mapping; empty if it does not exist.

    Raises:
        VersionError: It is not a plain file of this checkout, or not valid YAML; see `common.yaml_files`.
    """
    path = root / name
    if path.is_symlink():
        raise _unreadable(root, name, "it is a link")
    try:
        found = read_yaml_file(path)
    except FileNotFoundError:
        return {}
    except yaml.YAMLError as error:
        raise _unreadable(root, name, " ".join(str(error).split())) from error
    if found is not None and not isinstance(found, dict):
        raise _unreadable(root, name, "it does not have keys at its top")
    return found or {}


def check_records(root: Path) -> None:
    """Checks params.yaml, dvc.yaml, dvc.lock and datasets.dvc together, before DVC reads them.

    Raises:
        VersionError: One of them cannot be read, or has a path that leaves its folder, or an invalid md5.
    """
    params, graph = read_record(root, PARAMS), read_record(root, GRAPH)
    for section in ("collections", "families"):
        if not isinstance(params.get(section) or {}, dict):
            raise _unreadable(root, PARAMS, f"{section} has no names")
        for name in params.get(section) or {}:
            if not _NAME.fullmatch(str(name)):
                raise _unreadable(root, PARAMS, f"{section} has {name!r}, which is not a plain name")
    for stage, kind, path in _paths(graph, params):
        if kind == "deps" and not is_inside(path, ""):
            raise _unreadable(root, GRAPH, f"the stage {stage} reads {path!r}, which does not lie in the checkout")
        if kind != "deps" and not is_inside(path, BUILD):
            raise _unreadable(root, GRAPH, f"the stage {stage} has the out {path!r}, which does not lie in {BUILD}/")
        if kind != "deps":
            _refuse_link(root, path)
    _refuse_link(root, f"{DATA}/")
    lock_stages(root)
    read_out(root)


def lock_stages(root: Path) -> dict[str, Any]:
    """The stages in dvc.lock by name; empty if there is none.

    Raises:
        VersionError: dvc.lock cannot be read, or as for `check_records`.
    """
    stages = read_record(root, LOCK).get("stages") or {}
    if not isinstance(stages, dict):
        raise _unreadable(root, LOCK, "its stages have no names")
    for name, stage in stages.items():
        if not isinstance(stage, dict):
            raise _unreadable(root, LOCK, f"the stage {name!r} is empty")
        for out in _entries(root, name, stage, "outs"):
            if not is_inside(out["path"], BUILD):
                raise _unreadable(root, LOCK, f"{name!r} has the out {out['path']!r}, which is not in {BUILD}/")
        for dep in _entries(root, name, stage, "deps"):
            if not is_inside(dep["path"], ""):
                raise _unreadable(root, LOCK, f"{name!r} has the dep {dep['path']!r}, which is not in the checkout")
    return stages


def read_out(root: Path) -> dict[str, Any]:
    """The one out of datasets.dvc, with `meta` of the file in it; empty if there is no such file.

    Raises:
        VersionError: It is not a version of datasets/ with a valid md5 and size.
    """
    document = read_record(root, VERSION)
    if not document:
        if (root / VERSION).exists():
            raise _unreadable(root, VERSION, "it is empty")
        return {}
    outs = document.get("outs")
    if not isinstance(outs, list) or len(outs) != 1 or not isinstance(outs[0], dict):
        raise _unreadable(root, VERSION, "it does not have exactly one out")
    if strange := sorted(str(key) for key in document.keys() - _VERSION_KEYS):
        raise _unreadable(root, VERSION, f"it has {strange[0]!r}, which is not part of a version")
    if outs[0].get("path") != DATA:
        raise _unreadable(root, VERSION, f"it is a version of {outs[0].get('path')!r}, not of {DATA}/")
    _check_out(root, VERSION, DATA, outs[0])
    meta = document.get("meta")
    return {**outs[0], "meta": meta if isinstance(meta, dict) else {}}


def check_md5(md5: object, where: str) -> str:
    """An md5 as DVC names objects: 32 hex digits, with `.dir` for the list of a folder.

    Raises:
        VersionError: It is something else, such as a path.
    """
    if isinstance(md5, str) and _MD5.fullmatch(md5):
        return md5
    message = f"{where} has the md5 {str(md5)[:100]!r}, which is not 32 hex digits"
    raise VersionError(message, f"git log --patch -- {VERSION} {LOCK}   # who wrote it; restore an earlier one")


def parse_listing(text: str) -> dict[str, str] | None:
    """Path -> md5 of every file of a folder, parsed from the text of its list; None if that is not a list of files.

    Raises:
        VersionError: A path leaves the folder, or an md5 is not one.
    """
    try:
        found = {entry["relpath"]: entry["md5"] for entry in json.loads(text)}
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    for name, md5 in found.items():
        check_md5(md5, "a list of files")
        if not is_inside(name, ""):
            message = f"a list of files names {str(name)[:100]!r}, which leaves its folder"
            raise VersionError(message, f"git log --patch -- {VERSION} {LOCK}   # who wrote it; restore an earlier one")
    return found


def is_inside(path: object, folder: str) -> bool:
    """True if a path with forward slashes is relative, lies below a folder, and is below it on every system."""
    if not isinstance(path, str) or not path or any(sign in path for sign in "\\\0") or path[1:2] == ":":
        return False
    parts = path.removeprefix("./").removesuffix("/").split("/")
    if any(part in {"", ".", ".."} for part in parts):
        return False
    return not folder or (parts[0] == folder and len(parts) > 1)


def _refuse_link(root: Path, path: str) -> None:
    """Refuses links among the folders above a path: DVC would write through them, and then fail."""
    for folder in (root / path).parents if not path.endswith("/") else [root / path]:
        if folder == root:
            return
        if folder.is_symlink():
            name = folder.relative_to(root).as_posix()
            message = f"{name} is a link, and what is written there would leave the checkout"
            raise VersionError(
                message, f"rm {shlex.quote(name)} && mkdir {shlex.quote(name)}   # or mount the other disk there"
            )


def _paths(graph: Mapping[str, Any], params: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Stage, kind and path of all outs and deps, with variables substituted; what DVC cannot resolve is left to DVC."""
    stages = graph.get("stages")
    for stage, definition in stages.items() if isinstance(stages, dict) else ():
        for item in _items(definition, params):
            try:
                found = resolve(graph, params, stage, item)
            except (KeyError, TypeError, AttributeError):
                continue
            folder = str(found.get("wdir") or "")
            for kind in ("deps", "outs", "metrics", "plots"):
                for one in found.get(kind) or ():
                    path = str(next(iter(one), "") if isinstance(one, dict) else one)
                    yield f"{stage}@{item}" if item else stage, kind, f"{folder}/{path}" if folder else path


def _items(definition: object, params: Mapping[str, Any]) -> Iterable[str]:
    """Items of a stage with `foreach`, or one empty item."""
    if not isinstance(definition, dict) or "foreach" not in definition:
        return [""]
    try:
        return [
            str(item) for item in resolve({"stages": {"": {"over": definition["foreach"]}}}, params, "", "")["over"]
        ]
    except (KeyError, TypeError):
        return []


def _entries(root: Path, name: str, stage: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    entries = stage.get(kind) or []
    if not isinstance(entries, list) or not all(isinstance(one, dict) and "path" in one for one in entries):
        raise _unreadable(root, LOCK, f"the {kind} of {name!r} have no paths")
    for entry in entries:
        _check_out(root, LOCK, str(entry["path"]), entry)
    return entries


def _check_out(root: Path, record: str, name: str, out: Mapping[str, Any]) -> None:
    if strange := sorted(str(key) for key in out.keys() - _OUT_KEYS):
        raise _unreadable(root, record, f"{name!r} has {strange[0]!r}, which is not part of a version")
    if out.get("md5") is not None or record == VERSION:
        try:
            check_md5(out.get("md5"), repr(name))
        except VersionError as error:
            raise _unreadable(root, record, str(error)) from error
    for key, most in (("size", MAX_BYTES), ("nfiles", MAX_FILES)):
        given = out.get(key, 0)
        if not isinstance(given, int) or not 0 <= given <= most:
            raise _unreadable(root, record, f"{name!r} has the {key} {str(given)[:40]!r}, not a number up to {most:,}")


def _unreadable(root: Path, name: str, why: str) -> VersionError:
    return VersionError(f"{name} cannot be read: {why}", restore(root, name))
