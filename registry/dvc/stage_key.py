"""The key of a stage: a hash of its data, params and code on disk, computed without DVC.

With it a killed stage finds its MLflow run and its checkpoints again. DVC's own hashes would do, but importing DVC is
expensive, and dvc.lock is written only after a stage has ended.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.hashing import sha256_of
from common.yaml_files import read_yaml_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Node = Any  # any YAML value
PARAMS = "params.yaml"
SKIPPED = ("__pycache__", ".DS_Store", "Thumbs.db")  # as in .dvcignore
VARIABLE = re.compile(r"\$\{([^}]+)\}")


def stage_key(root: Path, stage: str, item: str, without: Iterable[str] = ()) -> str:
    """The sha256 over everything that a stage depends on: its command, the content of its deps, its params.

    Args:
        root: The tree with dvc.yaml.
        stage: For instance `train`.
        item: For instance `expression`.
        without: Params to exclude, since they do not affect what the key identifies.

    Raises:
        KeyError: dvc.yaml has no such stage, or params.yaml lacks a param of the stage.
        FileNotFoundError: A dep does not exist.
    """
    params = read_yaml_file(root / PARAMS)
    definition = resolve(read_yaml_file(root / "dvc.yaml"), params, stage, item)
    parts = {
        "cmd": definition["cmd"],
        "deps": {path: _hash(root / path) for path in definition.get("deps", [])},
        "params": {
            name: value for name, value in _values(root, params, definition.get("params", [])) if name not in without
        },
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def resolve(graph: Mapping[str, Any], params: Mapping[str, Any], stage: str, item: str) -> dict[str, Any]:
    """The definition of one stage with `${key}`, `${item}` and params substituted, as in DVC.

    Raises:
        KeyError: There is no such stage or item.
    """
    definition = graph["stages"].get(stage)
    if definition is None:
        message = f"dvc.yaml has no stage {stage!r}; it has {', '.join(graph['stages'])}"
        raise KeyError(message)
    if "foreach" not in definition:
        return dict(_filled(definition, params))
    items = _filled(definition["foreach"], params)
    known = {str(key): key for key in items}
    if item not in known:
        message = f"the stage {stage!r} has no item {item!r}; it has {', '.join(known)}"
        raise KeyError(message)
    # Over a mapping, DVC provides the name as `key` and the value as `item`; over a list, only `item`.
    own = {"key": item, "item": items[known[item]]} if isinstance(items, dict) else {"item": known[item]}
    return dict(_filled(definition["do"], {**params, **own}))


def _filled(node: Node, scope: Mapping[str, Any]) -> Node:
    """A part of dvc.yaml with its variables substituted; a variable that is the whole text keeps its type."""
    if isinstance(node, dict):
        return {_filled(key, scope): _filled(value, scope) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(value, scope) for value in node]
    if not isinstance(node, str):
        return node
    if alone := VARIABLE.fullmatch(node):
        return look_up(scope, alone[1].strip())
    return VARIABLE.sub(lambda match: str(look_up(scope, match[1].strip())), node)


def look_up(values: Mapping[str, Any], path: str) -> Node:
    """The value at a path such as `expression.train`.

    Raises:
        KeyError: There is none.
    """
    found: Node = values
    for name in path.split("."):
        if not isinstance(found, dict) or name not in found:
            message = f"there is no {path!r}: {name!r} is missing"
            raise KeyError(message)
        found = found[name]
    return found


def _values(root: Path, params: Mapping[str, Any], named: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """The params of a stage: `collections.faces` in params.yaml, or `{file: [names]}`."""
    for entry in named:
        if isinstance(entry, str):
            yield entry, look_up(params, entry)
            continue
        for file, names in entry.items():
            values = read_yaml_file(root / file)
            for name in names or values:
                yield f"{file}:{name}", look_up(values, name)


def _hash(path: Path) -> str:
    """The sha256 of a file, or of a folder's files by path and content."""
    if path.is_file():
        return sha256_of(path)
    if not path.is_dir():
        message = f"{path} does not exist, though dvc.yaml lists it: run the stage before it"
        raise FileNotFoundError(message)
    lines = [f"{sha256_of(file)}  {file.relative_to(path).as_posix()}\n" for file in _files(path)]
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _files(folder: Path) -> list[Path]:
    found = []
    for here, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in SKIPPED]
        found += [Path(here) / name for name in names if name not in SKIPPED and not _is_passing(name)]
    return sorted(found, key=lambda file: file.relative_to(folder).as_posix())


def _is_passing(name: str) -> bool:
    """True for temporary files of Python or of a copy in progress, which .dvcignore lists too."""
    return name.endswith(".pyc") or (name.startswith(".") and name.endswith(".tmp"))
