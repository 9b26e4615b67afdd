"""Rules by which a challenger replaces the champion: pure functions over scores, with reasons as text."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field

from common.yaml_files import read_yaml_file
from registry.dvc.faults import restore
from rushes.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pandas as pd

    from models.family import Objective

# With fewer groups a resample repeats the same few, and its interval is too narrow.
FEW_GROUPS = 10
SMALL = 0.1  # for smaller values three decimals are fewer than three digits


class RulesError(UserError):
    """Raised if mlflow/promotion.yaml cannot be applied; `remedy` states the change."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Guards(_Table):
    """Metrics that a challenger may not lose for a better objective.

    A part (a label or another metric that the family watches, a group, a source) that falls too far blocks, unless the
    fall may be due to chance: if the interval of the fall includes zero, a rare label would decide at random.

    Attributes:
        label_drop: Maximum fall of the metric of any label, or of another part that the objective names.
        group_drop: Maximum fall of the objective in any group or source.
        group_rows: A group or source with fewer samples is not judged: its metric is noise.
        size_bytes: Maximum size of all files of a bundle.
        latency_ratio: Maximum latency of the challenger relative to the champion's.
    """

    label_drop: float = Field(0.10, ge=0.0)
    group_drop: float = Field(0.15, ge=0.0)
    group_rows: int = Field(50, ge=1)
    size_bytes: int = Field(50_000_000, ge=1)
    latency_ratio: float = Field(1.5, gt=0.0)


class Rules(_Table):
    """The rules for one family.

    Attributes:
        branch: The only branch from which a team's registry moves its champion.
        min_gain: The lower end of the gain's interval must be above it; 0 or more, so a tie keeps the champion.
        min_groups: With fewer groups in the test split no interval is meaningful, and nothing replaces a champion.
        resamples: Number of bootstrap resamples of the groups.
        confidence: Share of resamples inside the interval.
        seed: Seed of the resampling.
        floors: Absolute minimum of named metrics, whoever the champion is.
        guards: Limits of losses.
    """

    branch: str = "main"
    min_gain: float = Field(0.0, ge=0.0)
    min_groups: int = Field(3, ge=2)
    resamples: int = Field(1000, ge=100)
    confidence: Annotated[float, Field(gt=0.5, lt=1.0)] = 0.95
    seed: int = 0
    floors: dict[str, float] = {}
    guards: Guards = Field(default_factory=Guards)


@dataclass(frozen=True)
class Side:
    """One of the two models: its scores on the test split, and its costs.

    Attributes:
        name: Its name in the reasons: `v12`.
        rows: One row a sample, as `Scores.rows`.
        metrics: Named metrics of the whole split.
        size_bytes: All files of its bundle.
        latency_ms: Of one sample, interleaved with the other side; None if there was no other.
    """

    name: str
    rows: pd.DataFrame
    metrics: Mapping[str, float]
    size_bytes: int
    latency_ms: float | None = None


class Gain(_Table):
    """The objective of both sides and the interval of their difference; None if there is no champion."""

    name: str
    challenger: float
    champion: float | None = None
    gain: float | None = None
    low: float | None = None
    high: float | None = None


class Verdict(_Table):
    """Judgement of the challenger, with every reason for and against."""

    promote: bool
    reasons: list[str]
    objective: Gain


@dataclass(frozen=True)
class _Finding:
    holds: bool
    text: str


def _read_rules(path: Path) -> dict[str, Any]:
    try:
        return {**(read_yaml_file(path) or {})}
    except (OSError, yaml.YAMLError, TypeError) as error:
        message = f"mlflow/{path.name} cannot be read: {' '.join(str(error).split())}"
        raise RulesError(message, restore(path.parents[1], f"mlflow/{path.name}")) from error


def load_rules(path: Path, family: str) -> Rules:
    """Reads the rules for one family: the general ones, overridden by those under its name.

    Raises:
        RulesError: The file does not exist, or is not YAML in UTF-8.
        pydantic.ValidationError: A key is unknown, or a value is out of range.
    """
    document = _read_rules(path)
    own = (document.pop("families", None) or {}).get(family) or {}
    guards = {**(document.get("guards") or {}), **(own.get("guards") or {})}
    return Rules.model_validate({**document, **own, "guards": guards})


def decide(rules: Rules, challenger: Side, champion: Side | None, objective: Objective) -> Verdict:
    """Decides whether the challenger should be the champion.

    All checks are made, even after one fails, so that the reasons are complete.

    Raises:
        RulesError: A floor is for a metric that the family's score does not have.
    """
    costs = [*_floors(rules, challenger), *_sizes(rules, challenger)]
    if champion is None:
        score = Gain(name=objective.name, challenger=objective(challenger.rows))
        text = f"no champion before it; {objective.name} is {_figure(score.challenger)}"
        return _verdict([_Finding(holds=True, text=text), *costs], score)
    new, old = _aligned(objective, challenger, champion)
    if new.empty:
        score = Gain(name=objective.name, challenger=objective(challenger.rows))
        text = f"{challenger.name} and {champion.name} share no label: they cannot be compared"
        return _verdict([_Finding(holds=False, text=text), *costs], score)
    if (count := int(group_codes(new).max()) + 1) < rules.min_groups:
        before, after = objective(old), objective(new)
        score = Gain(name=objective.name, challenger=after, champion=before, gain=after - before)
        return _verdict([_too_few(rules, score, count, champion.name), *costs], score)
    score, basis = _compare(rules, objective, new, old)
    findings = [_gained(rules, score, basis, champion.name), *costs, *_latency(rules, challenger, champion)]
    parts = [*_labels(rules, objective, new, old), *_groups(rules, objective, new, old)]
    return _verdict(findings + parts, score)


def _verdict(findings: list[_Finding], score: Gain) -> Verdict:
    """Verdict of all findings; failed checks come first, since a notification shows one line."""
    ordered = sorted(findings, key=lambda finding: finding.holds)
    return Verdict(
        promote=all(finding.holds for finding in findings),
        reasons=[finding.text for finding in ordered],
        objective=score,
    )


def _floors(rules: Rules, challenger: Side) -> Iterator[_Finding]:
    for metric, floor in rules.floors.items():
        if metric not in challenger.metrics:
            message = f"mlflow/promotion.yaml has a floor for {metric!r}, which the score does not have"
            raise RulesError(message, f"use one of: {', '.join(sorted(challenger.metrics))}")
        value = challenger.metrics[metric]
        holds = value >= floor  # false for NaN
        yield _Finding(holds, f"{metric} {_figure(value)} is {'not below' if holds else 'below'} the floor {floor:g}")


def _sizes(rules: Rules, challenger: Side) -> Iterator[_Finding]:
    limit = rules.guards.size_bytes
    holds = challenger.size_bytes <= limit
    text = f"the bundle weighs {_megabytes(challenger.size_bytes)}, {'within' if holds else 'over'} {_megabytes(limit)}"
    yield _Finding(holds, text)


def _figure(value: float | None, sign: str = "") -> str:
    """Formats with three significant digits: 0.812, -0.0123, +0.00412."""
    if value is None:
        return "none"
    return f"{value:{sign}.3f}" if value == 0 or abs(value) >= SMALL else f"{value:{sign}#.3g}"


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.2f} MB"


def _aligned(objective: Objective, challenger: Side, champion: Side) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of both sides restricted to shared labels and samples, in the same order."""
    new, old = objective.shared(challenger.rows, champion.rows)
    new = new.drop_duplicates("id").set_index("id", drop=False)
    old = old.drop_duplicates("id").set_index("id", drop=False)
    ids = new.index.intersection(old.index, sort=False)
    return new.loc[ids].reset_index(drop=True), old.loc[ids].reset_index(drop=True)


def _compare(rules: Rules, objective: Objective, new: pd.DataFrame, old: pd.DataFrame) -> tuple[Gain, str]:
    """The gain with its interval, and a description of the resampling units."""
    groups, basis = _drawn_whole(new)
    low, high = _interval(rules, objective, new, old, groups)
    score, other = objective(new), objective(old)
    gain = Gain(name=objective.name, challenger=score, champion=other, gain=score - other, low=low, high=high)
    return gain, basis


def _drawn_whole(rows: pd.DataFrame) -> tuple[np.ndarray, str]:
    """Resampling unit of each row as a number, and its name: groups, or single samples if there are too few groups."""
    groups = group_codes(rows)
    count = int(groups.max()) + 1
    if count >= FEW_GROUPS:
        return groups, f"{count:,} groups"
    words = f"{len(rows):,} single samples, as there are only {count} groups (the interval is too narrow)"
    return np.arange(len(rows)), words


def _interval(
    rules: Rules, objective: Objective, new: pd.DataFrame, old: pd.DataFrame, groups: np.ndarray
) -> tuple[float, float]:
    gains = paired_gains(objective, new, old, groups, resamples=rules.resamples, seed=rules.seed)
    tail = (1.0 - rules.confidence) / 2.0
    if not np.isfinite(gains).any():
        return math.nan, math.nan  # NaN never exceeds a minimum
    # The central interval: equal tails on both sides.
    low, high = np.nanquantile(gains, [tail, 1.0 - tail])
    return float(low), float(high)


def group_codes(rows: pd.DataFrame) -> np.ndarray:
    """The group of each row as a number from 0; a row without a group forms one of its own."""
    groups = rows["group"].fillna("").astype(str).to_numpy(dtype=object)
    ids = rows["id"].astype(str).to_numpy(dtype=object)
    named = [(True, group) if group else (False, own) for group, own in zip(groups, ids, strict=True)]
    numbers: dict[tuple[bool, str], int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in named], np.int64)


def paired_gains(
    objective: Objective, new: pd.DataFrame, old: pd.DataFrame, groups: np.ndarray, *, resamples: int, seed: int
) -> np.ndarray:
    """The gain of `new` over `old` on each resample; both are weighted by the same draw of groups (Efron 1979).

    Pairing cancels the variance that both share: samples that are hard for one are hard for the other.

    Returns:
        One gain a resample.
    """
    drawn = _resampled(groups, resamples, seed)
    return np.array([objective(new, weights) - objective(old, weights) for weights in drawn])


def _resampled(groups: np.ndarray, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Weight of each row in each resample."""
    count = int(groups.max()) + 1
    random = np.random.default_rng(seed)
    for _ in range(resamples):
        # Draw as many groups as there are, with replacement; a row counts as often as its group was drawn.
        yield np.bincount(random.integers(count, size=count), minlength=count).astype(np.float64)[groups]


def _gained(rules: Rules, score: Gain, basis: str, champion: str) -> _Finding:
    low = score.low if score.low is not None else -math.inf
    holds = low > rules.min_gain
    text = (
        f"{score.name} {_figure(score.challenger)} against {_figure(score.champion)} of {champion}: gain "
        f"{_figure(score.gain, '+')}, {rules.confidence:.0%} interval {_figure(low, '+')} to "
        f"{_figure(score.high, '+')} over {rules.resamples:,} resamples of "
        f"{basis}; its lower end is {'above' if holds else 'not above'} {rules.min_gain:g}"
    )
    return _Finding(holds, text)


def _too_few(rules: Rules, score: Gain, count: int, champion: str) -> _Finding:
    text = (
        f"cannot judge: {score.name} {_figure(score.challenger)} against {_figure(score.champion)} of {champion}, but "
        f"the shared samples are of {count} group{'' if count == 1 else 's'}, and {rules.min_groups} are needed "
        "to distinguish a gain from chance: add samples of other groups (performers, shots, documents)"
    )
    return _Finding(holds=False, text=text)


def _labels(rules: Rules, objective: Objective, new: pd.DataFrame, old: pd.DataFrame) -> Iterator[_Finding]:
    after, before = objective.worst(new), objective.worst(old)
    falls = {part: _Fall(before[part], after[part]) for part in before if part in after}
    if any(fall.depth > rules.guards.label_drop for fall in falls.values()):
        least = _least_falls(rules, objective, new, old)
        falls = {part: replace(fall, least=least[part]) for part, fall in falls.items()}
    kind = "label" if "label" in new and set(falls) <= set(new["label"].astype(str)) else "part"
    yield from _deepest(kind, falls, rules.guards.label_drop)


def _least_falls(rules: Rules, objective: Objective, new: pd.DataFrame, old: pd.DataFrame) -> dict[str, float]:
    """The lower end of the interval of each label's fall."""
    # Called only if a fall is over its limit, since it evaluates every label a thousand times.
    parts, tail = list(objective.worst(old)), (1.0 - rules.confidence) / 2.0
    falls = np.full((rules.resamples, len(parts)), np.nan)
    for i, weights in enumerate(_resampled(_drawn_whole(new)[0], rules.resamples, rules.seed)):
        after, before = objective.worst(new, weights), objective.worst(old, weights)
        falls[i] = [before.get(part, math.nan) - after.get(part, math.nan) for part in parts]
    return dict(zip(parts, np.nanquantile(falls, tail, axis=0).tolist(), strict=True))


def _groups(rules: Rules, objective: Objective, new: pd.DataFrame, old: pd.DataFrame) -> Iterator[_Finding]:
    for column in ("group", "source"):
        if column not in new:
            continue
        sizes = new[column].fillna("").astype(str).value_counts()
        judged = [str(name) for name, size in sizes.items() if name and size >= rules.guards.group_rows]
        if len(judged) < 2:  # noqa: PLR2004  a single one is the whole set
            continue
        of_row = new[column].astype(str)
        falls = {name: _fall(rules, objective, new[of_row == name], old[of_row == name]) for name in judged}
        yield from _deepest(column, falls, rules.guards.group_drop)


@dataclass(frozen=True)
class _Fall:
    """The metric of a part before and after; `least`: the lower end of the fall's interval, if computed."""

    before: float
    after: float
    least: float = math.inf

    @property
    def depth(self) -> float:
        return self.before - self.after

    def blocks(self, limit: float) -> bool:
        return self.depth > limit and self.least > 0.0


def _fall(rules: Rules, objective: Objective, new: pd.DataFrame, old: pd.DataFrame) -> _Fall:
    """The fall of one group or source."""
    fall = _Fall(objective(old), objective(new))
    if not fall.depth > rules.guards.group_drop:
        return fall
    _, high = _interval(rules, objective, new, old, _drawn_whole(new)[0])
    return replace(fall, least=-high)


def _deepest(kind: str, falls: Mapping[str, _Fall], limit: float) -> Iterator[_Finding]:
    """The deepest fall among the parts; among those that block, if any does."""
    real = {part: fall for part, fall in falls.items() if math.isfinite(fall.depth)}
    if not real:
        return
    part, fall = max(real.items(), key=lambda item: (item[1].blocks(limit), item[1].depth))
    yield _Finding(not fall.blocks(limit), _spell_fall(kind, part, fall, limit))


def _spell_fall(kind: str, part: str, fall: _Fall, limit: float) -> str:
    if fall.depth <= 0:
        return f"no {kind} falls"
    text = f"the deepest fall of a {kind} is {part}, {_figure(fall.before)} to {_figure(fall.after)}"
    if fall.depth <= limit:
        return f"{text}, within {limit:g}"
    if fall.blocks(limit):
        return f"{text}, more than {limit:g}"
    return f"{text}: more than {limit:g}, but with so few samples it may be chance"


def _latency(rules: Rules, challenger: Side, champion: Side) -> Iterator[_Finding]:
    if challenger.latency_ms is None or champion.latency_ms is None:
        return
    ratio, limit = challenger.latency_ms / champion.latency_ms, rules.guards.latency_ratio
    holds = ratio <= limit
    text = (
        f"{challenger.latency_ms:.2f} ms against {champion.latency_ms:.2f} ms of {champion.name}, "
        f"{ratio:.2f} times as long, {'within' if holds else 'over'} {limit:g}"
    )
    yield _Finding(holds, text)
