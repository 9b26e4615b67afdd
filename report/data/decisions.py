"""The decision of `register` about a family, read from build/F/decision.json.

The package that writes it is not imported here, so it is read leniently: what is missing stays at its default.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Decisions = dict[str, "RecordedDecision"]


class ComparedObjective(BaseModel):
    """The figure that promotion compares: challenger, champion, the gain and its 95 % interval."""

    model_config = ConfigDict(extra="allow")

    name: str = "objective"
    challenger: float | None = None
    champion: float | None = None
    gain: float | None = None
    low: float | None = None
    high: float | None = None


class RecordedDecision(BaseModel):
    """The decision about one family, as far as a reader needs it."""

    model_config = ConfigDict(extra="allow")

    family: str = ""
    version: int | None = None
    digest: str = ""
    registered: bool = False
    promoted: bool = False
    champion_before: int | None = None
    champion_after: int | None = None
    reasons: list[str] = []
    objective: ComparedObjective = ComparedObjective()
    fp32: float | None = None
    compressed: float | None = None
    size_bytes: dict[str, Any] = {}
    latency_ms: dict[str, Any] = {}
    held: str | None = None
    run_url: str | None = None
    version_url: str | None = None

    @property
    def is_champion(self) -> bool:
        """True if the bundle was the champion already when the run began: the same came out again."""
        return self.version is not None and self.version == self.champion_before


def read_decisions(root: Path, families: list[str]) -> Decisions:
    """The decisions that lie under root/build; a family without one, or with one that can't be read, is left out."""
    found = {family: _read(root / "build" / family / "decision.json") for family in families}
    return {family: decision for family, decision in found.items() if decision is not None}


def as_decisions(decisions: Mapping[str, Any]) -> Decisions:
    """Decisions by family from whatever holds them: this module's own, another pydantic model, a plain dict."""
    return {family: _as_decision(thing) for family, thing in decisions.items()}


def _as_decision(thing: BaseModel | Mapping[str, Any]) -> RecordedDecision:
    if isinstance(thing, RecordedDecision):
        return thing
    if isinstance(thing, BaseModel):
        thing = thing.model_dump(mode="json")
    return RecordedDecision.model_validate({key: value for key, value in thing.items() if value is not None})


def _read(path: Path) -> RecordedDecision | None:
    try:
        return _as_decision(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, ValidationError, AttributeError):
        return None
