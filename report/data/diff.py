"""Changes since the last nightly run: a snapshot of each run in figures, and the difference of two.

A snapshot is four flat dicts: `versions`, `data`, `params`, `figures`. It is kept beside the page, in last.json, with
the one before it, so that drawing the page of a run again compares it with the run before and not with itself.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeGuard

from common.renamed_keys import with_current_paths
from models.components.figures import figure_name
from models.renamed_params import RENAMED_PARAMS
from report.data.loaders import Collection, FamilyFacts, read_json, read_params

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from report.data.run import NightlyRun

Snapshot = dict[str, dict[str, Any]]

GROUPS = {"versions": "Versions", "data": "Data", "params": "Params", "figures": "Figures"}
SAMPLES = "samples"  # kept with them: which samples each family was scored on
BYTES = "bytes, "
MEASURED = ("versions", "data", "figures", SAMPLES)  # parts that a run which failed may not have reached


@dataclass(frozen=True)
class Difference:
    """One thing that differs: None where it was not there."""

    name: str
    before: Any
    now: Any
    comparable: bool = True  # both were scored on the same samples

    @property
    def delta(self) -> float | None:
        """By how much, where both are numbers and can be compared."""
        if not self.comparable:
            return None
        numbers = [value for value in (self.before, self.now) if _is_number(value)]
        return numbers[1] - numbers[0] if len(numbers) == 2 else None  # noqa: PLR2004  before and now


@dataclass(frozen=True)
class Since:
    """Differences from the run that began at `nightly`; empty where there was none."""

    nightly: str
    groups: dict[str, list[Difference]]

    @property
    def other_samples(self) -> list[str]:
        """The families whose test samples are not those of the last run."""
        figures = self.groups.get("figures", [])
        return sorted({change.name.split(": ")[0] for change in figures if not change.comparable})


def compare(root: Path, nightly: NightlyRun, collections: list[str], last: Path) -> Since:
    """The difference between this run and the last, and writes last.json if this is a nightly."""
    kept = _renamed(read_json(last) or {})
    started = nightly.started.isoformat()
    before = kept.get("before") if kept.get("nightly") == started else {k: v for k, v in kept.items() if k != "before"}
    before = before if _is_whole(before) else {}
    now = _carried(snapshot(root, nightly, collections), before, nightly)
    if nightly.mode == "nightly":
        _write(last, {"nightly": started, "before": before, **now})
    return Since(before["nightly"], difference(before, now)) if before else Since("", {})


def snapshot(root: Path, nightly: NightlyRun, collections: list[str]) -> Snapshot:
    """The run in figures."""
    shot: Snapshot = {group: {} for group in GROUPS}
    versions = {f"{name} in use": f"v{version}" for name, version in (nightly.champions or {}).items() if version}
    versions |= {"record": nightly.record[:10], "data": nightly.data_md5[:10]}
    shot["versions"] = {name: version for name, version in versions.items() if version}
    shot["params"] = dict(_flat(read_params(root)))
    for name in collections:
        shot["data"] |= _data(Collection(root, name))
    for family in nightly.families:
        shot["figures"] |= _figures(FamilyFacts(root, family))
    hashes = {family: _samples(FamilyFacts(root, family)) for family in nightly.families}
    shot[SAMPLES] = {family: found for family, found in hashes.items() if found}
    return shot


def _samples(facts: FamilyFacts) -> str:
    """Hash of the samples that a family was scored on; empty where it was not scored."""
    if facts.rows is None or "id" not in facts.rows:
        return ""
    return hashlib.sha256("\n".join(sorted(facts.rows["id"].astype(str))).encode()).hexdigest()[:16]


def difference(before: Mapping[str, Any], now: Snapshot) -> dict[str, list[Difference]]:
    """Differences by group, in the order of this run's names."""
    groups = {}
    scored, tested = before.get(SAMPLES) or {}, now[SAMPLES]
    same = {family for family in tested if tested[family] == scored.get(family)}
    for group in GROUPS:
        old, new = before.get(group) or {}, now[group]
        changes = [Difference(name, old.get(name), new.get(name)) for name in [*new, *(n for n in old if n not in new)]]
        changes = [change for change in changes if change.before != change.now]
        groups[group] = [_judged(change, same) for change in changes] if group == "figures" else changes
    return {group: changes for group, changes in groups.items() if changes}


def _judged(change: Difference, same: set[str]) -> Difference:
    """Marks whether a figure can be compared: only within one test split, but bytes always."""
    family, name = change.name.split(": ", 1)
    return replace(change, comparable=name.startswith(BYTES) or family in same)


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
        found |= {f"{facts.name}: {figure_name(key)}, {name}": round(value, 6) for key, value in values.items()}
    sizes = facts.certificate.get("size_bytes")
    sizes = sizes if isinstance(sizes, dict) else {}
    return found | {f"{facts.name}: {BYTES}{name}": size for name, size in sizes.items() if _is_number(size)}


def _carried(now: Snapshot, before: Mapping[str, Any], nightly: NightlyRun) -> Snapshot:
    """The snapshot with the last figures in place of those that a failed run did not reach."""
    if nightly.failed:
        for group in MEASURED:
            now[group] = {**(before.get(group) or {}), **now[group]}
    return now


def _renamed(kept: dict[str, Any]) -> dict[str, Any]:
    """A snapshot with today's keys: earlier versions called the run `night`, and some params otherwise."""
    if "night" in kept:
        kept["nightly"] = kept.pop("night")
    if isinstance(kept.get("params"), dict):
        kept["params"] = with_current_paths(kept["params"], RENAMED_PARAMS)
    if isinstance(kept.get("before"), dict):
        kept["before"] = _renamed(kept["before"])
    return kept


def _is_whole(kept: object) -> TypeGuard[dict[str, Any]]:
    """True if the kept file is a whole run: a full disk may have cut it short, another version may have written it."""
    return (
        isinstance(kept, dict)
        and isinstance(kept.get("nightly"), str)
        and all(type(kept.get(group)) is dict for group in GROUPS)
    )


def _flat(value: object, prefix: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [pair for key, inner in value.items() for pair in _flat(inner, f"{prefix}.{key}" if prefix else key)]
    return [(prefix, value if isinstance(value, int | float | str | bool) or value is None else json.dumps(value))]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8")
    part.replace(path)
