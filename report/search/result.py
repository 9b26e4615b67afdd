"""Result of a search for params, as search.json holds it and the page shows it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from report.formatting import figure_text

TrialState = Literal["complete", "pruned", "failed"]


class TrialResult(BaseModel):
    """One trial: its params by path below the family, and its figure; that of a pruned one is its last."""

    number: int
    state: TrialState
    params: dict[str, Any]
    value: float | None = None
    epochs: int = 0
    seconds: float = 0.0
    reason: str = ""
    attempts: int = 1


class Comparison(BaseModel):
    """The best trial against the default, both trained again with other seeds; a gain is positive if it is better."""

    trial: int
    default: list[float] = Field(default_factory=list)
    best: list[float] = Field(default_factory=list)
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    failed: str = ""

    @property
    def is_better(self) -> bool:
        """True if the whole interval is above zero."""
        return self.low is not None and self.low > 0

    def text(self) -> str:
        """The gain with its interval."""
        if self.gain is None:
            return ""
        low, high = (figure_text(end, signed=True) for end in (self.low, self.high))
        return f"{figure_text(self.gain, signed=True)}, 95 % interval {low} to {high}"


class SearchResult(BaseModel):
    """A search: what was asked, its trials, and its outcome.

    Attributes:
        monitor: The figure of validation that trials are ordered by.
        loosely: True if the family keeps its last epoch because this figure follows quality only loosely.
        space: Range of each param, as text.
        default: Values in params.yaml.
        overrides: Params that were changed for all trials.
        importance: Share of each param in the variation of the figure; empty with too few trials.
        seconds: Time in which at least one training was in progress.
        patch: Unified diff of params.yaml; empty if the default is the best trial.
    """

    family: str
    study: str
    record: str
    command: str
    monitor: str
    less_is_better: bool
    loosely: bool = False
    space: dict[str, str]
    default: dict[str, Any]
    overrides: dict[str, Any] = Field(default_factory=dict)
    trials: list[TrialResult]
    importance: dict[str, float] = Field(default_factory=dict)
    comparison: Comparison | None = None
    seconds: float = 0.0
    patch: str = ""

    @property
    def best(self) -> TrialResult | None:
        """The complete trial with the best figure; the earlier one of two that are equal."""
        complete = [trial for trial in self.trials if trial.state == "complete" and trial.value is not None]
        sign = 1.0 if self.less_is_better else -1.0
        return min(complete, key=lambda trial: (sign * (trial.value or 0.0), trial.number), default=None)

    @property
    def is_better(self) -> bool:
        """True if the best trial is better than the default by more than its interval."""
        return self.comparison is not None and self.comparison.is_better

    def verdict(self) -> str:
        """The outcome in a sentence."""
        best = self.best
        if best is None:
            return f"{self.family}: no trial was completed"
        if best.number == 0:
            return f"{self.family}: no trial is better than the default ({self.counts()})"
        if self.comparison is None or self.comparison.gain is None:
            return f"{self.family}: trial {best.number} is the best, but was not compared with the default"
        if self.is_better:
            return f"{self.family}: trial {best.number} is better than the default, by {self.comparison.text()}"
        outcome = "no better than the default by more than its interval"
        return f"{self.family}: {outcome}: trial {best.number}, {self.comparison.text()}"

    def counts(self) -> str:
        """Numbers of trials by their end: `20 trials: 6 complete, 13 pruned, 1 failed`."""
        ends = [trial.state for trial in self.trials]
        named = [f"{ends.count(state)} {state}" for state in ("complete", "pruned", "failed") if state in ends]
        return f"{len(ends)} trial{'s' * (len(ends) != 1)}: {', '.join(named)}"
