"""Renamed keys of a configuration file: an old key is refused with its new name.

A table maps the old path of each key to the new one, such as `{"schedule.zone": "schedule.timezone"}`. It belongs to
the package that owns the keys. `*` matches any single name, and a row for a section applies to the keys below it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def current_path(path: str, table: Mapping[str, str]) -> str | None:
    """New path of a key, or None if the key was not renamed."""
    parts = path.split(".")
    for old, new in table.items():
        names = old.split(".")
        if len(names) <= len(parts) and all(name in ("*", part) for name, part in zip(names, parts, strict=False)):
            wildcards = iter([part for name, part in zip(names, parts, strict=False) if name == "*"])
            renamed = [next(wildcards) if name == "*" else name for name in new.split(".")]
            return ".".join([*renamed, *parts[len(names) :]])
    return None


def find_renamed(values: Mapping[Any, Any], table: Mapping[str, str], prefix: str = "") -> dict[str, str]:
    """Finds old keys in nested values: old path -> new path."""
    found: dict[str, str] = {}
    for key, value in values.items():
        path = f"{prefix}{key}"
        new = current_path(path, table)
        if new is not None:
            found[path] = new
        elif isinstance(value, Mapping):
            found |= find_renamed(value, table, f"{path}.")
    return found


def with_current_paths(flat: Mapping[str, Any], table: Mapping[str, str]) -> dict[str, Any]:
    """Recorded values by path, with old paths replaced by the current ones."""
    return {current_path(path, table) or path: value for path, value in flat.items()}


def describe(old: str, new: str) -> str:
    """Text such as `a.b is now c`; with the complete new path if the section differs."""
    section, _, name = new.rpartition(".")
    return f"{old} is now {name if section == old.rpartition('.')[0] else new}"
