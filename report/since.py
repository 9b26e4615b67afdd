"""What changed since the last nightly: a snapshot of each night in figures, and the difference of two.

A snapshot is four flat dicts: `versions`, `data`, `params`, `figures`. It is kept beside the page, in last.json, with
the one before it, so that drawing the page of a night again compares it with the night before and not with itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

from report.facts import Collection, FamilyFacts, read_json, read_params
from report.figures import metric_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from report.night import Night

Snapshot = dict[str, dict[str, Any]]

GROUPS = {"versions": "Versions", "data": "Data", "params": "Params", "figures": "Figures"}
MEASURED = ("versions", "data", "figures")  # parts that a night which failed may not have reached


@dataclass(frozen=True)
class Change:
    """One thing that differs: None where it was not there."""

    name: str
    before: Any
    now: Any

    @property
    def delta(self) -> float | None:
        """By how much, where both are numbers."""
        numbers = [value for value in (self.before, self.now) if _is_number(value)]
        return numbers[1] - numbers[0] if len(numbers) == 2 else None  # noqa: PLR2004  before and now


@dataclass(frozen=True)
class Since:
    """What changed since the night that began at `night`; empty `night` means that there was none."""

    night: str
    groups: dict[str, list[Change]]


def compare(root: Path, night: Night, collections: list[str], last: Path) -> Since:
    """The difference between this night and the last, and writes last.json if this is a nightly."""
    kept = read_json(last) or {}
    started = night.started.isoformat()
    before = kept.get("before") if kept.get("night") == started else {k: v for k, v in kept.items() if k != "before"}
    before = before if _is_whole(before) else {}
    now = _carried(snapshot(root, night, collections), before, night)
    if night.mode == "nightly":
        _write(last, {"night": started, "before": before, **now})
    return Since(before["night"], difference(before, now)) if before else Since("", {})


def snapshot(root: Path, night: Night, collections: list[str]) -> Snapshot:
    """The night in figures."""
    shot: Snapshot = {group: {} for group in GROUPS}
    versions = {f"{name} in use": f"v{version}" for name, version in (night.champions or {}).items() if version}
    versions |= {"record": night.record[:10], "data": night.data_md5[:10]}
    shot["versions"] = {name: version for name, version in versions.items() if version}
    shot["params"] = dict(_flat(read_params(root)))
    for name in collections:
        shot["data"] |= _data(Collection(root, name))
    for family in night.families:
        shot["figures"] |= _figures(FamilyFacts(root, family))
    return shot


def difference(before: Mapping[str, Any], now: Snapshot) -> dict[str, list[Change]]:
    """What is not the same, by group, in the order of tonight's names."""
    groups = {}
    for group in GROUPS:
        old, new = before.get(group) or {}, now[group]
        changes = [Change(name, old.get(name), new.get(name)) for name in [*new, *(n for n in old if n not in new)]]
        groups[group] = [change for change in changes if change.before != change.now]
    return {group: changes for group, changes in groups.items() if changes}


def _data(collection: Collection) -> dict[str, int]:
    table = collection.table
    if table is None:
        return {}
    kept = table[table["kept"].astype(bool)]
    found: dict[str, int] = {}
    for source in sorted(kept["source"].unique()):
        labels = kept.loc[kept["source"] == source, "label"].value_counts().sort_index()
        found |= {f"{collection.name}: {source}, {label}": int(number) for label, number in labels.items()}
    return found | {f"{collection.name}: dropped, {reason}": number for reason, number in collection.dropped.items()}


def _figures(facts: FamilyFacts) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in ("fp32", "compressed"):
        part = facts.metrics.get(name)
        values = {key: value for key, value in part.items() if _is_number(value)} if isinstance(part, dict) else {}
        found |= {f"{facts.name}: {metric_name(key)}, {name}": round(value, 6) for key, value in values.items()}
    sizes = facts.certificate.get("size_bytes")
    sizes = sizes if isinstance(sizes, dict) else {}
    return found | {f"{facts.name}: bytes, {name}": size for name, size in sizes.items() if _is_number(size)}


def _carried(now: Snapshot, before: Mapping[str, Any], night: Night) -> Snapshot:
    """A night that failed says nothing about what it did not reach: there the last figures stand."""
    if night.failed:
        for group in MEASURED:
            now[group] = {**(before.get(group) or {}), **now[group]}
    return now


def _is_whole(kept: object) -> TypeGuard[dict[str, Any]]:
    """Whether what was kept is a night: a full disk may have cut it short, another version may have written it."""
    return (
        isinstance(kept, dict) and isinstance(kept.get("night"), str) and all(type(kept.get(g)) is dict for g in GROUPS)
    )


def _flat(value: Any, prefix: str = "") -> list[tuple[str, Any]]:  # noqa: ANN401  any YAML
    if isinstance(value, dict):
        return [pair for key, inner in value.items() for pair in _flat(inner, f"{prefix}.{key}" if prefix else key)]
    return [(prefix, value if isinstance(value, int | float | str | bool) or value is None else json.dumps(value))]


def _is_number(value: Any) -> bool:  # noqa: ANN401  any JSON
    return isinstance(value, int | float) and not isinstance(value, bool)


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8")
    part.replace(path)
